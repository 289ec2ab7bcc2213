//! The upgrade: request in, database dialled, answer out.

use std::io;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Access, Shared};
use crate::net::{Answer, sleep_until};
use crate::websocket::accept_key;

/// A request head above this is no WebSocket handshake of ours, in bytes.
const MAX_HEAD: usize = 16 << 10;
/// A client that has connected must send its request within this time.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// A login host that resolves nowhere: who follows the redirect must notice, not reach anything.
const LOGIN: &str = "https://pierhead.cloudflareaccess.invalid/cdn-cgi/access/login/tunnel";

/// What is left of the request when it is accepted.
#[derive(Debug)]
pub(super) struct Upgrade {
    accept: String,
    /// Bytes that came behind the request.
    pub(super) after: BytesMut,
}

/// Reads the request and dials the database. The error is the status to refuse the client with,
/// `None` for silence. Takes as long as the path is to look.
pub(super) async fn negotiate(
    client: &mut TcpStream,
    shared: &Shared,
) -> Result<(TcpStream, Upgrade), Option<u16>> {
    let began = Instant::now();
    let upgrade = timeout(HEAD_TIME, read_request(client, shared)).await.unwrap_or(Err(Some(408)));
    let settings = shared.knobs.settings();
    // The last half trip is that of the answer; all before it, the request needed to get here.
    let all = settings.round_trip * settings.handshake_trips + settings.handshake_delay;
    let answer_due = began + all;
    sleep_until(answer_due - (settings.round_trip / 2).min(all)).await;

    let refusal = match (settings.answer, upgrade) {
        (Answer::Accept, Ok(upgrade)) => match TcpStream::connect(shared.config.target).await {
            Ok(database) => {
                database.set_nodelay(true).ok();
                sleep_until(answer_due).await;
                return Ok((database, upgrade));
            }
            Err(_) => {
                shared.counters.update(|stats| stats.dial_failures += 1);
                Some(502)
            }
        },
        (Answer::Accept, Err(refusal)) => refusal,
        (Answer::Redirect, _) => Some(302),
        (Answer::Status(status), _) => Some(status),
        (Answer::Drop, _) => None,
    };
    shared.counters.update(|stats| stats.refused += 1);
    sleep_until(answer_due).await;
    Err(refusal)
}

/// Sends the 101.
pub(super) async fn accept(client: &mut TcpStream, upgrade: &Upgrade) -> io::Result<()> {
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        upgrade.accept
    );
    client.write_all(answer.as_bytes()).await
}

/// Sends a refusal and ends the connection.
pub(super) async fn refuse(client: &mut TcpStream, status: u16) -> io::Result<()> {
    let location = if status == 302 { format!("Location: {LOGIN}\r\n") } else { String::new() };
    let answer = format!(
        "HTTP/1.1 {status} Refused\r\n{location}Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await
}

/// Reads and checks the request. The error is the status to refuse it with, `None` for silence.
async fn read_request(client: &mut TcpStream, shared: &Shared) -> Result<Upgrade, Option<u16>> {
    let mut buffer = BytesMut::with_capacity(2048);
    loop {
        match client.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return Err(None),
            Ok(_) => {}
        }
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&buffer) {
            Err(_) => return Err(Some(400)),
            Ok(httparse::Status::Partial) if buffer.len() > MAX_HEAD => return Err(Some(431)),
            Ok(httparse::Status::Partial) => continue,
            Ok(httparse::Status::Complete(size)) => {
                let accept = check(&request, shared.config.access.as_ref())?;
                let after = buffer.split_off(size);
                return Ok(Upgrade { accept, after });
            }
        }
    }
}

fn check(
    request: &httparse::Request<'_, '_>,
    access: Option<&Access>,
) -> Result<String, Option<u16>> {
    let header = |name: &str| {
        let found = request.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
        found.and_then(|h| std::str::from_utf8(h.value).ok())
    };
    if let Some(access) = access {
        let id = header("cf-access-client-id") == Some(&access.client_id);
        let secret = header("cf-access-client-secret") == Some(&access.client_secret);
        if !(id && secret) {
            return Err(Some(302));
        }
    }
    let upgrade = header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    let version = header("sec-websocket-version") == Some("13");
    match header("sec-websocket-key") {
        Some(key) if upgrade && version && request.method == Some("GET") => Ok(accept_key(key)),
        _ => Err(Some(400)),
    }
}
