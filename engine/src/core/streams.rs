//! What streams do.

use bytes::Bytes;

use crate::core::{Carrier, Engine};
use crate::failure::{ConnectFailure, Failure};
use crate::ids::{ClientId, SessionId, StreamId};
use crate::io::{Level, Refusal};
use crate::limits::RETRIES_MAX;
use crate::pool::session::{Exchange, State, Work};

/// What a session was doing when its stream ended.
pub(super) enum Lost {
    Opening,
    Nothing,
    Request { client: ClientId, retry: bool, rested: bool, detail: String },
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
            Some(Carrier::Cancel) => self.cancel_ended(stream),
            None => {}
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

    pub(super) fn stream_closed(&mut self, stream: StreamId, accepted: u64, detail: &str) {
        match self.streams.get(&stream) {
            Some(&Carrier::Session(id)) => self.session_lost(id, accepted, detail),
            Some(Carrier::Cancel) => self.cancel_ended(stream),
            None => {}
        }
    }

    fn session_lost(&mut self, id: SessionId, accepted: u64, detail: &str) {
        let Some((was, lost)) = self.what_was_lost(id, accepted, detail) else { return };
        self.forget_session(id);
        let text = format!("ended by its far end while {was}: {detail}");
        self.log(Level::Info, Some(id), None, text);
        self.settle_loss(id, lost, detail);
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
                what_was_lost(*client, work, session.rested, accepted, detail)
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
            Lost::Request { client, retry: true, rested, detail } => {
                self.retry(client, rested, &detail);
            }
            Lost::Request { client, retry: false, detail, .. } => self.lose(client, detail),
        }
    }

    /// Nothing of the request was sent: it is tried on another session. That a session had ended
    /// while it rested is no sign of trouble, and there are only so many of them.
    fn retry(&mut self, id: ClientId, rested: bool, detail: &str) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.retries += u32::from(!rested);
        if client.retries > RETRIES_MAX {
            self.fail(id, &Failure::LostBeforeSent { detail: detail.to_owned() });
            return;
        }
        self.counters.retries += 1;
        self.requeue(id);
    }

    fn lose(&mut self, id: ClientId, detail: String) {
        #[cfg(sabotage)]
        if crate::sabotage::active(crate::sabotage::Bug::CompletedOnLoss) {
            self.finish(id, pierhead_wire::envelope::Outcome::completed(0, 0));
            return;
        }
        self.counters.lost += 1;
        self.fail(id, &Failure::Lost { detail });
    }
}

fn is_opening(session: &crate::pool::session::Session) -> bool {
    matches!(session.state(), State::Opening { .. })
}

fn what_was_lost(client: ClientId, work: &Work, rested: bool, accepted: u64, detail: &str) -> Lost {
    match work {
        Work::Verifying => Lost::Request { client, retry: true, rested, detail: detail.to_owned() },
        Work::Exchange(exchange) => {
            let retry = nothing_reached_the_database(exchange, accepted);
            let detail = exchange.fatal.clone().unwrap_or_else(|| detail.to_owned());
            Lost::Request { client, retry, rested, detail }
        }
    }
}

/// The proof that a request may be sent again: the transport accepted not a byte of it.
fn nothing_reached_the_database(exchange: &Exchange, accepted: u64) -> bool {
    #[cfg(sabotage)]
    if crate::sabotage::active(crate::sabotage::Bug::RetryAfterSend) {
        return true;
    }
    accepted <= exchange.sent_from && !exchange.answered
}
