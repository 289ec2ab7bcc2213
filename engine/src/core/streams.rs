//! What streams do.

use bytes::Bytes;

use crate::core::{Carrier, Engine};
use crate::database::talk::Talk;
use crate::failure::{ConnectFailure, Failure};
use crate::ids::{ClientId, SessionId, StreamId};
use crate::io::{Level, Refusal};
use crate::limits::{RETRIES_MAX, WRITE_WINDOW};
use crate::pool::client::{Client, Kind, Place};
use crate::pool::places::Move;
use crate::pool::session::{State, Why, Work};
use crate::settings::Way;

/// What a session was doing when its stream ended.
pub(super) enum Lost {
    Opening,
    Nothing,
    /// A request of which nothing was sent: another session runs it.
    Unsent {
        client: ClientId,
        rested: bool,
        detail: String,
        kept: Bytes,
    },
    /// Its client must hear of it.
    Told {
        client: ClientId,
        failure: Failure,
    },
}

impl Engine {
    pub(super) fn stream_opened(&mut self, stream: StreamId) {
        match self.streams.get(&stream) {
            Some(&Carrier::Session(id)) => self.session_connected(id),
            Some(Carrier::Cancel) => self.cancel_opened(stream),
            None => {}
        }
    }

    pub(super) fn stream_refused(&mut self, stream: StreamId, refusal: &Refusal) {
        match self.streams.get(&stream) {
            Some(&Carrier::Session(id)) => {
                let opening = self.sessions.get(&id).is_some_and(is_opening);
                self.forget_session(id);
                if opening {
                    self.note_open_failure(id, ConnectFailure::stream(refusal));
                }
            }
            Some(Carrier::Cancel) => self.cancel_ended(stream, false),
            None => {}
        }
    }

    /// The transport accepted bytes: more may be sent to it.
    pub(super) fn stream_took(&mut self, stream: StreamId, bytes: usize) {
        let Some(id) = self.session_of(stream) else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.taken = session.written.min(session.taken + bytes as u64);
        self.unstall(id);
    }

    /// Links may have sent on.
    pub(super) fn unstall_links(&mut self) {
        if self.stalled.is_empty() {
            return;
        }
        let over_links = |id: &&SessionId| {
            self.sessions.get(id).is_none_or(|s| {
                s.way == Way::Agent && (self.links.queued(s.stream) as u64) < WRITE_WINDOW
            })
        };
        let ids: Vec<SessionId> = self.stalled.iter().filter(over_links).copied().collect();
        for id in ids {
            self.unstall(id);
        }
    }

    /// A session whose transport was full may have room again.
    pub(super) fn unstall(&mut self, id: SessionId) {
        if self.stalled.remove(&id)
            && let Some(client) = self.served(id)
        {
            self.forward_socket(client);
            self.grant_socket(client);
        }
    }

    pub(super) fn stream_secured(&mut self, stream: StreamId) {
        match self.streams.get(&stream) {
            Some(&Carrier::Session(id)) => {
                let Some(session) = self.sessions.get_mut(&id) else { return };
                if let State::Opening { handshake: Some(handshake), .. } = session.state_mut() {
                    let step = handshake.handle_secured(&self.settings);
                    self.login_step(id, step);
                }
            }
            Some(Carrier::Cancel) => self.cancel_secured(stream),
            None => {}
        }
    }

    pub(super) fn stream_data(&mut self, stream: StreamId, bytes: Bytes) {
        match self.streams.get(&stream) {
            Some(&Carrier::Session(id)) => self.session_data(id, bytes),
            Some(Carrier::Cancel) => self.cancel_data(stream, &bytes),
            None => {}
        }
    }

    pub(super) fn stream_closed(
        &mut self,
        stream: StreamId,
        orderly: bool,
        accepted: u64,
        detail: &str,
    ) {
        match self.streams.get(&stream) {
            Some(&Carrier::Session(id)) => self.session_lost(id, accepted, detail),
            Some(Carrier::Cancel) => self.cancel_ended(stream, orderly),
            None => {}
        }
    }

    fn session_lost(&mut self, id: SessionId, accepted: u64, detail: &str) {
        let Some((was, lost)) = self.what_was_lost(id, accepted, detail) else { return };
        self.unsay(id, &lost);
        self.forget_session(id);
        let text = format!("ended by its far end while {was}: {detail}");
        self.log(Level::Info, Some(id), None, text);
        self.settle_loss(id, lost, detail);
    }

    /// What a client prepared in a request that is tried again is not prepared.
    pub(super) fn unsay(&mut self, id: SessionId, lost: &Lost) {
        if !matches!(lost, Lost::Unsent { .. }) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let holder = session.client();
        if let Some(talk) = session.talk_mut() {
            talk.replies.skip_all();
            self.settle_statements(id, holder);
        }
    }

    /// What a session that can carry nothing more was doing.
    pub(super) fn what_was_lost(
        &self,
        id: SessionId,
        accepted: u64,
        detail: &str,
    ) -> Option<(&'static str, Lost)> {
        let session = self.sessions.get(&id)?;
        let lost = match session.state() {
            State::Opening { .. } => Lost::Opening,
            State::Leased { client, work, .. } => {
                let socket = self.clients.get(client).is_some_and(|c| c.socket().is_some());
                what_was_lost((*client, socket), work, session.rested, accepted, detail)
            }
            State::Idle { .. }
            | State::Draining { .. }
            | State::Parked { .. }
            | State::Away { .. }
            | State::Resetting { .. }
            | State::Ending { .. }
            | State::Moving => Lost::Nothing,
        };
        Some((session.state().name(), lost))
    }

    /// Tells whoever it concerns; the session is out of the client's way already.
    pub(super) fn settle_loss(&mut self, id: SessionId, lost: Lost, detail: &str) {
        match lost {
            Lost::Opening => self.note_open_failure(id, ConnectFailure::ended(detail)),
            Lost::Nothing => {}
            Lost::Unsent { client, rested, detail, kept } => {
                self.retry(client, rested, &detail, kept);
            }
            Lost::Told { client, failure } => self.lose(client, &failure),
        }
    }

    /// Nothing of the request was sent: it is tried on another session. That a session had ended
    /// while it rested is no sign of trouble, and there are only so many of them.
    fn retry(&mut self, holder: ClientId, rested: bool, detail: &str, kept: Bytes) {
        self.counters.retries += 1;
        let Some(client) = self.clients.get_mut(&holder) else { return };
        match &mut client.kind {
            Kind::Socket(socket) => {
                socket.inbox.put_back(kept);
                self.count_client(holder);
                self.requeue(holder);
            }
            Kind::Exchange(exchange) => {
                exchange.retries += u32::from(!rested);
                if exchange.retries > RETRIES_MAX {
                    self.fail(holder, &Failure::LostBeforeSent { detail: detail.to_owned() });
                    return;
                }
                self.requeue(holder);
            }
            Kind::Lease(lease) => {
                let Some(request) = lease.current else { return };
                self.requeue_from(holder, request);
            }
        }
    }

    /// The database's last words to a client that it sent away between two requests.
    pub(super) fn farewell(&mut self, holder: ClientId, words: Bytes) {
        self.lose_socket(holder);
        if let Some(socket) = self.clients.get_mut(&holder).and_then(Client::socket_mut) {
            socket.say(words);
        }
        self.close_socket(holder, Why::Broken);
    }

    fn lose_socket(&mut self, holder: ClientId) {
        self.counters.lost += 1;
        self.counters.failed += 1;
        if let Some(client) = self.clients.get_mut(&holder) {
            client.granted = None;
            client.enter(Place::Resting, Move::Lost);
        }
    }

    /// The holder of a session lost it, and perhaps what it had sent.
    pub(super) fn lose(&mut self, holder: ClientId, failure: &Failure) {
        #[cfg(sabotage)]
        if crate::sabotage::active(crate::sabotage::Bug::CompletedOnLoss) {
            self.finish(holder, pierhead_wire::envelope::Outcome::completed(0, 0));
            return;
        }
        match self.clients.get(&holder).map(|c| &c.kind) {
            Some(Kind::Socket(_)) => {
                self.lose_socket(holder);
                self.kill_socket(holder, failure, Why::Broken);
            }
            Some(Kind::Lease(_)) => {
                self.counters.lost += 1;
                self.lease_lost(holder, failure);
            }
            Some(Kind::Exchange(_)) => {
                self.counters.lost += 1;
                self.fail(holder, failure);
            }
            None => self.counters.lost += 1,
        }
    }
}

fn is_opening(session: &crate::pool::session::Session) -> bool {
    matches!(session.state(), State::Opening { .. })
}

fn what_was_lost(
    (client, socket): (ClientId, bool),
    work: &Work,
    rested: bool,
    accepted: u64,
    detail: &str,
) -> Lost {
    let Work::Talking(talk) = work else {
        let detail = detail.to_owned();
        return Lost::Unsent { client, rested, detail, kept: Bytes::new() };
    };
    let detail = talk.fatal.clone().unwrap_or_else(|| detail.to_owned());
    // A socket's messages are known only as long as they are kept, or not sent at all.
    let known = !socket || talk.kept.is_on() || talk.replies.are_ours();
    let failure = if !nothing_reached_the_database(talk, accepted, socket) {
        Failure::Lost { detail }
    } else if talk.has_history {
        Failure::LostAtRest { detail }
    } else if known {
        return Lost::Unsent { client, rested, detail, kept: talk.kept.messages() };
    } else {
        Failure::LostBeforeSent { detail }
    };
    Lost::Told { client, failure }
}

/// The proof that nothing of a request was executed: none was sent, or the transport accepted not a
/// byte of it.
fn nothing_reached_the_database(talk: &Talk, accepted: u64, socket: bool) -> bool {
    #[cfg(sabotage)]
    if crate::sabotage::active(crate::sabotage::Bug::RetryAfterSend) {
        return true;
    }
    let rests = socket && talk.has_history && talk.is_quiet();
    rests || (accepted <= talk.sent_from && !talk.answered)
}
