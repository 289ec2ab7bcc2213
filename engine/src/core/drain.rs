//! Abandoned requests: what runs is cancelled and the rest of the answer read, so that the session
//! can serve the next client. Only where the far end proves that the cancel is over, which an
//! agent does: a cancel that is still on its way would hit somebody else's request.
//!
//! ```text
//! Leased ──abandoned──▶ Draining ──last ready point and proof, in either order──▶ Resetting
//!                           └──no proof, wrong reply, out of time──▶ Ending
//! ```

use crate::core::Engine;
use crate::core::replies::Turn;
use crate::core::reset::After;
use crate::database::transaction::Transaction;
use crate::ids::{SessionId, StreamId};
use crate::limits::DRAIN_TIMEOUT;
use crate::pool::session::{State, Why};
use crate::pool::timers::Target;
use crate::settings::Way;
use crate::time::Reason;

impl Engine {
    /// The client of a session is no longer there. If nothing was sent for it the session is as
    /// good as before; otherwise what runs is cancelled.
    pub(super) fn abandon(&mut self, id: SessionId, why: Why) {
        #[cfg(sabotage)]
        if crate::link::parks_half_sent() && !self.is_verifying(id) && self.is_agents(id) {
            return self.park_half_sent(id);
        }
        if self.is_verifying(id) {
            self.release(id, Why::NotSent);
        } else if !self.drain(id, why) {
            self.end(id, why);
        }
    }

    /// Begins to drain a session. False if it cannot be.
    fn drain(&mut self, id: SessionId, why: Why) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        let stream = session.stream;
        if session.way != Way::Agent || session.cancel_key.is_none() || self.links.drains(stream) {
            return false;
        }
        // A reset behind the request could be what the cancel hits.
        let exchange = session.take_exchange_if(|e| !e.reset_sent && e.fatal.is_none());
        let Some(exchange) = exchange else { return false };
        let fence = self.links.cancel(stream);
        self.counters.cancels += 1;
        self.enter(id, why, |seat| State::Draining { seat, exchange, fence, done: None });
        self.timers.set(Target::Session(id), Reason::ResetDeadline, self.now + DRAIN_TIMEOUT);
        self.grant_reads(id);
        true
    }

    /// A reply to an abandoned request.
    pub(super) fn draining_turned(&mut self, id: SessionId, turn: Turn) {
        match turn {
            Turn::On => {}
            Turn::EndCopy { sync } => self.end_copy(id, sync),
            Turn::Done(transaction) => {
                let Some(session) = self.sessions.get_mut(&id) else { return };
                if let State::Draining { done, .. } = session.state_mut() {
                    *done = Some(transaction);
                }
                self.finish_draining(id);
            }
            Turn::Wrong(_) => self.wrong(id, "a reply that does not answer an abandoned request"),
        }
    }

    /// The agent's answer to a cancel.
    pub(super) fn cancelled(&mut self, stream: StreamId, request: u32, proved: bool) {
        let Some(id) = self.session_of(stream) else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Draining { fence, .. } = session.state_mut() else { return };
        if *fence != Some(request) {
            return;
        }
        if proved {
            *fence = None;
            self.finish_draining(id);
        } else {
            self.end(id, Why::NotDrained);
        }
    }

    /// Hands the session on, if its answer is read and no cancel can hit it any more.
    fn finish_draining(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let State::Draining { exchange, fence, done: Some(transaction), .. } = session.state()
        else {
            return;
        };
        if fence.is_some() && !cancel_is_not_fenced() {
            return;
        }
        let (signs, transaction): (_, Transaction) = (exchange.signs, *transaction);
        self.counters.drained += 1;
        // Nobody knows how far the request came, so everything it can have left is cleared.
        let after = After { transaction, signs, must_reset: true, reset_sent: false };
        self.clean_up(id, after);
    }
}

#[cfg(sabotage)]
fn cancel_is_not_fenced() -> bool {
    crate::sabotage::active(crate::sabotage::Bug::CancelNotFenced)
}

#[cfg(not(sabotage))]
const fn cancel_is_not_fenced() -> bool {
    false
}
