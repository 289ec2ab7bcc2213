//! Running other programs: probes, long steps with progress and a time limit, and programs that
//! take over the terminal.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A probe that has not answered by then is taken for broken.
const PROBE_LIMIT: Duration = Duration::from_secs(20);

/// Time between signs of life where the output is not a terminal, e.g. in CI.
const TICK: Duration = Duration::from_secs(10);

/// Lines of a failed program's output that are shown.
const TAIL_LINES: usize = 40;

/// What a program did: how it ended and the end of what it printed.
struct Ran {
    /// Nothing when the time limit ended it.
    status: Option<ExitStatus>,
    tail: VecDeque<String>,
}

/// Runs a quick program and gives its standard output, trimmed. Nothing when it is missing, fails,
/// or does not answer in time: a probe asks whether something is there.
pub(crate) fn probe(command: &mut Command) -> Option<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Kill(command.spawn().ok()?);
    let mut stdout = child.0.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.read_to_string(&mut text);
        let _ = sender.send(read.map(|_| text));
    });
    let text = receiver.recv_timeout(PROBE_LIMIT).ok()?.ok()?;
    child.0.wait().ok()?.success().then(|| text.trim().to_owned())
}

/// Runs a program that may take long: shows elapsed time and its latest line while it runs, its
/// last lines if it fails. Past the limit it is killed.
pub(crate) fn with_progress(command: &mut Command, what: &str, limit: Duration) -> Result<()> {
    let ran = follow(command, what, limit)?;
    let reason = match ran.status {
        Some(status) if status.success() => return Ok(()),
        Some(status) => status.to_string(),
        None => format!("stopped after its limit of {} s", limit.as_secs()),
    };
    for line in &ran.tail {
        eprintln!("    | {line}");
    }
    bail!("{what} failed ({reason}): {}", shown(command))
}

/// Like [`with_progress`] for something that is allowed to fail, because there is another way:
/// gives the last line it printed as the reason.
pub(crate) fn attempt(command: &mut Command, what: &str, limit: Duration) -> Result<(), String> {
    match follow(command, what, limit) {
        Err(error) => Err(format!("{error:#}")),
        Ok(Ran { status: Some(status), .. }) if status.success() => Ok(()),
        Ok(Ran { status: None, .. }) => Err(format!("no answer within {} s", limit.as_secs())),
        Ok(Ran { tail, .. }) => Err(tail
            .iter()
            .rev()
            .find(|line| line.contains("error"))
            .or(tail.back())
            .map_or_else(|| "it failed silently".to_owned(), |line| line.trim().to_owned())),
    }
}

/// Runs a program on this terminal and gives its exit status.
pub(crate) fn foreground(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| format!("cannot start {}", shown(command)))
}

/// The command as one would type it, without its environment.
pub(crate) fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}

/// Takes away what `cargo run` sets for this program and what would mislead another cargo, rustc
/// or wasm build: library paths of the wrong compiler, flags meant for native code.
pub(crate) fn without_cargo_environment(command: &mut Command) -> &mut Command {
    for name in [
        "LD_LIBRARY_PATH",
        "DYLD_FALLBACK_LIBRARY_PATH",
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_TARGET_DIR",
        "RUSTC",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
    ] {
        command.env_remove(name);
    }
    command
}

/// A child that does not outlive its owner, also when that one panics.
struct Kill(Child);

impl Drop for Kill {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn follow(command: &mut Command, what: &str, limit: Duration) -> Result<Ran> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        Kill(command.spawn().with_context(|| format!("cannot start {}", shown(command)))?);
    let (sender, lines) = mpsc::channel();
    if let Some(stdout) = child.0.stdout.take() {
        send_lines(stdout, sender.clone());
    }
    if let Some(stderr) = child.0.stderr.take() {
        send_lines(stderr, sender);
    }
    let mut progress = Progress::new(what);
    let mut tail = VecDeque::new();
    let end = Instant::now() + limit;
    loop {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => {
                progress.line(&line);
                if tail.len() == TAIL_LINES {
                    tail.pop_front();
                }
                tail.push_back(line);
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Both pipes are closed: the program is about to end.
            Err(RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(20)),
        }
        progress.tick();
        // Only now that no line is waiting: a grandchild that lives on may hold the pipes open.
        if let Some(status) = child.0.try_wait().context("cannot wait for a program")? {
            progress.clear();
            return Ok(Ran { status: Some(status), tail });
        }
        if Instant::now() > end {
            progress.clear();
            return Ok(Ran { status: None, tail });
        }
    }
}

fn send_lines(pipe: impl Read + Send + 'static, sender: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line);
            // A progress bar redraws its line after a carriage return; the last state counts.
            let line = line.trim_end().rsplit('\r').next().unwrap_or_default().to_owned();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
}

/// Signs of life: one line that changes on a terminal, a line now and then elsewhere.
struct Progress<'a> {
    what: &'a str,
    terminal: bool,
    started: Instant,
    shown: Instant,
    latest: String,
}

impl<'a> Progress<'a> {
    fn new(what: &'a str) -> Self {
        let now = Instant::now();
        let terminal = std::io::stderr().is_terminal();
        Self { what, terminal, started: now, shown: now, latest: String::new() }
    }

    fn line(&mut self, line: &str) {
        let line = line.trim();
        if !line.is_empty() {
            self.latest = line.chars().filter(|c| !c.is_control()).take(60).collect();
        }
        self.tick();
    }

    fn tick(&mut self) {
        let every = if self.terminal { Duration::from_millis(200) } else { TICK };
        if self.shown.elapsed() < every {
            return;
        }
        self.shown = Instant::now();
        let seconds = self.started.elapsed().as_secs();
        if self.terminal {
            eprint!("\r\x1b[2K    … {} {seconds} s  {}", self.what, self.latest);
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("    … {} {seconds} s  {}", self.what, self.latest);
        }
    }

    fn clear(&self) {
        if self.terminal {
            eprint!("\r\x1b[2K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_probe_gives_trimmed_output_or_nothing() {
        assert_eq!(probe(&mut sh("echo '  yes '")).as_deref(), Some("yes"));
        assert_eq!(probe(&mut sh("echo no; exit 3")), None);
        assert_eq!(probe(&mut Command::new("/nowhere/at/all")), None);
    }

    #[test]
    fn an_attempt_gives_the_line_that_says_why() {
        let limit = Duration::from_secs(20);
        assert_eq!(attempt(&mut sh("exit 0"), "t", limit), Ok(()));
        let failed = attempt(&mut sh("echo 'error: no route' >&2; echo bye; exit 1"), "t", limit);
        assert_eq!(failed, Err("error: no route".to_owned()));
    }

    #[test]
    fn a_program_past_its_limit_is_stopped() {
        let started = Instant::now();
        let result = attempt(&mut sh("exec sleep 30"), "t", Duration::from_millis(300));
        assert!(result.is_err());
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_grandchild_holding_the_pipe_does_not_hold_the_step() {
        let started = Instant::now();
        assert_eq!(attempt(&mut sh("sleep 4 & exit 0"), "t", Duration::from_secs(20)), Ok(()));
        assert!(started.elapsed() < Duration::from_secs(3));
    }
}
