//! The npm package as its user gets it: packed, installed into an empty directory by npm, used by the
//! commands of its page.

use std::fs::{self, File};
use std::io::{PipeWriter, pipe};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use pierhead_tests::http::{Http, encode};
use pierhead_tests::postgres::{DATABASE, PASSWORD, Postgres, PostgresConfig};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tempfile::TempDir;

use crate::world::{PATIENCE, live};

/// A registry may take its time.
const INSTALL_TIME: Duration = Duration::from_secs(300);

/// A shell on a project, and the npm that belongs to the packaged Node.
pub(crate) struct Shell {
    directory: TempDir,
}

impl Shell {
    pub(crate) fn new() -> Self {
        // npm takes no name that begins with a dot.
        Self { directory: tempfile::Builder::new().prefix("shop-").tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    fn command(&self, script: &str) -> Command {
        // What it starts ends with it, also when the tests die: they hold the other end of its input.
        let guarded =
            format!("exec 3<&0 </dev/null\n( read -r _ <&3; kill -KILL 0 ) &\n{script}\n");
        let mut command = Command::new("bash");
        command.args(["-ec", &guarded]).current_dir(self.path()).process_group(0);
        let node = PathBuf::from(std::env::var_os("PIERHEAD_NODE").unwrap());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let first = std::iter::once(node.parent().unwrap().to_owned());
        let path = std::env::join_paths(first.chain(std::env::split_paths(&path))).unwrap();
        command.env("PATH", path).env_remove("PIERHEAD_WORKERD").env_remove("PIERHEAD_DATABASE");
        // No question, no statistics, no look at what the newest version is.
        command.env("CI", "1").env("WRANGLER_SEND_METRICS", "false").env("NO_UPDATE_NOTIFIER", "1");
        command.env("WRANGLER_SEND_ERROR_REPORTS", "false");
        command.env("CLOUDFLARE_CF_FETCH_ENABLED", "false");
        command.env("WRANGLER_REGISTRY_PATH", self.path().join(".registry"));
        command.env("WRANGLER_LOG_PATH", self.path().join(".logs"));
        command.env("npm_config_update_notifier", "false").env("npm_config_prefer_offline", "true");
        command.env("npm_config_audit", "false").env("npm_config_fund", "false");
        command
    }

    /// Runs a script to its end; gives what it printed and how long it took.
    pub(crate) async fn run(&self, script: &str) -> (String, Duration) {
        let began = Instant::now();
        let mut running = self.start("run", script);
        let status = running.until(INSTALL_TIME, script, Running::ended).await;
        assert!(status.success(), "{script}: {status}\n{}", running.said());
        (running.said(), began.elapsed())
    }

    /// Starts a script that goes on until it is stopped.
    pub(crate) fn start(&self, name: &str, script: &str) -> Running {
        let log = self.path().join(format!("{name}.log"));
        let file = File::create(&log).unwrap();
        let (input, holds) = pipe().unwrap();
        let mut command = self.command(script);
        command.stdin(input).stdout(file.try_clone().unwrap()).stderr(file);
        Running { child: command.spawn().unwrap(), log, _holds: holds }
    }
}

/// A script that runs; all that it started is killed with its value.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
    _holds: PipeWriter,
}

impl Running {
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until something is there.
    pub(crate) async fn until<T>(
        &mut self,
        patience: Duration,
        what: &str,
        mut looks: impl FnMut(&mut Self) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(found) = looks(self) {
                return found;
            }
            assert!(Instant::now() < deadline, "never {what}:\n{}", self.said());
            assert!(self.ended().is_none_or(|status| status.success()), "{}", self.said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for a line, and gives what stands behind `start` in it.
    pub(crate) async fn says(&mut self, start: &str) -> String {
        self.until(PATIENCE * 4, start, |running| {
            let said = running.said();
            // A line that is still being written is not one.
            let (lines, _) = said.rsplit_once('\n')?;
            let rest = lines.lines().find_map(|line| line.split_once(start))?.1.to_owned();
            Some(rest)
        })
        .await
    }

    /// Tells all that it started to end, and waits until they have.
    pub(crate) async fn stop(mut self) {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while self.ended().is_none() || self.has_members() {
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn has_members(&self) -> bool {
        test_kill_process_group(self.group()).is_ok()
    }

    fn group(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed()).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process_group(self.group(), signal).ok();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().ok();
    }
}

/// The package's directory, built.
fn package() -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../worker-client/js");
    assert!(directory.join("dist/bin.mjs").exists(), "`cargo xtask build typescript` makes it");
    directory
}

/// The wrangler that this clone pins: what `npm install` takes must not change by itself.
fn wrangler() -> String {
    let modules = PathBuf::from(std::env::var_os("PIERHEAD_NODE_MODULES").unwrap());
    let manifest = fs::read_to_string(modules.join("wrangler/package.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    manifest["version"].as_str().unwrap().to_owned()
}

/// Packs the package; gives the file's name, which stands in the shell's directory.
pub(crate) async fn pack(shell: &Shell) -> String {
    let directory = package();
    let pack = "npm pack --ignore-scripts --loglevel=error --pack-destination";
    let script = format!("at=$PWD; cd '{}'; {pack} \"$at\"", directory.display());
    let (said, _) = shell.run(&script).await;
    said.lines().last().unwrap().to_owned()
}

/// The size of what npm installed, in kilobytes.
async fn installed(shell: &Shell, what: &str) -> u64 {
    let (said, _) = shell.run(&format!("du -sk {what} | cut -f1")).await;
    said.trim().parse().unwrap()
}

#[test]
fn from_an_empty_directory_to_the_first_row() {
    live(async {
        let postgres = Postgres::start(PostgresConfig::default()).await.unwrap();
        let shell = Shell::new();
        let file = pack(&shell).await;
        let bytes = fs::metadata(shell.path().join(&file)).unwrap().len();

        shell.run("npm init -y").await;
        let (_, ours) = shell.run(&format!("npm install ./{file}")).await;
        let our_size = installed(&shell, "node_modules").await;
        let version = wrangler();
        let (_, theirs) = shell.run(&format!("npm install --save-dev wrangler@{version}")).await;
        let all_size = installed(&shell, "node_modules").await;

        let page = fs::read_to_string(package().join("README.md")).unwrap();
        let command = |start: &str| {
            let found = page.lines().find(|line| line.starts_with(start));
            found.unwrap_or_else(|| panic!("README.md has no {start:?}")).to_owned()
        };
        let began = Instant::now();
        shell.run(&command("npx pierhead init")).await;
        shell.run(&command("npx pierhead check")).await;
        let address = postgres.addr();
        let url = format!("postgres://scram_user:{}@{address}/{DATABASE}", encode(PASSWORD));
        let dev = command("npx pierhead dev").replace('#', "--port 0 #");
        let mut dev = shell.start("dev", &format!("export PIERHEAD_DATABASE='{url}'\n{dev}"));
        dev.says("for this directory's Worker").await;
        let coordinator = began.elapsed();
        let worker = command("npx wrangler dev")
            .replace('#', "--ip 127.0.0.1 --port 0 --inspector-port 0 #");
        let mut worker = shell.start("worker", &worker);
        let ready = worker.says("Ready on http://").await;
        let port = ready.rsplit_once(':').unwrap().1.trim().parse().unwrap();
        let ready = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let workerd = began.elapsed();
        let answer = Http::new(ready).get("/").await.unwrap().ok().unwrap();
        let row = began.elapsed();
        assert_eq!(answer.json().unwrap()["database"], DATABASE, "{}", answer.text());

        eprintln!(
            "the first row after {:.1} s: npm {:.1} s for pierhead ({bytes} bytes packed, {our_size} KB \
             installed) and {:.1} s for wrangler ({} KB); init, check and dev {:.1} s, wrangler dev \
             {:.1} s, the row {:.2} s",
            (ours + theirs + row).as_secs_f32(),
            ours.as_secs_f32(),
            theirs.as_secs_f32(),
            all_size - our_size,
            coordinator.as_secs_f32(),
            (workerd - coordinator).as_secs_f32(),
            (row - workerd).as_secs_f32(),
        );
        let said = format!("{}{}", dev.said(), worker.said());
        assert!(!said.contains(PASSWORD) && !said.contains(&encode(PASSWORD)), "{said}");
        worker.stop().await;
        dev.stop().await;
        for file in ["dev.json", "dev.env"] {
            let left = shell.path().join(".pierhead").join(file);
            assert!(!left.exists(), "{} is left behind", left.display());
        }
    });
}
