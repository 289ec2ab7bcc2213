//! A driver's program: started, followed, and what it printed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{PipeWriter, Read as _, pipe};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use pierhead_tests::postgres::PASSWORD;
use pierhead_tests::process::Guarded;

use crate::stage::installed;
use crate::target::{Place, USER};

/// How long a program may run, in front of whatever.
const LIMIT: Duration = Duration::from_secs(600);
/// Time between signs of life.
const TICK: Duration = Duration::from_secs(15);

/// What a program did.
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) errors: String,
}

impl Ran {
    /// What it printed, if it ended well.
    #[track_caller]
    pub(crate) fn well(self, entry: &str, place: &Place) -> String {
        let through = place.target.name();
        assert!(
            self.status.success(),
            "{entry} through {through} ended with {}\n--- its errors\n{}\n--- its output\n{}",
            self.status,
            end_of(&self.errors),
            end_of(&self.out)
        );
        self.out
    }
}

/// A command that finds the place in libpq's variables.
pub(crate) fn command(program: impl AsRef<OsStr>, place: &Place) -> Command {
    let mut command = Command::new(program);
    command
        .env("PGHOST", place.address.ip().to_string())
        .env("PGPORT", place.address.port().to_string())
        .env("PGUSER", USER)
        .env("PGPASSWORD", PASSWORD)
        .env("PGDATABASE", &place.database)
        .env("DATABASE_URL", place.url())
        .env("PGSSLMODE", "disable")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .stdin(Stdio::null());
    command
}

/// Runs a program to its end; says now and then that it still runs.
pub(crate) async fn run(entry: &str, place: &Place, command: Command) -> Ran {
    let what = format!("{entry} through {}", place.target.name());
    tokio::task::spawn_blocking(move || follow(&what, command)).await.unwrap()
}

fn follow(what: &str, mut command: Command) -> Ran {
    let (out, errors) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command.stdout(out.try_clone().unwrap()).stderr(errors.try_clone().unwrap());
    let mut child = Guarded::spawn(&mut command, None).unwrap();
    let (started, mut told) = (Instant::now(), Instant::now());
    let status = loop {
        if let Some(status) = child.ended().unwrap() {
            break status;
        }
        if started.elapsed() > LIMIT {
            drop(child);
            panic!(
                "{what} was stopped after {LIMIT:?}\n--- its errors\n{}\n--- its output\n{}",
                end_of(&text(errors)),
                end_of(&text(out))
            );
        }
        if told.elapsed() > TICK {
            told = Instant::now();
            eprintln!("… {what}: {} s", started.elapsed().as_secs());
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    eprintln!("{what}: {:.1} s", started.elapsed().as_secs_f32());
    Ran { status, out: text(out), errors: text(errors) }
}

fn text(mut file: File) -> String {
    use std::io::Seek as _;
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The last lines of a long text.
fn end_of(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

/// Two ports that nobody has.
pub(crate) fn free_ports() -> [u16; 2] {
    let [a, b] = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    [a, b].map(|listener| listener.local_addr().unwrap().port())
}

/// A shell that runs a script, with all that the script leaves running in its process group. The group
/// ends when the pipe is dropped, also if that is because this process died.
pub(crate) fn shell(script: &str, project: &Path) -> (Command, PipeWriter) {
    let ends = "exec 3<&0\n( read -r _ <&3; kill -TERM 0 ) &\nset -e\n";
    let (reader, writer) = pipe().unwrap();
    let node = installed("PIERHEAD_NODE");
    let own = [installed("PIERHEAD_PG_BIN"), node.parent().unwrap().to_owned()];
    let machine = std::env::var_os("PATH").unwrap();
    let path =
        std::env::join_paths(own.into_iter().chain(std::env::split_paths(&machine))).unwrap();
    let mut command = Command::new("bash");
    command.args(["-c", &format!("{ends}{script}")]).current_dir(project).stdin(reader);
    command.env("PATH", path).env("CI", "true").env("npm_config_update_notifier", "false");
    command.process_group(0);
    (command, writer)
}

/// A script that unpacks the npm package into a directory of packages, as npm does. `$PROJECT` is a
/// directory for the file.
pub(crate) fn unpack_package(modules: &Path) -> String {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../worker-client/js");
    let to = modules.join("pierhead");
    format!(
        "rm -rf '{to}'; mkdir -p '{to}'\n\
         cd '{package}'; npm pack --ignore-scripts --loglevel=error --pack-destination \"$PROJECT\"\n\
         cd - > /dev/null; tar -xzf \"$PROJECT\"/pierhead-*.tgz -C '{to}' --strip-components=1\n",
        to = to.display(),
        package = package.display()
    )
}
