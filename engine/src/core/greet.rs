//! A socket's start-up, answered here: the database need not be asked, once it has told what its
//! parameters are.

use bytes::BytesMut;
use pierhead_wire::pg::backend;

use crate::core::Engine;
use crate::core::wish::{self, Wanted, Wish, refused};
use crate::failure::Failure;
use crate::ids::ClientId;
use crate::io::Mode;
use crate::pool::client::{Client, Kind, Place};
use crate::pool::session::Why;
use crate::pool::socket::{Key, Stage};
use crate::pool::stages::Said;

impl Engine {
    /// Reads what a client begins with, as far as it is there.
    pub(super) fn read_start_up(&mut self, id: ClientId) {
        loop {
            let Some(Kind::Socket(socket)) = self.clients.get_mut(&id).map(|c| &mut c.kind) else {
                return;
            };
            let Stage::StartUp { buffer, first } = &mut socket.stage else { return };
            let (wish, used) = match wish::read(buffer, &self.settings) {
                Ok(Some(found)) => found,
                Ok(None) => return,
                Err(failure) => return self.kill_socket(id, &failure, Why::ClientWrong),
            };
            let rest = buffer.split_off(used);
            *buffer = rest;
            let first = std::mem::replace(first, false);
            match wish {
                Wish::Encryption => {
                    socket.say(bytes::Bytes::from_static(b"N"));
                    self.flush_socket(id);
                }
                Wish::Cancel(pid, secret) => return self.socket_cancels(id, pid, &secret),
                Wish::Terms { class, mode } if first => self.take_terms(id, &class, mode),
                Wish::Terms { .. } => {
                    return self.break_socket(id, "a terms packet that is not the first packet");
                }
                Wish::Session(wanted) => {
                    let early = std::mem::take(buffer).freeze();
                    self.start_socket(id, *wanted);
                    if !early.is_empty() {
                        self.socket_says(id, early);
                    }
                    return self.arm_socket(id);
                }
            }
        }
    }

    /// Who let the client in says who it is; not where the shell has said so.
    fn take_terms(&mut self, id: ClientId, class: &str, mode: Option<Mode>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let before = client.class;
        let Kind::Socket(socket) = &mut client.kind else { return };
        let named = socket.named;
        if let Some(mode) = mode.filter(|_| !socket.mode_is_fixed) {
            socket.mode = mode;
            socket.mode_is_fixed = true;
        }
        if named || class.is_empty() {
            return;
        }
        let class = self.enter_class(class);
        self.leave_class(before);
        if let Some(client) = self.clients.get_mut(&id) {
            client.class = class;
        }
    }

    /// Begins to serve a socket whose start-up message is there.
    fn start_socket(&mut self, id: ClientId, wanted: Wanted) {
        let Some(socket) = self.clients.get_mut(&id).and_then(Client::socket_mut) else { return };
        if let Some(mode) = wanted.mode {
            if socket.mode_is_fixed && mode != socket.mode {
                let fixed = socket.mode.name();
                let message = format!("pierhead.mode is {fixed} for whoever comes this way");
                let hint = "leave it out, or use a binding or port without a mode";
                let failure = refused(b"22023", &message, hint);
                return self.kill_socket(id, &failure, Why::ClientWrong);
            }
            socket.mode = mode;
        }
        socket.untried = !wanted.settings.is_empty();
        socket.settings = wanted.settings.clone();
        socket.start_settings = wanted.settings;
        self.negotiate(id, wanted.minor, &wanted.unknown);
        if self.settings.socket_password.is_some() {
            return self.ask_for_login(id, &wanted.user, wanted.exists);
        }
        self.admit_socket(id, wanted.exists);
    }

    /// The client is who it says, or nobody asks.
    pub(super) fn admit_socket(&mut self, id: ClientId, exists: Result<(), Failure>) {
        if let Err(failure) = exists {
            return self.kill_socket(id, &failure, Why::ClientWrong);
        }
        let now = self.now;
        let Some(socket) = self.clients.get_mut(&id).and_then(Client::socket_mut) else { return };
        socket.enter(Stage::Greeting, Said::Welcome);
        socket.active_at = now;
        self.flush_socket(id);
        self.greeters.push(id);
        self.greet();
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
        let Some((failure, retry_after)) = self.health.hopeless(self.now) else { return };
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
        socket.enter(Stage::Open, Said::Greeting);
        socket.active_at = self.now;
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
            socket.enter(Stage::Cancelling, Said::Cancel);
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
