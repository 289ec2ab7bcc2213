//! The server's binaries and the user it runs as: PostgreSQL refuses to run as root.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::{binaries, path_text};

/// Binaries that the server's user can run.
#[derive(Debug)]
pub(super) struct Installation {
    bin: PathBuf,
    user: ServerUser,
}

/// Who runs servers that refuse to run as root.
#[derive(Debug)]
pub(crate) struct ServerUser {
    /// User and group ids, when this process is root.
    ids: Option<(u32, u32)>,
}

impl ServerUser {
    /// The user `postgres` or `nobody` for root, everybody else themselves.
    pub(crate) fn find() -> Result<Self> {
        let root = rustix::process::geteuid().is_root();
        Ok(Self { ids: if root { Some(server_user()?) } else { None } })
    }

    /// Makes `command` run as that user.
    pub(crate) fn runs(&self, command: &mut Command) {
        // Translations and locales of the developer's machine stay out of messages and sorting.
        command.env("LC_ALL", "C").current_dir("/");
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
    }

    /// Gives `path` and all below to that user.
    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        match self.ids {
            Some((user, group)) => {
                run(Command::new("chown").arg("-R").arg(format!("{user}:{group}")).arg(path))
            }
            None => Ok(()),
        }
    }
}

impl Installation {
    /// Finds the binaries; copies them below `scratch` if the server's user could not reach them
    /// (a package cache in root's home).
    pub(super) fn find(scratch: &Path) -> Result<Self> {
        let mut bin = binaries()?.canonicalize()?;
        let user = ServerUser::find()?;
        if user.ids.is_some() {
            std::fs::set_permissions(scratch, std::fs::Permissions::from_mode(0o755))?;
            if !reachable_by_others(&bin)? {
                let root = bin.parent().context("PIERHEAD_PG_BIN has no parent directory")?;
                let copy = scratch.join("postgresql");
                run(Command::new("cp").arg("-RL").arg(root).arg(&copy))?;
                run(Command::new("chmod").args(["-R", "a+rX"]).arg(&copy))?;
                bin = copy.join(bin.file_name().context("PIERHEAD_PG_BIN has no name")?);
            }
        }
        Ok(Self { bin, user })
    }

    pub(super) fn bin(&self) -> &Path {
        &self.bin
    }

    pub(super) fn binary(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// Makes `command` run as the server's user.
    pub(super) fn as_server_user(&self, command: &mut Command) {
        self.user.runs(command);
    }

    /// Gives `path` and all below to the server's user.
    pub(super) fn own(&self, path: &Path) -> Result<()> {
        self.user.own(path)
    }

    /// Makes a cluster in `data` whose superuser is `postgres`.
    pub(super) fn initdb(&self, scratch: &Path, data: &Path, password: &str) -> Result<()> {
        let password_file = scratch.join("password");
        std::fs::write(&password_file, password)?;
        std::fs::set_permissions(&password_file, std::fs::Permissions::from_mode(0o600))?;
        std::fs::create_dir(data)?;
        self.own(data)?;
        self.own(&password_file)?;
        let mut command = Command::new(self.binary("initdb"));
        command.args(["--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        command.args(["--auth=scram-sha-256", "--pgdata", &path_text(data)?]);
        command.args(["--pwfile", &path_text(&password_file)?]);
        self.as_server_user(&mut command);
        run(&mut command)?;
        Ok(std::fs::remove_file(password_file)?)
    }
}

/// The user `postgres`, where a package has made it, else `nobody`.
fn server_user() -> Result<(u32, u32)> {
    for name in ["postgres", "nobody"] {
        if let (Some(user), Some(group)) = (id("-u", name), id("-g", name)) {
            return Ok((user, group));
        }
    }
    bail!("the server refuses to run as root, and there is no user `postgres` or `nobody`");
}

fn id(flag: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([flag, name]).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn reachable_by_others(path: &Path) -> Result<bool> {
    for directory in path.ancestors() {
        if directory.metadata()?.mode() & 0o001 == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start {:?}", command.get_program()))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{:?} failed ({}): {errors}", command.get_program(), output.status);
    }
    Ok(())
}
