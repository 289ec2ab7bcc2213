//! Child processes that never outlive the tests, and their logs.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Lines kept of a child's output; the newest ones explain a failure.
const LOG_LINES: usize = 2_000;

/// The newest lines that a child has printed.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<VecDeque<String>>>);

impl Log {
    /// All lines kept, oldest first.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().cloned().collect()
    }

    /// All lines kept, as one text.
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// How many of the lines kept contain `text`.
    pub fn count(&self, text: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }

    /// Waits until more than `seen` lines contain `text`.
    pub async fn wait_for_more(&self, text: &str, seen: usize, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        while self.count(text) <= seen {
            if Instant::now() > deadline {
                bail!("no line with {text:?} within {patience:?} in:\n{}", self.text());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Waits until a line contains `text`.
    pub async fn wait_for(&self, text: &str, patience: Duration) -> Result<()> {
        self.wait_for_more(text, 0, patience).await
    }

    /// Collects lines from `source` on a thread, until its end.
    pub(crate) fn collect(&self, source: impl Read + Send + 'static) {
        let log = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n') {
                let Ok(line) = line else { return };
                let mut lines = log.0.lock().unwrap();
                if lines.len() == LOG_LINES {
                    lines.pop_front();
                }
                lines.push_back(String::from_utf8_lossy(&line).into_owned());
            }
        });
    }
}

/// A log that prints its newest lines when it is dropped in a panic.
#[derive(Debug)]
pub(crate) struct PrintedLog {
    /// Whose log it is.
    pub(crate) of: String,
    /// The log.
    pub(crate) log: Log,
}

impl Drop for PrintedLog {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = self.log.lines();
            let newest = &lines[lines.len().saturating_sub(80)..];
            eprintln!("--- {}'s log, newest lines\n{}", self.of, newest.join("\n"));
        }
    }
}

/// Memory of a process, resident, in bytes (Linux only).
pub fn resident_bytes(id: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kilobytes.context("no VmRSS in /proc")?.parse::<u64>()? * 1024)
}

/// A child process that is killed when its value is dropped, and also when this process dies in a
/// way that drops nothing (a signal, `exit` with the value in a static).
#[derive(Debug)]
pub struct Guarded {
    child: Child,
    /// Waits for the end of its standard input, which comes with the end of this process.
    watchdog: Child,
}

impl Guarded {
    /// Starts `command`. `remove`: a directory that the watchdog removes if it has to act.
    pub fn spawn(command: &mut Command, remove: Option<&Path>) -> Result<Self> {
        let program = command.get_program().to_owned();
        let mut child = command.spawn().with_context(|| format!("cannot start {program:?}"))?;
        let script = "read -r _; kill -9 \"$1\"; sleep 0.2; [ -z \"$2\" ] || rm -rf -- \"$2\"";
        let mut watchdog = Command::new("/bin/sh");
        watchdog.args(["-c", script, "watchdog", &child.id().to_string()]);
        watchdog.arg(remove.unwrap_or(Path::new("")));
        watchdog.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Its own group, so that an interrupt from the terminal does not end it first.
        std::os::unix::process::CommandExt::process_group(&mut watchdog, 0);
        match watchdog.spawn() {
            Ok(watchdog) => Ok(Self { child, watchdog }),
            Err(error) => {
                child.kill().ok();
                child.wait().ok();
                Err(error).context("cannot start /bin/sh as a watchdog")
            }
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child itself, for its pipes.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends `signal`, if it still runs.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        let pid = Pid::from_raw(self.id() as i32).context("a process without an id")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Waits for the end by itself.
    pub async fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("the process did not end within {patience:?}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Kills it and waits for the end.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends `signal` and waits for the end; kills after `patience`.
    pub fn stop(&mut self, signal: Signal, patience: Duration) -> Result<()> {
        self.signal(signal)?;
        let deadline = Instant::now() + patience;
        while self.ended()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                bail!(
                    "the process did not end within {patience:?} of {signal:?}, so it was killed"
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        // Before its input ends: it must not kill whoever has the child's id by then.
        self.watchdog.kill().ok();
        self.watchdog.wait().ok();
    }
}

/// Raises this process's limit on open files as far as allowed; children inherit it. Hundreds of
/// connections at both ends of an emulated path need more than the usual 1,024.
pub fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let of = |current, maximum| Rlimit { current: Some(current), maximum };
    let enough = maximum.is_none_or(|maximum| maximum >= OPEN_FILES);
    // Only root may raise the hard limit.
    if enough || setrlimit(Resource::Nofile, of(OPEN_FILES, Some(OPEN_FILES))).is_err() {
        let current = maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
        setrlimit(Resource::Nofile, of(current, maximum)).ok();
    }
}

/// More than ten thousand clients of workerd take.
const OPEN_FILES: u64 = 65_536;

/// How many files a process may have open that is started from here.
pub fn open_files_max() -> usize {
    use rustix::process::{Resource, getrlimit};
    let current = getrlimit(Resource::Nofile).current;
    current.and_then(|current| usize::try_from(current).ok()).unwrap_or(usize::MAX)
}

/// How many files a process has open (Linux only).
pub fn open_files(id: u32) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{id}/fd"))?.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_child_is_gone_and_its_lines_are_kept() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo one; echo two; exec sleep 1000"]).stdout(Stdio::piped());
        let mut child = Guarded::spawn(&mut command, None).unwrap();
        let log = Log::default();
        log.collect(child.child().stdout.take().unwrap());
        let deadline = Instant::now() + Duration::from_secs(5);
        while log.lines().len() < 2 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(log.lines(), ["one", "two"]);
        let pid = Pid::from_raw(child.id() as i32).unwrap();
        drop(child);
        assert!(rustix::process::test_kill_process(pid).is_err());
    }
}
