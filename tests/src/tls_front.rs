//! A server that ends TLS in front of PostgreSQL, as load balancers do: TLS from the first byte
//! (`tls=on`), which PostgreSQL by itself offers only since version 17.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::postgres::Postgres;
use crate::process::Guarded;

const SCRIPT: &str = r#"
const [, host, port, cert, key] = process.argv;
const read = require("node:fs").readFileSync;
const server = require("node:tls").createServer({ cert: read(cert), key: read(key) }, (client) => {
  const database = require("node:net").connect(Number(port), host);
  client.pipe(database).pipe(client);
  for (const [one, other] of [[client, database], [database, client]]) {
    one.on("error", () => other.destroy()).on("close", () => other.destroy());
  }
});
server.on("tlsClientError", () => {});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"#;

/// A running server on a free loopback port; killed when dropped.
#[derive(Debug)]
pub struct TlsFront {
    _process: Guarded,
    port: u16,
}

impl TlsFront {
    /// Starts it with the certificate of `postgres`, which must have one. Needs `PIERHEAD_NODE`.
    pub fn start(postgres: &Postgres) -> Result<Self> {
        let node = std::env::var_os("PIERHEAD_NODE")
            .context("PIERHEAD_NODE is not set: run `cargo xtask test`, which finds Node")?;
        let (certificate, key) = postgres.certificate_files();
        let addr = postgres.addr();
        let mut command = Command::new(node);
        command.args(["-e", SCRIPT, &addr.ip().to_string(), &addr.port().to_string()]);
        command.args::<[&Path; 2], _>([&certificate, &key]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Guarded::spawn(&mut command, None)?;
        let stdout = process.child().stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let port = line.trim().parse().context("the server in front did not start")?;
        Ok(Self { _process: process, port })
    }

    /// Where it listens, on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }
}
