//! What is common to all clients: they take what they were given, live, and go away.

use super::Engine;
use crate::ids::{ClientId, SessionId};
use crate::pool::classes::ClassId;
use crate::pool::client::{Client, Kind, Place};
use crate::pool::session::Why;

impl Engine {
    pub(super) fn client_took(&mut self, id: ClientId, bytes: usize) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let before = match &mut client.kind {
            Kind::Exchange(exchange) => {
                let held = exchange.answer.held();
                exchange.answer.took(bytes);
                held - exchange.answer.held()
            }
            Kind::Socket(socket) => {
                let held = socket.untaken();
                socket.took(bytes);
                held - socket.untaken()
            }
            Kind::Lease(_) => 0,
        };
        self.answer_bytes = self.answer_bytes.saturating_sub(before);
        let place = client.place;
        match place {
            Place::Running(session) => self.grant_reads(session),
            Place::Reading if self.untaken(id) == 0 => self.forget_exchange(id),
            Place::Reading | Place::Waiting | Place::Resting => {}
        }
    }

    pub(super) fn client_gone(&mut self, id: ClientId) {
        let Some(client) = self.clients.get(&id) else { return };
        let session = client.session();
        match &client.kind {
            Kind::Exchange(_) => self.forget_exchange(id),
            Kind::Socket(_) => {
                self.forget_socket(id);
                if planted!(StaleHandle) {
                    self.outputs.push_back(crate::io::Output::CloseSocket { client: id });
                }
            }
            Kind::Lease(_) => return self.lease_disposed(id),
        }
        self.counters.callers_gone += 1;
        if let Some(session) = session {
            self.abandon(session, Why::CallerGone);
        }
    }

    pub(super) fn client_alive(&mut self, id: ClientId) {
        let now = self.now;
        let Some(client) = self.clients.get_mut(&id) else { return };
        let session = client.session();
        if let Some(exchange) = client.exchange_mut() {
            exchange.alive_at = now;
        }
        if let Some(session) = session {
            self.send_if_verifying(session);
        }
    }

    /// The client whose request a session is answering: of a lease, the request's.
    pub(super) fn served(&self, session: SessionId) -> Option<ClientId> {
        let mut holder = self.sessions.get(&session)?.client()?;
        if planted!(AnswerToWrongClient) {
            let older = ClientId(holder.0.saturating_sub(1));
            let is_socket = self.clients.get(&older).is_some_and(|c| c.socket().is_some());
            holder = if is_socket { older } else { holder };
        }
        match self.clients.get(&holder).and_then(Client::lease) {
            Some(lease) => lease.current,
            None => Some(holder),
        }
    }

    /// The class of clients with this name.
    pub(super) fn enter_class(&mut self, name: &str) -> ClassId {
        let entry = self.classes.enter(name);
        if entry.fresh {
            self.waiters.forget_account(entry.class);
            self.accounts.forget_class(entry.class);
        }
        entry.class
    }

    pub(super) fn leave_class(&mut self, class: ClassId) {
        self.classes.leave(class);
    }
}
