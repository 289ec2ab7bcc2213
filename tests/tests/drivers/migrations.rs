//! The workflow of `docs/guides/migrations.md`: its steps are run as a runner of CI runs them, with the
//! npm package's own program for the pool, on two databases, one to rehearse on and one that counts.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::program;
use crate::stage::{folder, installed, live, until};
use crate::target::{Mode, Place, Target, USER};

const WORKFLOW: &str = ".github/workflows/migrations.yml";

/// What the steps run, as one script: each step's variables, then its command.
fn steps(workflow: &str) -> String {
    let lines: Vec<&str> = workflow.lines().map(str::trim).collect();
    let mut script = String::new();
    for pair in lines.windows(2) {
        let Some(run) = pair[0].strip_prefix("- run: ") else { continue };
        if let Some(variable) = pair[1].strip_prefix("env: { ") {
            let (name, value) = variable.trim_end_matches(" }").split_once(": ").unwrap();
            script.push_str(&format!("export {name}={value}\n"));
        }
        // What it installs is there already.
        if run != "npm ci" {
            script.push_str(&format!("{run}\n"));
        }
    }
    script
}

/// The project as a checkout and `npm ci` leave it.
fn check_out(project: &Path) {
    copy(&folder("node/migrations"), project);
    let modules = project.join("node_modules");
    fs::create_dir_all(modules.join(".bin")).unwrap();
    let packages = folder("node/node_modules");
    for package in ["drizzle-kit", "drizzle-orm", "pg"] {
        symlink(packages.join(package), modules.join(package)).unwrap();
    }
    symlink(packages.join("drizzle-kit/bin.cjs"), modules.join(".bin/drizzle-kit")).unwrap();
    symlink(installed("PIERHEAD_NODE_MODULES").join("workerd"), modules.join("workerd")).unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../worker-client/js/dist/bin.mjs");
    assert!(program.exists(), "`cargo xtask package` makes {}", program.display());
    let command = modules.join(".bin/pierhead");
    fs::write(&command, format!("#!/bin/sh\nexec node '{}' \"$@\"\n", program.display())).unwrap();
    fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn the_workflow_of_the_guide_rehearses_and_migrates() {
    live(async {
        let rehearsal = Place::make(Target::Direct, Mode::Session, 1).await;
        let production = Place::make(Target::Direct, Mode::Session, 1).await;
        let directory = tempfile::tempdir().unwrap();
        let project: PathBuf = directory.path().join("shop");
        check_out(&project);

        let [port, session_port] = program::free_ports();
        let script = steps(&fs::read_to_string(project.join(WORKFLOW)).unwrap())
            .replace("postgres://app:rehearsal@127.0.0.1:5432/shop", &rehearsal.url())
            .replace("${{ secrets.MIGRATIONS_DATABASE_URL }}", &production.url())
            .replace("app@", &format!("{USER}@"))
            .replace("6432", &port.to_string())
            .replace("6433", &session_port.to_string());
        assert!(script.matches("drizzle-kit migrate").count() == 2, "{script}");
        let ask = format!(
            "psql '{}' -Atc 'select name from ships'\npsql '{}' -Atc 'select count(*) from ships'\n",
            rehearsal.url(),
            production.url()
        );
        let (command, running) = program::shell(&format!("{script}{ask}"), &project);
        let told = program::run("the workflow", &rehearsal, command).await;
        let told = told.well("the workflow", &rehearsal);
        assert_eq!(told.matches("migrations applied").count(), 2, "{told}");
        assert!(told.ends_with("Möwe\n0\n"), "{told}");
        assert!(!told.contains(&rehearsal.url()), "the password is shown:\n{told}");

        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, session_port));
        assert!(TcpStream::connect(address).is_ok(), "the pool ended by itself");
        drop(running);
        let left = until(async || TcpStream::connect(address).ok());
        assert!(left.await.is_none(), "the pool does not end when it is told to");
    });
}
