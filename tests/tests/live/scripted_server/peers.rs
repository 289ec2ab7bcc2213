//! The two servers, each with a connection, and what a message says in a comparable form.

use std::sync::Arc;
use std::time::Duration;

use pierhead_tests::postgres::{DATABASE, Postgres};
use pierhead_tests::sim::message::{self, Message, client, field, take_cstr};
use pierhead_tests::sim::server::Backend;
use pierhead_tests::sim::server::database::Database;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::step::Step;
use super::twin;

/// The parameters of both start-ups.
const STARTUP: [(&str, &str); 4] = [
    ("user", "trust_user"),
    ("database", DATABASE),
    ("application_name", "script"),
    ("options", "-c app.b=start"),
];

/// How long an answer may take that is to come, and one that is not to come.
const PATIENCE: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_millis(40);

/// A connection to PostgreSQL.
pub(crate) struct Real {
    postgres: Arc<Postgres>,
    stream: TcpStream,
    unsent: Vec<u8>,
    input: Vec<u8>,
    said: Vec<String>,
    cancels: bool,
}

impl Real {
    pub(crate) async fn start(postgres: Arc<Postgres>) -> Self {
        let stream = TcpStream::connect(postgres.addr()).await.unwrap();
        let mut unsent = Vec::new();
        client::startup(&mut unsent, &STARTUP);
        let (input, said) = Default::default();
        let mut real = Self { postgres, stream, unsent, input, said, cancels: false };
        real.send().await;
        real
    }

    pub(crate) fn take(&mut self, step: &Step) {
        step.put(&mut self.unsent, twin::query);
        self.cancels |= step.is_cancel();
    }

    pub(crate) async fn send(&mut self) {
        // A server that has ended the session takes no more.
        self.stream.write_all(&std::mem::take(&mut self.unsent)).await.ok();
        if std::mem::take(&mut self.cancels) {
            // The statement must run by then.
            tokio::time::sleep(SILENCE).await;
            let (messages, _) = message::split(&self.input);
            let key = messages.iter().find(|message| message.tag == b'K').unwrap().body;
            let number = |at: usize| i32::from_be_bytes(key[at..at + 4].try_into().unwrap());
            let mut request = Vec::new();
            client::cancel(&mut request, number(0), number(4));
            let mut stream = TcpStream::connect(self.postgres.addr()).await.unwrap();
            stream.write_all(&request).await.unwrap();
            assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
        }
    }

    /// What it has said: at least `count` messages, and no more follow.
    pub(crate) async fn read(&mut self, count: usize) -> Vec<String> {
        loop {
            let patience = if self.said.len() < count { PATIENCE } else { SILENCE };
            let read = self.stream.read_buf(&mut self.input);
            match tokio::time::timeout(patience, read).await {
                Err(_) => return self.said.clone(),
                Ok(Ok(1..)) => {
                    let (messages, _) = message::split(&self.input);
                    self.said = messages.iter().filter_map(describe).collect();
                }
                Ok(Ok(0) | Err(_)) => {
                    if self.said.last().is_none_or(|last| last != "end") {
                        self.said.push("end".to_owned());
                    }
                    return self.said.clone();
                }
            }
        }
    }

    /// The ids it has committed; they are gone then.
    pub(crate) async fn committed(mut self) -> Vec<u64> {
        self.stream.shutdown().await.ok();
        let mut rest = Vec::new();
        tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.ok();
        let control = self.postgres.control().await.unwrap();
        let rows = control.query("delete from ids returning id", &[]).await.unwrap();
        let mut ids: Vec<u64> = rows.iter().map(|row| row.get::<_, i64>(0) as u64).collect();
        ids.sort_unstable();
        ids
    }
}

/// A connection to the scripted server.
pub(crate) struct Scripted {
    db: Database,
    backend: Backend,
    now: u64,
    cancels: bool,
    ended: bool,
}

impl Scripted {
    pub(crate) fn start() -> Self {
        let mut db = Database::new();
        (db.greets_fully, db.holds_replies, db.loses_sync) = (true, true, true);
        db.user = "trust_user".to_owned();
        let mut backend = Backend::new(db.next_process(), [7; 16]);
        let mut bytes = Vec::new();
        client::startup(&mut bytes, &STARTUP);
        backend.receive(&mut db, 0, &bytes);
        Self { db, backend, now: 0, cancels: false, ended: false }
    }

    pub(crate) fn take(&mut self, step: &Step) {
        let mut bytes = Vec::new();
        step.put(&mut bytes, str::to_owned);
        self.backend.receive(&mut self.db, self.now, &bytes);
        self.cancels |= step.is_cancel();
    }

    /// What it has said since; slow statements end if they may.
    pub(crate) fn said(&mut self, wakes: bool) -> Vec<String> {
        if std::mem::take(&mut self.cancels) {
            self.backend.cancelled(&mut self.db, self.now);
        }
        while let (true, Some(until)) = (wakes, self.backend.busy_until()) {
            self.now = until;
            self.backend.wake(&mut self.db, until);
        }
        let output = self.backend.take_output();
        let (messages, rest) = message::split(&output);
        assert!(rest.is_empty(), "a torn message can not be compared");
        let mut said: Vec<String> = messages.iter().filter_map(describe).collect();
        if self.backend.ended() && !self.ended {
            self.ended = true;
            said.push("end".to_owned());
        }
        said
    }

    pub(crate) fn committed(&self) -> Vec<u64> {
        self.db.committed.keys().copied().collect()
    }
}

/// A message in words, without what may differ between two servers.
fn describe(message: &Message<'_>) -> Option<String> {
    let mut body = message.body;
    let number = |at: usize| i16::from_be_bytes(message.body[at..at + 2].try_into().unwrap());
    let report = |key| field(message.body, key).unwrap_or_default();
    let words = match message.tag {
        b'K' => return None,
        b'E' | b'N' => {
            let routine = report(b'R');
            let routine = if routine == "RevalidateCachedQuery" { routine } else { String::new() };
            format!("{} {} {routine}", report(b'V'), report(b'C'))
        }
        b'S' => {
            let (name, value) = (take_cstr(&mut body), take_cstr(&mut body));
            let own = ["server_version", "session_authorization"].contains(&name.as_str());
            if own { name } else { format!("{name}={value}") }
        }
        b'T' => format!("{} columns", number(0)),
        b'D' => String::from_utf8_lossy(body.get(2..).unwrap_or_default()).into_owned(),
        b'A' => String::from_utf8_lossy(&body[4..]).into_owned(),
        b'G' | b'H' => format!("{} columns", number(1)),
        _ => String::from_utf8_lossy(body).into_owned(),
    };
    Some(format!("{} {}", char::from(message.tag), words.trim_end_matches(['\0', ' '])))
}
