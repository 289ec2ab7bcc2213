//! The ways a statement takes, and the whole answer to each.

use pierhead_tests::sim::message::{self, client, put, put_cstr};
use pierhead_wire::envelope::{AnswerReader, Options, Outcome, Record, Request, RequestId, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::corpus::show;
use crate::corpus::statements::Statement;
use crate::stage::PATIENCE;
use crate::target::Place;

/// The role of the corpus: it is asked for no password, and no superuser.
pub(crate) const ROLE: &str = "trust_user";

/// How a statement is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// A simple query, with its results as text.
    Text,
    /// Parse, Bind, Describe, Execute, Sync, with its results in binary.
    Binary,
}

/// Which way it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Path {
    /// One socket for all, opened again where it is closed.
    Socket,
    /// An exchange for each.
    Exchange,
}

/// The answers to all statements.
pub(crate) async fn answers(
    place: &Place,
    path: Path,
    form: Form,
    statements: &[Statement],
) -> Vec<String> {
    match path {
        Path::Socket => over_a_socket(place, form, statements).await,
        Path::Exchange => {
            let mut answers = Vec::new();
            for together in statements.chunk_by(|_, next| next.goes_on) {
                answers.extend(in_an_exchange(place, form, together).await);
            }
            answers
        }
    }
}

async fn over_a_socket(place: &Place, form: Form, statements: &[Statement]) -> Vec<String> {
    let mut socket = open(place).await;
    let mut answers = Vec::new();
    for statement in statements {
        socket.write_all(&request(form, statement)).await.unwrap();
        let (bytes, ended) = until_ready(&mut socket).await;
        let end = if ended { "END" } else { "" };
        answers.push(format!("{}{end}", shown(&bytes)));
        if ended {
            socket = open(place).await;
        }
    }
    let mut last = Vec::new();
    client::terminate(&mut last);
    socket.write_all(&last).await.unwrap();
    answers
}

async fn open(place: &Place) -> TcpStream {
    let mut socket = TcpStream::connect(place.address).await.unwrap();
    let mut start = Vec::new();
    let parameters = [("user", ROLE), ("database", &place.database)];
    client::startup(&mut start, &parameters);
    socket.write_all(&start).await.unwrap();
    let (bytes, ended) = until_ready(&mut socket).await;
    assert!(!ended, "{}", shown(&bytes));
    socket
}

/// Bytes up to the next ready point, or to the end of the connection.
async fn until_ready(socket: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    loop {
        let ready = message::split(&bytes).0.last().is_some_and(|last| last.tag == b'Z');
        if ready {
            return (bytes, false);
        }
        let read = tokio::time::timeout(PATIENCE, socket.read_buf(&mut bytes)).await;
        if read.unwrap_or_else(|_| panic!("no end of: {}", shown(&bytes))).unwrap_or(0) == 0 {
            return (bytes, true);
        }
    }
}

/// The answers to statements that share an exchange, each up to its ready point.
async fn in_an_exchange(place: &Place, form: Form, statements: &[Statement]) -> Vec<String> {
    let protocol: Vec<u8> = statements.iter().flat_map(|one| request(form, one)).collect();
    let (id, options) = (RequestId([7; 16]), Options::default());
    let request = Request { remaining_ms: 30_000, id, options, protocol: protocol.into() };
    let (bytes, outcome) = read(place.exchange(request.encode().freeze()).await);
    let end = match outcome.status {
        Status::Completed | Status::Error => String::new(),
        Status::RolledBack => "ROLLED BACK".to_owned(),
        Status::Refused | Status::OutcomeUnknown => {
            format!("{:?} {} {}", outcome.status, outcome.sqlstate.as_str(), outcome.message)
        }
    };
    let (messages, _) = message::split(&bytes);
    let mut parts = messages.split_inclusive(|message| message.tag == b'Z');
    let count = statements.len();
    let part = |at: usize| {
        let shown: String = parts.next().unwrap_or_default().iter().map(show::message).collect();
        if at + 1 == count || shown.is_empty() { shown + &end } else { shown }
    };
    (0..count).map(part).collect()
}

fn read(answer: Vec<u8>) -> (Vec<u8>, Outcome) {
    let mut reader = AnswerReader::new();
    reader.push(answer.into());
    let mut messages = Vec::new();
    loop {
        match reader.next().unwrap().expect("an outcome") {
            Record::Data(bytes) => messages.extend_from_slice(&bytes),
            Record::Outcome(outcome) => return (messages, outcome),
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    message::split(bytes).0.iter().map(show::message).collect()
}

fn request(form: Form, statement: &Statement) -> Vec<u8> {
    let mut out = Vec::new();
    match form {
        Form::Text => client::query(&mut out, &statement.sql),
        Form::Binary => {
            client::parse(&mut out, "", &statement.sql, &[]);
            put(&mut out, b'B', |out| {
                put_cstr(out, "");
                put_cstr(out, "");
                // No parameters; every column in format 1.
                out.extend([0, 0, 0, 0, 0, 1, 0, 1]);
            });
            client::target(&mut out, b'D', b'P', "");
            put(&mut out, b'E', |out| {
                put_cstr(out, "");
                out.extend([0; 4]);
            });
        }
    }
    if !statement.data.is_empty() {
        for row in &statement.data {
            put(&mut out, b'd', |out| out.extend(format!("{row}\n").into_bytes()));
        }
        put(&mut out, b'c', |_| {});
    }
    if form == Form::Binary {
        put(&mut out, b'S', |_| {});
    }
    out
}
