//! The HTTP client that calls Workers: no TLS, connections kept, hundreds of requests at once.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Longer than any single request of a test should take.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A client for one server. Clones share connections. A value belongs to the runtime that it was
/// first used in.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    addr: SocketAddr,
    timeout: Duration,
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Http {
    /// A client for the server at `addr`.
    pub fn new(addr: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client =
            Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Self { client, addr, timeout: TIMEOUT }
    }

    /// The same client with another time limit for each request.
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }

    /// `GET path`, whatever the status.
    pub async fn get(&self, path: &str) -> Result<Response> {
        self.request(Method::GET, path, Bytes::new()).await
    }

    /// `GET path?name=value&…`, values percent-encoded.
    pub async fn get_query(&self, path: &str, query: &[(&str, &str)]) -> Result<Response> {
        self.get(&path_with_query(path, query)).await
    }

    /// `POST path` with a JSON body.
    pub async fn post_json(&self, path: &str, body: &serde_json::Value) -> Result<Response> {
        self.request(Method::POST, path, body.to_string().into()).await
    }

    /// Any request; the answer is read whole.
    pub async fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Response> {
        let what = format!("{method} {path}");
        let answer = async {
            let (head, body) = self.start(method, path, body).await?.into_parts();
            let body = body.collect().await.context("the body broke off")?.to_bytes();
            anyhow::Ok(Response { status: head.status.as_u16(), headers: head.headers, body })
        };
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => answer.with_context(|| what),
            Err(_) => bail!("{what}: no answer within {:?}", self.timeout),
        }
    }

    /// A request whose client dies when the returned value is dropped: its connection is reset.
    /// An orderly end would not do: workerd takes it for a client that has no further request.
    pub async fn doomed(&self, path: &str) -> Result<Doomed> {
        let mut socket = TcpStream::connect(self.addr).await?;
        socket.set_zero_linger()?;
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.addr);
        socket.write_all(head.as_bytes()).await?;
        Ok(Doomed { _socket: socket })
    }

    /// Any request, without a time limit; the body is left for the caller to read at its speed.
    pub async fn start(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<hyper::Response<Incoming>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.addr))
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        Ok(self.client.request(request).await?)
    }
}

/// A request under way, until dropped.
#[derive(Debug)]
pub struct Doomed {
    _socket: TcpStream,
}

impl Response {
    /// The body as text, invalid UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; the error shows the status and the body.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("status {}, not JSON: {}", self.status, self.text()))
    }

    /// The answer itself if its status is 200; an error with status and body else.
    pub fn ok(self) -> Result<Self> {
        if self.status != 200 {
            bail!("status {}: {}", self.status, self.text());
        }
        Ok(self)
    }
}

/// `path?name=value&…` with names and values percent-encoded.
pub fn path_with_query(path: &str, query: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    format!("{path}?{}", pairs.join("&"))
}

/// Percent-encodes everything but unreserved characters.
pub fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn queries_are_encoded() {
        let path = super::path_with_query("/q", &[("sql", "select 'ü' & 1")]);
        assert_eq!(path, "/q?sql=select%20%27%C3%BC%27%20%26%201");
    }
}
