//! One login, as a line of states.
//!
//! ```text
//!                    ┌─────────┐ 'S' ┌──────────┐ secured
//!   start_tls ─────▶ │ TlsByte │────▶│ Securing │────┐
//!                    └─────────┘     └──────────┘    ▼
//!   otherwise ────────────────────────────────▶ ┌──────┐  trust, cleartext, md5
//!                                               │ Auth │──────────────────────────┐
//!                                               └──────┘                          ▼
//!                                                  │ SASL ┌───────────┐ ┌───────┐ ┌────────┐ Z(I)
//!                                                  └─────▶│ SaslFirst │▶│SaslEnd│▶│ Ok     │─────▶ ready
//!                                                         └───────────┘ └───────┘ └────────┘
//! ```

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use pierhead_wire::envelope::{Blame, SqlState};
use pierhead_wire::pg::errors::ErrorFields;
use pierhead_wire::pg::scan::{Message, Piece};
use pierhead_wire::pg::tag::backend as tag;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::message::frontend;

use super::scram::{self, KeyCache};
use crate::failure::ConnectFailure;
use crate::limits::{CANCEL_KEY_MAX, PARAMETER_BYTES_MAX, PARAMETERS_MAX};
use crate::rng::Rng;
use crate::settings::{Settings, Way};

/// What names a session to the database when it is to cancel something.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CancelKey {
    pub(crate) pid: u32,
    secret: Vec<u8>,
}

impl CancelKey {
    pub(crate) fn new(pid: u32, secret: Vec<u8>) -> Self {
        Self { pid, secret }
    }

    /// Process id and secret.
    pub(crate) fn parts(&self) -> (u32, &[u8]) {
        (self.pid, &self.secret)
    }

    /// The whole `CancelRequest`.
    pub(crate) fn request(&self) -> Bytes {
        let length = u32::try_from(12 + self.secret.len()).unwrap_or(u32::MAX);
        let mut out = Vec::with_capacity(12 + self.secret.len());
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&80_877_102u32.to_be_bytes());
        out.extend_from_slice(&self.pid.to_be_bytes());
        out.extend_from_slice(&self.secret);
        out.into()
    }
}

/// What the database said of itself and of the session.
#[derive(Default)]
pub(crate) struct Greeting {
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) cancel_key: Option<CancelKey>,
}

enum State {
    TlsByte,
    Securing,
    Auth,
    SaslFirst(scram::First),
    SaslEnd(scram::Final),
    Authenticated,
    Ok(Greeting),
}

/// What to do next.
pub(crate) enum Step {
    /// Nothing; more must come.
    Wait,
    /// Send this.
    Write(Bytes),
    /// Begin TLS.
    StartTls,
    /// Logged in.
    Ready(Greeting),
}

/// A login in progress.
pub(crate) struct Handshake {
    state: State,
}

impl Handshake {
    /// Begins on a fresh stream.
    pub(crate) fn begin(settings: &Settings, way: Way) -> Result<(Self, Step), ConnectFailure> {
        if settings.start_tls_by(way) {
            let mut out = BytesMut::new();
            frontend::ssl_request(&mut out);
            return Ok((Self { state: State::TlsByte }, Step::Write(out.freeze())));
        }
        Ok((Self { state: State::Auth }, Step::Write(start_up(settings)?)))
    }

    /// True while the next byte is the answer to `SSLRequest`, which is no message.
    pub(crate) fn wants_tls_byte(&self) -> bool {
        matches!(self.state, State::TlsByte)
    }

    /// The answer to `SSLRequest`: one byte, and nothing behind it that somebody on the way could
    /// have put there.
    pub(crate) fn handle_tls_byte(&mut self, bytes: &[u8]) -> Result<Step, ConnectFailure> {
        match bytes {
            b"S" => {
                self.state = State::Securing;
                Ok(Step::StartTls)
            }
            b"N" => Err(ConnectFailure::refused(
                SqlState::CANNOT_CONNECT,
                "the database does not offer TLS",
                "set tls=off in PIERHEAD_DB_<NAME> if the way to it is private, or turn on ssl in postgresql.conf",
            )),
            _ => Err(ConnectFailure::protocol("an answer to SSLRequest that is not S or N")),
        }
    }

    /// TLS is up.
    pub(crate) fn handle_secured(&mut self, settings: &Settings) -> Result<Step, ConnectFailure> {
        if !matches!(self.state, State::Securing) {
            return Err(ConnectFailure::protocol("TLS that was not asked for"));
        }
        self.state = State::Auth;
        Ok(Step::Write(start_up(settings)?))
    }

    /// A message of the database.
    pub(crate) fn handle_message(
        &mut self,
        message: &Message,
        settings: &Settings,
        keys: &mut KeyCache,
        rng: &mut Rng,
    ) -> Result<Step, ConnectFailure> {
        match message.tag {
            tag::NOTICE_RESPONSE => return Ok(Step::Wait),
            tag::ERROR_RESPONSE => {
                let fields = ErrorFields::parse(message)
                    .ok_or_else(|| ConnectFailure::protocol("a malformed error"))?;
                return Err(ConnectFailure::reported(&fields));
            }
            _ => {}
        }
        // On an error the login is over, so the state left behind does not matter.
        match std::mem::replace(&mut self.state, State::Authenticated) {
            State::Auth => self.authentication(message, settings, rng),
            State::SaslFirst(first) => {
                let text = auth_body(message, 11)?;
                let (last, answer) = first
                    .handle(text, password(settings)?, keys)
                    .map_err(|e| ConnectFailure::protocol(&e))?;
                self.state = State::SaslEnd(last);
                write_with(|out| frontend::sasl_response(answer.as_bytes(), out))
            }
            State::SaslEnd(last) => {
                last.handle(auth_body(message, 12)?).map_err(|e| ConnectFailure::protocol(&e))?;
                Ok(Step::Wait)
            }
            State::Authenticated => {
                auth_body(message, 0)?;
                self.state = State::Ok(Greeting::default());
                Ok(Step::Wait)
            }
            State::Ok(greeting) => self.greeting(greeting, message),
            State::TlsByte | State::Securing => {
                Err(ConnectFailure::protocol("a message before TLS was up"))
            }
        }
    }

    fn authentication(
        &mut self,
        message: &Message,
        settings: &Settings,
        rng: &mut Rng,
    ) -> Result<Step, ConnectFailure> {
        let (kind, rest) = auth_kind(message)?;
        match kind {
            0 => {
                self.state = State::Ok(Greeting::default());
                Ok(Step::Wait)
            }
            3 => {
                let password = password(settings)?.as_bytes();
                write_with(|out| frontend::password_message(password, out))
            }
            5 => {
                let salt: [u8; 4] = rest
                    .try_into()
                    .map_err(|_| ConnectFailure::protocol("an md5 salt that is not 4 bytes"))?;
                let hash = md5_hash(settings.user.as_bytes(), password(settings)?.as_bytes(), salt);
                write_with(|out| frontend::password_message(hash.as_bytes(), out))
            }
            10 => {
                let mut offered = rest.split(|&b| b == 0);
                if !offered.any(|m| m == scram::MECHANISM.as_bytes()) {
                    return Err(ConnectFailure::refused(
                        SqlState::CANNOT_CONNECT,
                        "the database offers no SASL mechanism that is supported",
                        "use scram-sha-256 in pg_hba.conf",
                    ));
                }
                password(settings)?;
                let (first, text) = scram::start(rng.bytes());
                self.state = State::SaslFirst(first);
                write_with(|out| {
                    frontend::sasl_initial_response(scram::MECHANISM, text.as_bytes(), out)
                })
            }
            _ => Err(ConnectFailure::refused(
                SqlState::CANNOT_CONNECT,
                &format!("the database asks for authentication method {kind}, not supported"),
                "use scram-sha-256, md5, password or trust in pg_hba.conf",
            )),
        }
    }

    /// Between authentication and the first ready point.
    fn greeting(
        &mut self,
        mut greeting: Greeting,
        message: &Message,
    ) -> Result<Step, ConnectFailure> {
        match message.tag {
            tag::PARAMETER_STATUS => {
                let (name, value) = parameter(message)
                    .ok_or_else(|| ConnectFailure::protocol("a malformed parameter"))?;
                remember(&mut greeting.parameters, name, value);
            }
            tag::BACKEND_KEY_DATA => {
                let malformed = || ConnectFailure::protocol("a malformed cancel key");
                let (pid, secret) = message.body().split_at_checked(4).ok_or_else(malformed)?;
                let pid = u32::from_be_bytes(pid.try_into().map_err(|_| malformed())?);
                if secret.len() > CANCEL_KEY_MAX {
                    return Err(malformed());
                }
                greeting.cancel_key = Some(CancelKey { pid, secret: secret.to_vec() });
            }
            tag::READY_FOR_QUERY if message.body() == b"I" => return Ok(Step::Ready(greeting)),
            _ => return Err(ConnectFailure::protocol("an unexpected message during start-up")),
        }
        self.state = State::Ok(greeting);
        Ok(Step::Wait)
    }
}

/// Reads a `ParameterStatus`.
pub(crate) fn parameter<B: AsRef<[u8]>>(message: &Message<B>) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(message.body()).ok()?;
    let (name, rest) = text.split_once('\0')?;
    let (value, rest) = rest.split_once('\0')?;
    let fits = name.len() <= PARAMETER_BYTES_MAX && value.len() <= PARAMETER_BYTES_MAX;
    (rest.is_empty() && fits).then_some((name, value))
}

/// Keeps the parameter that a piece reports, if it reports one. One that cannot be read is of no use
/// to anybody.
#[inline]
pub(crate) fn note_parameter(parameters: &mut BTreeMap<String, String>, piece: &Piece<&[u8]>) {
    if let Piece::Message(message) = piece
        && message.tag == tag::PARAMETER_STATUS
        && let Some((name, value)) = parameter(message)
    {
        remember(parameters, name, value);
    }
}

/// Keeps a reported parameter, within the bound on their number.
pub(crate) fn remember(parameters: &mut BTreeMap<String, String>, name: &str, value: &str) {
    if parameters.len() < PARAMETERS_MAX || parameters.contains_key(name) {
        parameters.insert(name.to_owned(), value.to_owned());
    }
}

fn start_up(settings: &Settings) -> Result<Bytes, ConnectFailure> {
    let mut out = BytesMut::new();
    let parameters = [
        ("user", settings.user.as_str()),
        ("database", &settings.database),
        ("application_name", &settings.application_name),
        // What clients of this project decode, whatever a role's own defaults are.
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO"),
        ("IntervalStyle", "postgres"),
        ("bytea_output", "hex"),
    ];
    frontend::startup_message(parameters, &mut out)
        .map_err(|_| ConnectFailure::protocol("a setting that contains a zero byte"))?;
    Ok(out.freeze())
}

fn password(settings: &Settings) -> Result<&str, ConnectFailure> {
    settings.password.as_deref().ok_or_else(|| {
        ConnectFailure::refused(
            SqlState::literal(b"28P01"),
            "the database asks for a password and none is configured",
            "set the secret PIERHEAD_DB_<NAME>_PASSWORD",
        )
    })
}

fn write_with(
    build: impl FnOnce(&mut BytesMut) -> std::io::Result<()>,
) -> Result<Step, ConnectFailure> {
    let mut out = BytesMut::new();
    build(&mut out)
        .map_err(|_| ConnectFailure::protocol("a password that contains a zero byte"))?;
    Ok(Step::Write(out.freeze()))
}

/// The number of an authentication request, and what follows it.
fn auth_kind(message: &Message) -> Result<(u32, &[u8]), ConnectFailure> {
    let wrong = || ConnectFailure::protocol("an unexpected message during authentication");
    if message.tag != tag::AUTHENTICATION {
        return Err(wrong());
    }
    let (kind, rest) = message.body().split_at_checked(4).ok_or_else(wrong)?;
    Ok((u32::from_be_bytes(kind.try_into().map_err(|_| wrong())?), rest))
}

fn auth_body(message: &Message, expected: u32) -> Result<&[u8], ConnectFailure> {
    match auth_kind(message)? {
        (kind, rest) if kind == expected => Ok(rest),
        _ => Err(ConnectFailure::protocol("authentication steps out of order")),
    }
}

impl ConnectFailure {
    fn protocol(what: &str) -> Self {
        Self {
            sqlstate: SqlState::CANNOT_CONNECT,
            blame: Blame::Database,
            lasting: true,
            unreachable: false,
            message: format!("the database does not follow the protocol: {what}"),
            hint: "check that host and port are those of a PostgreSQL server".into(),
        }
    }
}
