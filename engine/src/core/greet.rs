//! A socket's start-up, answered here: the database need not be asked, once it has told what its
//! parameters are.

use bytes::BytesMut;
use pierhead_wire::envelope::SqlState;
use pierhead_wire::pg::backend;
use pierhead_wire::pg::startup::{self, PROTOCOL_OPTION_PREFIX, StartUp};

use crate::core::Engine;
use crate::failure::Failure;
use crate::ids::ClientId;
use crate::io::Mode;
use crate::pool::client::{Client, Kind, Place};
use crate::pool::session::Why;
use crate::pool::socket::{Key, Stage};
use crate::settings::Settings;
use crate::state::Followed;

/// What the client asks for, whole.
enum Wish {
    /// TLS or GSS encryption: there is none in here.
    Encryption,
    Cancel(u32, Vec<u8>),
    Session {
        settings: Followed,
        minor: u16,
        unknown: Vec<String>,
    },
}

impl Engine {
    /// Reads what a client begins with, as far as it is there.
    pub(super) fn read_start_up(&mut self, id: ClientId) {
        loop {
            let Some(Kind::Socket(socket)) = self.clients.get_mut(&id).map(|c| &mut c.kind) else {
                return;
            };
            let Stage::StartUp(buffer) = &mut socket.stage else { return };
            let (wish, used) = match read(buffer, &self.settings) {
                Ok(Some(found)) => found,
                Ok(None) => return,
                Err(failure) => return self.kill_socket(id, &failure, Why::ClientWrong),
            };
            let rest = buffer.split_off(used);
            *buffer = rest;
            match wish {
                Wish::Encryption => {
                    socket.say(bytes::Bytes::from_static(b"N"));
                    self.flush_socket(id);
                }
                Wish::Cancel(pid, secret) => return self.socket_cancels(id, pid, &secret),
                Wish::Session { settings, minor, unknown } => {
                    let early = std::mem::take(buffer).freeze();
                    socket.stage = Stage::Greeting;
                    socket.untried = !settings.is_empty();
                    socket.settings = settings.clone();
                    socket.start_settings = settings;
                    self.negotiate(id, minor, &unknown);
                    self.greeters.push(id);
                    self.greet();
                    if !early.is_empty() {
                        self.socket_says(id, early);
                    }
                    return self.arm_socket(id);
                }
            }
        }
    }

    fn negotiate(&mut self, id: ClientId, minor: u16, unknown: &[String]) {
        if minor == 0 && unknown.is_empty() {
            return;
        }
        let mut out = BytesMut::new();
        let names: Vec<&str> = unknown.iter().map(String::as_str).collect();
        backend::negotiate_protocol_version(0, &names, &mut out);
        if let Some(socket) = self.clients.get_mut(&id).and_then(Client::socket_mut) {
            socket.say(out.freeze());
        }
    }

    /// Answers those who have started, if the database's parameters are known; otherwise a session
    /// must be opened first.
    pub(super) fn greet(&mut self) {
        if self.parameters.is_none() {
            // After a sleep only the agents know what the sessions that they hold are like.
            self.links.list();
            self.fail_greeters();
            return;
        }
        for id in std::mem::take(&mut self.greeters) {
            self.greet_one(id);
        }
    }

    /// Those who wait for a first session hear it when there will be none.
    fn fail_greeters(&mut self) {
        let Some((failure, retry_after)) = self.health.trouble(self.now) else { return };
        if !failure.lasting || !self.health.is_pausing(self.now) {
            return;
        }
        let failure = Failure::CannotConnect { failure: failure.clone(), retry_after };
        for id in std::mem::take(&mut self.greeters) {
            self.kill_socket(id, &failure, Why::ClientWrong);
        }
    }

    fn greet_one(&mut self, id: ClientId) {
        let Some(parameters) = self.parameters.clone() else { return };
        let [a, b, c, d, ..] = self.rng.bytes();
        let pid = u32::try_from(id.0 & 0x7fff_ffff).unwrap_or_default();
        let key = Key { pid, secret: [a, b, c, d] };
        let full = self.pinned >= self.settings.pinned_max;
        let Some(socket) = self.clients.get_mut(&id).and_then(Client::socket_mut) else { return };
        if socket.mode == Mode::Session {
            if full {
                let failure = Failure::TooManyPinned { most: self.settings.pinned_max };
                return self.kill_socket(id, &failure, Why::ClientWrong);
            }
            socket.pinned = Some("session mode");
            self.pinned += 1;
        }
        let mut out = BytesMut::with_capacity(512);
        backend::authentication_ok(&mut out);
        for (name, value) in parameters.iter() {
            let own = socket.settings.text(name);
            backend::parameter_status(name, own.as_deref().unwrap_or(value), &mut out);
        }
        backend::backend_key_data(key.pid, &key.secret, &mut out);
        backend::ready_for_query(b'I', &mut out);
        socket.say(out.freeze());
        socket.stage = Stage::Open;
        socket.key = Some(key);
        self.by_key.insert(key, id);
        self.flush_socket(id);
        self.drive_socket(id);
    }

    /// True if somebody waits for a first session to be opened.
    pub(super) fn has_greeters(&self) -> bool {
        !self.greeters.is_empty()
    }

    /// A client wants to cancel what another one runs. Nobody is told whether the key was right.
    fn socket_cancels(&mut self, id: ClientId, pid: u32, secret: &[u8]) {
        self.counters.cancel_requests += 1;
        if let Some(socket) = self.clients.get_mut(&id).and_then(Client::socket_mut) {
            socket.stage = Stage::Cancelling;
        }
        let key = secret.try_into().ok().map(|secret| Key { pid, secret });
        let meant = key.and_then(|key| self.by_key.get(&key)).copied();
        let client = meant.and_then(|meant| Some((meant, self.clients.get(&meant)?.place)));
        let cancelling = match client {
            Some((_, Place::Running(session))) => self.cancel_running(session, Some(id)),
            Some((meant, Place::Waiting)) => {
                self.refuse_socket(meant, &Failure::GaveUp { sent: false });
                false
            }
            Some((_, Place::Resting | Place::Reading)) | None => false,
        };
        if !cancelling {
            self.close_socket(id, Why::ClientLeft);
        }
    }
}

fn read(buffer: &[u8], settings: &Settings) -> Result<Option<(Wish, usize)>, Failure> {
    let malformed = |message: String| Failure::Invalid { sqlstate: SqlState::MALFORMED, message };
    let found = StartUp::read(buffer).map_err(|e| malformed(e.to_string()))?;
    let Some((packet, used)) = found else { return Ok(None) };
    let wish = match packet {
        StartUp::SslRequest | StartUp::GssRequest => Wish::Encryption,
        StartUp::Cancel { pid, secret } => Wish::Cancel(pid, secret.to_vec()),
        StartUp::Start { minor, parameters } => session(minor, &parameters, settings)?,
    };
    Ok(Some((wish, used)))
}

/// Checks what a client wants of its session.
fn session(minor: u16, parameters: &[(&str, &str)], settings: &Settings) -> Result<Wish, Failure> {
    let refused = |code: &[u8; 5], message: String| Failure::Invalid {
        sqlstate: SqlState::literal(code),
        message,
    };
    let mut wanted: Vec<(String, String)> = Vec::new();
    let mut unknown = Vec::new();
    let (mut user, mut database) = (None, None);
    for &(name, value) in parameters {
        match name {
            "user" => user = Some(value),
            "database" => database = Some(value),
            "options" => {
                wanted
                    .extend(startup::options(value).map_err(|e| refused(b"08P01", e.to_string()))?);
            }
            "replication" if !matches!(value, "false" | "off" | "no" | "0") => {
                let message = "replication is not available through Pierhead".into();
                return Err(refused(b"0A000", message));
            }
            "replication" => {}
            _ if name.starts_with(PROTOCOL_OPTION_PREFIX) => unknown.push(name.to_owned()),
            _ => wanted.push((name.to_owned(), value.to_owned())),
        }
    }
    let user = user.unwrap_or_default();
    if user != settings.user {
        return Err(refused(b"28000", format!("user {user:?} is not the one that is configured")));
    }
    let database = database.unwrap_or(user);
    if database != settings.database && database != settings.name {
        return Err(refused(b"3D000", format!("database {database:?} is not configured")));
    }
    // What every session begins with need not be set again.
    let is_default = |name: &str, value: &str| match name.to_ascii_lowercase().as_str() {
        "client_encoding" => {
            matches!(value.to_ascii_uppercase().as_str(), "UTF8" | "UTF-8" | "UNICODE")
        }
        "application_name" => value == settings.application_name,
        _ => false,
    };
    wanted.retain(|(name, value)| !is_default(name, value));
    let pairs = wanted.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let wanted = Followed::from_start_up(pairs)
        .map_err(|_| refused(b"54000", "more start-up settings than may be kept".into()))?;
    Ok(Wish::Session { settings: wanted, minor, unknown })
}
