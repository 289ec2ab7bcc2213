//! Opening a link: TCP, TLS, and the upgrade to a WebSocket.

use std::sync::Arc;

use pierhead_wire::limits::TUNNEL_MESSAGE_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, LOCATION, USER_AGENT};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response, StatusCode, Uri};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::{foreign, tcp};
use crate::config::Header;
use crate::limits::MESSAGE_SLACK_BYTES;
use crate::url::Base;

/// What carries a WebSocket: TCP, or TLS on it.
pub(super) type Transport = Box<dyn Duplex>;

/// Bytes both ways.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Everything needed to open a link for one database. Not printable: it holds the token.
#[derive(Clone)]
pub(super) struct Dial {
    pub(super) base: Arc<Base>,
    /// The database's name.
    pub(super) database: String,
    /// `Bearer …`, marked as sensitive.
    pub(super) authorization: HeaderValue,
    pub(super) headers: Arc<[Header]>,
    /// With `wss`.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

/// Why a link could not be opened.
#[derive(Debug)]
pub(super) struct Refused {
    /// Only another configuration helps.
    pub(super) denied: bool,
    pub(super) detail: String,
}

impl Refused {
    /// Worth another attempt later.
    pub(super) const fn retry(detail: String) -> Self {
        Self { denied: false, detail }
    }

    const fn denied(detail: String) -> Self {
        Self { denied: true, detail }
    }
}

impl Dial {
    /// Opens the link.
    ///
    /// # Errors
    /// Names what to check; never a secret.
    pub(super) async fn open(&self) -> Result<WebSocketStream<Transport>, Refused> {
        let transport = self.connect().await?;
        let size = TUNNEL_MESSAGE_BYTES_MAX + MESSAGE_SLACK_BYTES;
        let config =
            WebSocketConfig::default().max_message_size(Some(size)).max_frame_size(Some(size));
        match client_async_with_config(self.request()?, transport, Some(config)).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(answer)) => Err(self.turned_away(&answer)),
            Err(error) => Err(Refused::retry(self.upgrade_error(&error))),
        }
    }

    async fn connect(&self) -> Result<Transport, Refused> {
        let Base { host, port, .. } = &*self.base;
        let stream = tcp::connect(host, *port)
            .await
            .map_err(|error| Refused::retry(format!("connect to {host}:{port}: {error}")))?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare)
            .map_err(|_| Refused::denied(format!("{host} is not a name that TLS can check")))?;
        let stream = TlsConnector::from(Arc::clone(tls))
            .connect(name, stream)
            .await
            .map_err(|error| Refused::retry(format!("TLS with {host}:{port}: {error}")))?;
        Ok(Box::new(stream))
    }

    fn request(&self) -> Result<Request, Refused> {
        let malformed =
            |error: Error| Refused::denied(format!("PIERHEAD_URL makes no request: {error}"));
        let mut request =
            self.base.agent_url(&self.database).into_client_request().map_err(malformed)?;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("pierhead-agent/", env!("CARGO_PKG_VERSION"))),
        );
        for header in self.headers.iter() {
            headers.append(header.name.clone(), header.value.clone());
        }
        Ok(request)
    }

    /// What an answer that is no upgrade means, and what to check.
    fn turned_away(&self, answer: &Response<Option<Vec<u8>>>) -> Refused {
        let host = &self.base.host;
        let status = answer.status();
        let token = format!("PIERHEAD_DB_{}_AGENT_TOKEN", self.database.to_ascii_uppercase());
        let advice = match status {
            StatusCode::UNAUTHORIZED => {
                format!("what {token} holds is no token of this database there")
            }
            StatusCode::FORBIDDEN => "something in front of the Worker refuses this program; \
                give the headers it asks for in PIERHEAD_AGENT_HEADERS"
                .to_owned(),
            StatusCode::NOT_FOUND => "nothing answers for agents there; PIERHEAD_URL must be the \
                URL of Pierhead's Worker, with its path if it has one"
                .to_owned(),
            status if status.is_redirection() => {
                return Refused::denied(format!(
                    "{host} redirects to {} ({}): if that asks for a login, give its headers in \
                     PIERHEAD_AGENT_HEADERS",
                    redirected_to(answer).as_deref().unwrap_or("an unknown place"),
                    status.as_u16()
                ));
            }
            _ => return Refused::retry(format!("{host} answered {status}{}", said(answer))),
        };
        Refused::denied(format!("{host} answered {status}: {advice}"))
    }

    fn upgrade_error(&self, error: &Error) -> String {
        let host = &self.base.host;
        if let Error::Io(error) = error {
            return format!("{host}: {error}");
        }
        format!("{host} did not upgrade to a WebSocket: {error}")
    }
}

/// The host alone: the rest of a redirect may hold what is nobody's business.
fn redirected_to(answer: &Response<Option<Vec<u8>>>) -> Option<String> {
    let location = answer.headers().get(LOCATION)?.to_str().ok()?;
    let uri: Uri = location.parse().ok()?;
    Some(foreign(uri.host().unwrap_or("another path")))
}

/// The beginning of the answer's body, if it is text for people.
fn said(answer: &Response<Option<Vec<u8>>>) -> String {
    let body = answer.body().as_deref().unwrap_or_default();
    let line = String::from_utf8_lossy(body).lines().next().map(foreign).unwrap_or_default();
    if line.is_empty() || line.starts_with('<') { String::new() } else { format!(": {line}") }
}
