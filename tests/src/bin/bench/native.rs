//! A native program with warm sessions, and with a connection to the echo peer: what the distance and
//! the database cost without any Worker.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail};
use futures_util::future::try_join_all;
use pierhead_tests::postgres::{DATABASE, PASSWORD};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_postgres::{Client, Config, NoTls, Statement};

use crate::stage::POOL;
use crate::ways::Work;

const SHIP: &str = "select name from ships where id = $1";
/// As many bytes as the exchange of a small query has.
const REQUEST: [u8; 160] = [7; 160];

#[derive(Debug)]
pub(crate) struct Native {
    sessions: Vec<Mutex<Session>>,
    turn: AtomicUsize,
    echo: Mutex<TcpStream>,
}

#[derive(Debug)]
struct Session {
    client: Client,
    ship: Statement,
}

impl Native {
    pub(crate) async fn connect(database: SocketAddr, echo: SocketAddr) -> Result<Self> {
        let mut sessions = Vec::new();
        for _ in 0..POOL {
            sessions.push(Mutex::new(Session::open(database).await?));
        }
        let echo = TcpStream::connect(echo).await?;
        echo.set_nodelay(true)?;
        Ok(Self { sessions, turn: AtomicUsize::new(0), echo: Mutex::new(echo) })
    }

    /// One request to the echo peer and back.
    pub(crate) async fn echo(&self) -> Result<()> {
        let mut stream = self.echo.lock().await;
        stream.write_all(&REQUEST).await?;
        let mut back = REQUEST;
        stream.read_exact(&mut back).await?;
        Ok(())
    }

    /// What an invocation would do, on one of the sessions.
    pub(crate) async fn work(&self, work: Work) -> Result<()> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.sessions.len();
        let mut session = self.sessions.get(turn).context("no session")?.lock().await;
        match work {
            Work::Queries(n) => {
                for id in ids(n) {
                    session.name(id).await?;
                }
            }
            Work::Batch(n) => {
                try_join_all(ids(n).map(|id| session.name(id))).await?;
            }
            Work::Transaction(n) => {
                let ship = session.ship.clone();
                let transaction = session.client.transaction().await?;
                for id in ids(n) {
                    transaction.query_one(&ship, &[&id]).await?;
                }
                transaction.commit().await?;
            }
            Work::Big(kib) => bail!("{kib} KiB are read by Workers only"),
        }
        Ok(())
    }
}

impl Session {
    async fn open(database: SocketAddr) -> Result<Self> {
        let (client, connection) = Config::new()
            .host(database.ip().to_string())
            .port(database.port())
            .user("scram_user")
            .password(PASSWORD)
            .dbname(DATABASE)
            .application_name("native")
            .connect(NoTls)
            .await?;
        tokio::spawn(async move { drop(connection.await) });
        let ship = client.prepare(SHIP).await?;
        Ok(Self { client, ship })
    }

    async fn name(&self, id: i32) -> Result<()> {
        self.client.query_one(&self.ship, &[&id]).await?;
        Ok(())
    }
}

fn ids(n: usize) -> impl Iterator<Item = i32> {
    (0..n as i32).map(|at| at * 7 % 40 + 1)
}
