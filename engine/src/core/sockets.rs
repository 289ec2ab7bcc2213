//! Sockets: clients that speak the database's own protocol, for as long as they like.

use bytes::Bytes;

use crate::core::Engine;
use crate::core::forward::make_ready;
use crate::failure::Failure;
use crate::ids::{ClientId, SessionId};
use crate::io::{Mode, Output, Terms};
use crate::limits::{
    ANSWER_UNTAKEN_MAX, CLIENT_WINDOW, FORWARD_EARLY, REQUEST_BYTES_BUDGET, SOCKETS_MAX,
};
use crate::parts::Parts;
use crate::pool::client::{Client, Kind, Place};
use crate::pool::session::{State, Why, Work};
use crate::pool::socket::{Socket, Stage};

impl Engine {
    pub(super) fn socket_opened(&mut self, id: ClientId, terms: &Terms) {
        if self.clients.contains_key(&id) {
            return;
        }
        self.counters.sockets += 1;
        let class = self.enter_class(&terms.class);
        let client = Client {
            place: Place::Resting,
            class,
            caller: None,
            arrived: self.now,
            waits_until: self.now,
            armed: None,
            granted: None,
            kind: Kind::Socket(Box::new(Socket::new(terms, self.settings.mode, self.now))),
        };
        self.clients.insert(id, client);
        self.sockets += 1;
        if self.sockets > SOCKETS_MAX || self.settings.allowance.lacks(CLIENT_WINDOW) {
            let failure = Failure::TooManySockets { sockets: self.sockets };
            return self.kill_socket(id, &failure, Why::ClientWrong);
        }
        self.arm_socket(id);
        self.grant_socket(id);
    }

    pub(super) fn socket_data(&mut self, id: ClientId, bytes: Bytes) {
        let now = self.now;
        let Some(Kind::Socket(socket)) = self.clients.get_mut(&id).map(|c| &mut c.kind) else {
            return;
        };
        if matches!(socket.stage, Stage::Open) {
            socket.active_at = now;
        }
        if !socket.used_credit(bytes.len()) {
            return self.break_socket(id, "more bytes than were granted");
        }
        match &mut socket.stage {
            Stage::StartUp { buffer, .. } => {
                buffer.extend_from_slice(&bytes);
                self.read_start_up(id);
            }
            Stage::Login(..) | Stage::Greeting | Stage::Open => self.socket_says(id, bytes),
            Stage::Cancelling => {}
        }
        self.grant_socket(id);
    }

    /// Messages of a client that has started.
    pub(super) fn socket_says(&mut self, id: ClientId, bytes: Bytes) {
        let Some(Kind::Socket(socket)) = self.clients.get_mut(&id).map(|c| &mut c.kind) else {
            return;
        };
        if let Err(error) = socket.receive(bytes) {
            return self.break_socket(id, &error);
        }
        self.drive_socket(id);
        self.count_inbox(id);
    }

    /// Keeps the budgets true to what a socket's client has prepared and set, and to what it has sent.
    pub(super) fn count_client(&mut self, id: ClientId) {
        let Some(socket) = self.clients.get_mut(&id).and_then(Client::socket_mut) else { return };
        let now = socket.state_bytes();
        let before = std::mem::replace(&mut socket.counted.1, now);
        self.client_bytes = (self.client_bytes + now).saturating_sub(before);
        self.count_inbox(id);
    }

    /// Keeps the budget true to what a socket's client has sent and no session got. If it filled its
    /// window while it waited, it may go on.
    fn count_inbox(&mut self, id: ClientId) {
        let Some(socket) = self.clients.get_mut(&id).and_then(Client::socket_mut) else { return };
        let now = socket.inbox_bytes();
        let before = std::mem::replace(&mut socket.counted.0, now);
        self.request_bytes = (self.request_bytes + now).saturating_sub(before);
        if now < before {
            self.grant_socket(id);
        }
    }

    /// Does what a socket's client wants next, as far as it can be done now.
    pub(super) fn drive_socket(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let place = client.place;
        let Kind::Socket(socket) = &mut client.kind else { return };
        match socket.stage {
            Stage::Open => {}
            Stage::Login(..) => return self.log_in_socket(id),
            Stage::StartUp { .. } | Stage::Greeting | Stage::Cancelling => return,
        }
        if socket.skips {
            self.skip_to_sync(id);
            return self.requeue_socket_if_it_wants(id);
        }
        match place {
            Place::Running(_) => self.forward_socket(id),
            Place::Resting => self.requeue_socket_if_it_wants(id),
            Place::Waiting | Place::Reading => {}
        }
    }

    /// A resting socket that asks for something waits for a session.
    fn requeue_socket_if_it_wants(&mut self, id: ClientId) {
        let now = self.now;
        let said = |client: &Client| client.socket().is_some_and(|s| s.inbox_bytes() > 0);
        if !self.clients.get(&id).is_some_and(said) {
            return self.arm_socket(id);
        }
        self.answer_prepared(id);
        let Some(client) = self.clients.get_mut(&id) else { return };
        let resting = client.place == Place::Resting;
        let Kind::Socket(socket) = &mut client.kind else { return };
        if !resting || (socket.inbox.wants() == 0 && socket.inbox_bytes() < FORWARD_EARLY) {
            return self.arm_socket(id);
        }
        if socket.is_leaving() {
            return self.socket_left(id);
        }
        client.arrived = now;
        match self.check_room() {
            Ok(()) => self.queue(id),
            Err(failure) => self.refuse_socket(id, &failure),
        }
    }

    /// A socket's client has a session.
    pub(super) fn socket_granted(&mut self, session_id: SessionId, id: ClientId) {
        let now = self.now;
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Kind::Socket(socket) = &mut client.kind else { return };
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        let mut talk = self.spare_talks.begin(session.written);
        let out = self.outgoing.begin();
        if socket.mode == Mode::Session {
            talk.must_reset = true;
        }
        let sets = make_ready(session, &socket.settings, &mut talk, out);
        talk.trying = socket.untried && sets;
        socket.untried &= talk.trying;
        socket.turns = 0;
        // What another session ran, before it was lost, does not count.
        socket.query_until = None;
        let limit = self.settings.transaction_timeout;
        socket.transaction_until = (limit.0 > 0).then(|| now + limit);
        if let State::Leased { work, .. } = session.state_mut() {
            *work = Work::Talking(talk);
        }
        if !out.is_empty() {
            let bytes = out.take();
            self.write_session(session_id, bytes);
        }
        self.forward_socket(id);
    }

    /// Gives a socket's client what there is for it.
    pub(super) fn flush_socket(&mut self, id: ClientId) {
        let Some(Kind::Socket(socket)) = self.clients.get_mut(&id).map(|c| &mut c.kind) else {
            return;
        };
        if !socket.has_out() {
            return;
        }
        let bytes = socket.take_out();
        let untaken = socket.untaken();
        self.write_client(id, bytes);
        if untaken > ANSWER_UNTAKEN_MAX && !self.is_held_back(id) {
            return self.drop_answer(id, &Failure::ReaderTooSlow { held: untaken });
        }
        self.shed_answers();
    }

    /// Queues bytes for a socket, joined with what is queued for it already.
    pub(super) fn write_client(&mut self, id: ClientId, bytes: Parts) {
        for output in self.outputs.iter_mut().rev() {
            if let Output::WriteSocket { client, bytes: queued } = output
                && *client == id
            {
                queued.extend(bytes);
                return;
            }
        }
        self.outputs.push_back(Output::WriteSocket { client: id, bytes });
    }

    /// Lets the shell read on from a socket's client.
    pub(super) fn grant_socket(&mut self, id: ClientId) {
        let spent =
            self.request_bytes > REQUEST_BYTES_BUDGET || self.settings.allowance.is_exceeded();
        let Some(client) = self.clients.get_mut(&id) else { return };
        let holds = client.session().is_some();
        let Kind::Socket(socket) = &mut client.kind else { return };
        if spent && !holds {
            // It is asked for more when there is room again; who holds a session may finish.
            self.starved.insert(id);
            return;
        }
        if self.request_bytes.saturating_add(socket.missing()) > REQUEST_BYTES_BUDGET {
            return self.kill_socket(id, &Failure::RequestsTooLarge, Why::ClientWrong);
        }
        let bytes = socket.owed_credit(CLIENT_WINDOW);
        if bytes > 0 {
            socket.granted_credit(bytes);
            self.outputs.push_back(Output::GrantSocket { client: id, bytes });
        }
    }
}
