//! `pgbench` on TCP: the same query without a Worker in its path, through a port of the gateway,
//! through PgBouncer, and on the database itself.

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use pierhead_tests::postgres::{DATABASE, PASSWORD};
use tempfile::TempDir;

use super::Measured;
use crate::cpu::Times;
use crate::stage::{Stage, USER};

/// What the Workers ask, too.
const SCRIPT: &str = "\\set id random(1, 40)\nselect name from ships where id = :id;\n";

/// Clients that are connected within a second, each by a login, even on a busy machine.
const CONNECTED_A_SECOND: usize = 100;

/// The program, and where it connects.
pub(super) struct Pgbench {
    targets: Vec<Target>,
    files: TempDir,
}

struct Target {
    id: &'static str,
    address: SocketAddr,
    database: &'static str,
}

impl Pgbench {
    /// `None` where this PostgreSQL comes without its clients.
    pub(super) fn find(stage: &Stage) -> Result<Option<Self>> {
        if !stage.postgres().bin().join("pgbench").exists() {
            return Ok(None);
        }
        let files = tempfile::tempdir()?;
        fs::write(files.path().join("query.sql"), SCRIPT)?;
        let port = stage.workerd().gateway_ports()?.transaction;
        let target = |id, address, database| Target { id, address, database };
        let mut targets = vec![target("pgbench-pierhead", port, "cloudflared")];
        targets.extend(
            stage.pgbouncer().map(|found| target("pgbench-pgbouncer", found.addr(), DATABASE)),
        );
        targets.push(target("pgbench-direct", stage.postgres().addr(), DATABASE));
        Ok(Some(Self { targets, files }))
    }

    /// One round of each target.
    pub(super) async fn measure(
        &self,
        stage: &Stage,
        callers: usize,
        time: Duration,
        measured: &mut Measured,
    ) -> Result<()> {
        for target in &self.targets {
            let before = Times::now(stage)?;
            let (rate, queries) = self.run(stage, target, callers, time).await?;
            let spent = Times::now(stage)?.since(&before);
            let at = callers as f64;
            measured.figures.push("rate", target.id, at, "queries/s", rate);
            for (process, seconds) in spent.parts() {
                let per_thousand = seconds * 1e3 / queries.max(1.0);
                let unit = "s per 1,000 queries";
                measured.figures.push(&format!("cpu/{process}"), target.id, at, unit, per_thousand);
            }
        }
        Ok(())
    }

    /// Queries per second once all were connected, and how many there were.
    async fn run(
        &self,
        stage: &Stage,
        target: &Target,
        callers: usize,
        time: Duration,
    ) -> Result<(f64, f64)> {
        let mut command = Command::new(stage.postgres().bin().join("pgbench"));
        let script = self.files.path().join("query.sql");
        // Its time begins before its clients are connected, one behind the other.
        let connecting = callers.div_ceil(CONNECTED_A_SECOND) as f64;
        let seconds = (time.as_secs_f64().ceil() + connecting).to_string();
        command.args(["--no-vacuum", "--protocol=extended", "--jobs=1", "--time", &seconds]);
        command.args(["--client", &callers.to_string(), "--file"]).arg(script);
        command.env("PGHOST", target.address.ip().to_string());
        command.env("PGPORT", target.address.port().to_string());
        command.env("PGUSER", USER).env("PGPASSWORD", PASSWORD).env("PGDATABASE", target.database);
        command.env("PGSSLMODE", "disable").env("LC_ALL", "C").stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("{} with {callers} clients: {}\n{errors}", target.id, output.status);
        }
        let rate = number(&said, "tps = ")?;
        Ok((rate, number(&said, "transactions actually processed: ")?))
    }
}

/// The number behind a label in pgbench's report.
fn number(said: &str, label: &str) -> Result<f64> {
    let (_, rest) = said.split_once(label).with_context(|| format!("no {label:?} in:\n{said}"))?;
    let digits = rest.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
    digits.parse().with_context(|| format!("no number behind {label:?} in:\n{said}"))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn its_report_is_read() {
        let said = "number of transactions actually processed: 8250\n\
                    initial connection time = 3.1 ms\ntps = 4125.53 (without initial connection time)\n";
        assert_eq!(number(said, "tps = ").unwrap(), 4125.53);
        assert_eq!(number(said, "transactions actually processed: ").unwrap(), 8250.0);
        assert!(number(said, "latency").is_err());
    }
}
