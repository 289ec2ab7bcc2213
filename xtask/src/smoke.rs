//! Smoke tests of what a user runs: `wrangler deploy --dry-run` and `wrangler dev`, with the
//! wrangler.toml at the root.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::layout::{Layout, read_or_empty};
use crate::process;
use crate::setup::Tools;

/// wrangler's own start, and the build it runs first, which is up to date by then.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Packs everything as a deployment would, and uploads nothing.
pub(crate) fn dry_run(layout: &Layout, tools: &Tools) -> Result<()> {
    let out = scratch(layout)?.join("dry-run");
    let mut command = wrangler(layout, tools)?;
    command.args(["deploy", "--dry-run", "--outdir"]).arg(&out);
    process::with_progress(&mut command, "wrangler deploy --dry-run", START_LIMIT)?;
    let packed = out.read_dir().with_context(|| format!("no {}", out.display()))?;
    let wasm = packed.flatten().any(|file| file.path().extension().is_some_and(|e| e == "wasm"));
    if !wasm {
        bail!("wrangler packed no wasm into {}", out.display());
    }
    Ok(())
}

/// Starts `wrangler dev` on a free loopback port, asks it one thing, and ends it.
pub(crate) fn dev(layout: &Layout, tools: &Tools) -> Result<()> {
    let scratch = scratch(layout)?;
    let port = free_port()?;
    let log = scratch.join("dev.log");
    let file = std::fs::File::create(&log)?;
    let mut command = wrangler(layout, tools)?;
    command
        .args(["dev", "--ip", "127.0.0.1", "--port", &port.to_string()])
        .args(["--inspector-port", &free_port()?.to_string()])
        .args(["--show-interactive-dev-session=false", "--log-level=info", "--persist-to"])
        .arg(scratch.join("state"))
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        // Its own group, so that the workerd it starts ends with it.
        .process_group(0);
    let group = Group(command.spawn().context("cannot start wrangler dev")?);
    let answer = first_answer(group, port);
    if answer.is_err() {
        for line in read_or_empty(&log).lines() {
            eprintln!("    | {line}");
        }
    }
    let status = answer?;
    eprintln!("  wrangler dev answered `GET /` with status {status}");
    if status >= 500 {
        bail!("wrangler dev answered with status {status}; its log is {}", log.display());
    }
    Ok(())
}

fn first_answer(mut group: Group, port: u16) -> Result<u16> {
    let end = Instant::now() + START_LIMIT;
    while Instant::now() < end {
        if let Some(status) = group.0.try_wait()? {
            bail!("wrangler dev ended by itself ({status})");
        }
        if let Some(status) = get(port) {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(300));
    }
    Err(anyhow!("wrangler dev did not answer within {} s", START_LIMIT.as_secs()))
}

/// The status of `GET /`; nothing while nobody answers.
fn get(port: u16) -> Option<u16> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let request = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // A connection reset after the head is an answer all the same.
    let _ = stream.take(64 * 1024).read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}

fn wrangler(layout: &Layout, tools: &Tools) -> Result<Command> {
    let scratch = scratch(layout)?;
    let mut command = Command::new(tools.node());
    command
        .current_dir(&layout.root)
        .arg(layout.node_modules().join("wrangler/bin/wrangler.js"))
        // wrangler starts `node` again by itself; that must be the new one too.
        .env("PATH", crate::setup::path_with(tools.node().parent().unwrap_or(&layout.root))?)
        // No question, no statistics, no crash report, no look at what the newest version is,
        // nothing in the user's home.
        .env("CI", "1")
        .env("NO_UPDATE_NOTIFIER", "1")
        .env("WRANGLER_SEND_METRICS", "false")
        .env("WRANGLER_SEND_ERROR_REPORTS", "false")
        .env("CLOUDFLARE_CF_FETCH_ENABLED", "false")
        .env("XDG_CONFIG_HOME", scratch.join("config"))
        .env("WRANGLER_LOG_PATH", scratch.join("logs"))
        .env("WRANGLER_REGISTRY_PATH", scratch.join("registry"));
    Ok(command)
}

fn scratch(layout: &Layout) -> Result<PathBuf> {
    let directory = layout.root.join("target/wrangler");
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory)
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// A process group that does not outlive its owner: asked to end first, so that wrangler clears up
/// after itself, then made to.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let signal = |name: &str| {
            let _ = Command::new("kill").args([name, "--", &group]).stderr(Stdio::null()).status();
        };
        signal("-TERM");
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end && matches!(self.0.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(100));
        }
        signal("-KILL");
        let _ = self.0.wait();
    }
}
