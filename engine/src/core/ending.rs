//! Ending sessions. A session counts until its far end has ended it, because until then the
//! database counts it too; but not for ever.

use bytes::BytesMut;
use postgres_protocol::message::frontend;

use crate::core::Engine;
use crate::ids::SessionId;
use crate::io::Level;
use crate::limits::{AGENT_END_TIMEOUT, END_TIMEOUT};
use crate::pool::session::{State, Why};
use crate::pool::timers::Target;
use crate::settings::Way;
use crate::time::Reason;

impl Engine {
    /// Nothing can be cancelled on a session any more.
    fn release_cancellers(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        for canceller in std::mem::take(&mut session.cancellers) {
            self.close_socket(canceller, Why::ClientLeft);
        }
    }

    /// Begins the end of a session that no client holds any more.
    pub(super) fn end(&mut self, id: SessionId, why: Why) {
        let Some(session) = self.sessions.get(&id) else { return };
        if matches!(session.state(), State::Ending { .. }) {
            return;
        }
        let way = session.way;
        let busy =
            (session.is_busy() || self.links.has_queued(session.stream)) && why.leaves_work();
        // Behind half a message nothing else would be understood.
        let torn = session.talk().is_some_and(|talk| talk.mid_message);
        self.let_talk_go(id);
        let Some(session) = self.sessions.get(&id) else { return };
        let parked = self.links.is_parked(session.stream);
        let logged_in = !matches!(session.state(), State::Opening { .. });
        let within = if way == Way::Agent { AGENT_END_TIMEOUT } else { END_TIMEOUT };
        self.idle.retain(|&other| other != id);
        self.timers.clear_all(Target::Session(id));
        self.timers.set(Target::Session(id), Reason::EndDeadline, self.now + within);
        self.enter(id, why, |seat| State::Ending { seat });
        self.counters.ended += 1;
        self.log(Level::Info, Some(id), None, format!("ending: {why:?}"));
        if parked {
            self.release_parked(id);
        } else if !logged_in || torn || (busy && way == Way::Agent) {
            // An agent cancels what runs and sees to the session's end.
            self.close_session(id);
        } else if why != Why::Broken {
            // The server reads it when it has finished what it does, and ends the stream.
            let mut out = BytesMut::new();
            frontend::terminate(&mut out);
            self.write_session(id, out.freeze().into());
            self.grant_reads(id);
        }
        if busy && way != Way::Agent {
            self.cancels.want(id);
        }
        self.release_cancellers(id);
        #[cfg(sabotage)]
        if crate::sabotage::active(crate::sabotage::Bug::FreeSeatEarly) {
            self.forget_session(id);
        }
    }

    /// The far end has not ended a session in time: it is cut, and its place given away.
    pub(super) fn end_overdue(&mut self, id: SessionId) {
        self.counters.orphans += 1;
        self.log(Level::Warn, Some(id), None, "its far end did not end it in time".into());
        self.close_session(id);
        self.forget_session(id);
    }
}
