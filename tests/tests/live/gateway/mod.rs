//! The way in: psql and drivers on a port of workerd's own, Workers that are bound to the gateway.

mod clients;
mod passwords;
mod ports;
mod props;
mod trips;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};

use tokio_postgres::{Client, Config, NoTls};

/// The psql that the set-up found or installed.
fn psql() -> Option<PathBuf> {
    let found = std::env::var_os("PIERHEAD_PSQL").map(PathBuf::from);
    if found.is_none() {
        eprintln!("NOT RUN: there is no psql (PIERHEAD_PSQL)");
    }
    found
}

/// psql at this port with this connection string and these commands.
fn command(program: PathBuf, address: SocketAddr, more: &str, commands: &[&str]) -> Command {
    let mut command = Command::new(program);
    let conninfo = format!(
        "host={} port={} user=scram_user dbname=main connect_timeout=20 {more}",
        address.ip(),
        address.port()
    );
    command.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &conninfo]);
    command.args(commands.iter().flat_map(|sql| ["-c", sql]));
    command.env_remove("PGPASSWORD").env_remove("PGOPTIONS").env("LC_ALL", "C");
    command
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// What a program printed, if it ended well.
#[track_caller]
fn printed(output: &Output) -> String {
    let (out, errors) = (&output.stdout, &output.stderr);
    let errors = String::from_utf8_lossy(errors);
    assert!(output.status.success(), "{errors}\n{}", String::from_utf8_lossy(out));
    String::from_utf8_lossy(out).into_owned()
}

/// What a program complained of.
#[track_caller]
fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// How a driver connects to this port.
fn config(address: SocketAddr) -> Config {
    let mut config = Config::new();
    config.host(address.ip().to_string()).port(address.port());
    config.user("scram_user").dbname("main");
    config
}

/// A driver's connection; `Err` is what it was told.
async fn connect(config: &Config) -> Result<Client, String> {
    match config.connect(NoTls).await {
        Ok((client, connection)) => {
            tokio::spawn(connection);
            Ok(client)
        }
        Err(error) => match error.as_db_error() {
            Some(said) => {
                let hint = said.hint().unwrap_or_default();
                Err(format!("{} {} {hint}", said.code().code(), said.message()))
            }
            None => Err(error.to_string()),
        },
    }
}
