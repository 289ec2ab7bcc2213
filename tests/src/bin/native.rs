//! The engine behind two TCP ports, for `psql`, `pgbench`, profilers and drivers' test suites.
//!
//! ```sh
//! cargo run -p pierhead-tests --bin native -- --database postgres://app:secret@127.0.0.1/app
//! ```
#![allow(clippy::print_stdout, reason = "a command-line program")]

use std::net::SocketAddr;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use pierhead_engine::settings::{ResetPolicy, StatePolicy};
use pierhead_engine::time::Millis;
use pierhead_engine::{Settings, Way};
use pierhead_tests::native::{Native, NativeConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio_postgres::config::Host;

const USAGE: &str = "\
native --database postgres://user:password@host:port/database [options]

  --listen ADDRESS                 sockets in transaction mode (127.0.0.1:0)
  --session ADDRESS                sockets in session mode (127.0.0.1:0)
  --pool-size N  --min-idle N  --max-waiters N  --pinned-max N  --class-size N
  --wait-timeout MS  --query-timeout MS  --connect-timeout MS  --idle-timeout MS
  --max-lifetime MS  --transaction-timeout MS  --client-idle-timeout MS
  --idle-in-transaction-timeout MS
  --reset detected|always  --state follow|reject  --plan-cache on|off
  --log                            print the engine's log at the end

Prints the two ports; ends at the end of its input or with SIGTERM.";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (config, log) = match arguments(std::env::args().skip(1)) {
        Ok(parsed) => parsed,
        Err(error) => bail!("{error:#}\n\n{USAGE}"),
    };
    let native = Native::start_with(config)?;
    println!("transaction {}", native.transaction);
    println!("session {}", native.session);
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = end_of_input() => {}
    }
    if log {
        println!("{}\n{:#?}", native.log().join("\n"), native.status().await);
    }
    Ok(())
}

/// A thread of its own waits: a read of a terminal cannot be given up.
fn end_of_input() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        drop(ended);
    });
    end
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<(NativeConfig, bool)> {
    let mut config = NativeConfig::new(Settings::default(), "");
    let mut log = false;
    while let Some(word) = words.next() {
        if word == "--log" {
            (log, config.settings.verbose) = (true, true);
            continue;
        }
        let value = words.next().with_context(|| format!("{word} lacks its value"))?;
        argument(&mut config, &word, &value).with_context(|| format!("{word} {value}"))?;
    }
    if config.database.is_empty() {
        bail!("--database is missing");
    }
    Ok((config, log))
}

fn argument(config: &mut NativeConfig, word: &str, value: &str) -> Result<()> {
    let settings = &mut config.settings;
    match word {
        "--database" => return database(config, value),
        "--listen" => config.transaction = value.parse::<SocketAddr>()?,
        "--session" => config.session = value.parse::<SocketAddr>()?,
        "--pool-size" => settings.pool_size = number(value)?,
        "--min-idle" => settings.min_idle = number(value)?,
        "--max-waiters" => settings.max_waiters = number(value)?,
        "--pinned-max" => settings.pinned_max = number(value)?,
        "--class-size" => settings.class_size = number(value)?,
        "--wait-timeout" => settings.wait_timeout = Millis(number(value)?),
        "--query-timeout" => settings.query_timeout = Millis(number(value)?),
        "--connect-timeout" => settings.connect_timeout = Millis(number(value)?),
        "--idle-timeout" => settings.idle_timeout = Millis(number(value)?),
        "--max-lifetime" => settings.max_lifetime = Millis(number(value)?),
        "--transaction-timeout" => settings.transaction_timeout = Millis(number(value)?),
        "--client-idle-timeout" => settings.client_idle_timeout = Millis(number(value)?),
        "--idle-in-transaction-timeout" => {
            settings.idle_in_transaction_timeout = Millis(number(value)?);
        }
        "--reset" => {
            settings.reset = one_of(
                value,
                [("detected", ResetPolicy::Detected), ("always", ResetPolicy::Always)],
            )?;
        }
        "--state" => {
            settings.state =
                one_of(value, [("follow", StatePolicy::Follow), ("reject", StatePolicy::Reject)])?;
        }
        "--plan-cache" => settings.plan_cache = one_of(value, [("on", true), ("off", false)])?,
        _ => bail!("no such option"),
    }
    Ok(())
}

fn database(config: &mut NativeConfig, url: &str) -> Result<()> {
    let url = tokio_postgres::Config::from_str(url)?;
    let Some(Host::Tcp(host)) = url.get_hosts().first() else { bail!("a host is missing") };
    config.database = format!("{host}:{}", url.get_ports().first().unwrap_or(&5432));
    let user = url.get_user().context("a user is missing")?;
    let password = url.get_password().map(|p| String::from_utf8_lossy(p).into_owned());
    let settings = &mut config.settings;
    settings.user = user.to_owned();
    settings.password = password;
    settings.database = url.get_dbname().unwrap_or(user).to_owned();
    settings.ways = vec![Way::Direct];
    Ok(())
}

fn number<T: FromStr>(value: &str) -> Result<T> {
    value.parse().ok().context("not a number")
}

fn one_of<T: Copy>(value: &str, choices: [(&str, T); 2]) -> Result<T> {
    let choice = choices.iter().find(|(name, _)| *name == value);
    choice.map(|(_, choice)| *choice).context("no such choice")
}
