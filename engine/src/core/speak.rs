//! What is said on a session behind a ready point: the next request of its client, or what clears it.
//!
//! Nothing of that is sent while bytes of the database are read that came before. Whatever it says
//! behind its last ready point answers nothing; read behind the next request, it would pass for the
//! answer.

use crate::core::Engine;
use crate::ids::SessionId;
use crate::pool::client::Kind;
use crate::pool::session::{State, Work};

impl Engine {
    /// Says what is to be said on a session next: now, or when what came is read.
    pub(super) fn speak_soon(&mut self, id: SessionId) {
        if self.heard == Some(id) {
            self.speaks_next = true;
        } else {
            self.speak(id);
        }
    }

    /// Says what is to be said on a session next.
    pub(super) fn speak(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let holder = match session.state() {
            State::Resetting { .. } => return self.send_reset(id),
            State::Leased { client, work: Work::Talking(_), .. } => *client,
            State::Opening { .. }
            | State::Idle { .. }
            | State::Leased { work: Work::Verifying, .. }
            | State::Draining { .. }
            | State::Parked { .. }
            | State::Away { .. }
            | State::Ending { .. }
            | State::Moving => return,
        };
        match self.clients.get(&holder).map(|client| &client.kind) {
            Some(Kind::Socket(_)) => self.forward_socket(holder),
            // Its plan was broken: it runs again.
            Some(Kind::Exchange(_)) => self.write_exchange(id, holder),
            Some(Kind::Lease(lease)) => match lease.current {
                Some(request) => self.write_exchange(id, request),
                None => self.lease_rests(holder),
            },
            None => {}
        }
    }
}
