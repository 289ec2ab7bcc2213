//! Cancelling what a session does.
//!
//! A session with a cancel on its way is fenced: it is handed on only when the cancel is proved to
//! be over, and ended if that cannot be proved. So a cancel that arrives late hits nobody.
//!
//! ```text
//! wanted ──slot free──▶ Opening ──▶ (TlsByte ──▶ Securing ──▶) Sent ──▶ stream ended: done
//! ```

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use postgres_protocol::message::frontend;

use crate::core::{Carrier, Engine};
use crate::ids::{ClientId, SessionId, StreamId};
use crate::io::Output;
use crate::limits::{CANCELLERS_MAX, END_TIMEOUT, READ_WINDOW};
use crate::pool::session::{Fence, State};
use crate::pool::timers::Target;
use crate::settings::Way;
use crate::time::Reason;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Opening,
    TlsByte,
    Securing,
    Sent,
}

#[derive(Debug)]
struct Cancel {
    session: SessionId,
    stream: StreamId,
    way: Way,
    stage: Stage,
    request: Bytes,
}

/// Cancels to come and the one in flight. At most one for each session of the pool.
#[derive(Debug, Default)]
pub(super) struct Cancels {
    wanted: VecDeque<SessionId>,
    current: Option<Cancel>,
}

impl Cancels {
    pub(super) fn want(&mut self, id: SessionId) {
        self.wanted.push_back(id);
    }

    /// The session is gone; nothing of it runs any more.
    pub(super) fn forget(&mut self, id: SessionId) {
        self.wanted.retain(|&other| other != id);
    }
}

impl Engine {
    /// Cancels what a session runs for its client. False if it runs nothing. The socket that asked
    /// for it, if one did, is closed when the cancel is over.
    pub(super) fn cancel_running(&mut self, id: SessionId, canceller: Option<ClientId>) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        let runs = session.talk().is_some_and(|talk| !talk.is_quiet() && !talk.trying);
        if !runs || session.cancel_key.is_none() {
            return false;
        }
        match canceller {
            Some(_) if session.cancellers.len() >= CANCELLERS_MAX => return false,
            Some(canceller) => session.cancellers.push(canceller),
            None => {}
        }
        if matches!(session.fence, Fence::Open | Fence::Unproved) {
            self.ask_for_cancel(id);
        }
        true
    }

    /// Begins to cancel what an abandoned session runs, if its end can be proved. False if not.
    pub(super) fn begin_cancel(&mut self, id: SessionId) -> bool {
        let Some(session) = self.sessions.get(&id) else { return false };
        if session.way == Way::Cloudflared || session.cancel_key.is_none() {
            return false;
        }
        if session.fence == Fence::Open {
            self.ask_for_cancel(id);
        }
        true
    }

    fn ask_for_cancel(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.fence = match session.way {
            Way::Agent => match self.links.cancel(session.stream) {
                Some(request) => {
                    self.counters.cancels += 1;
                    Fence::Asked(request)
                }
                None => Fence::Unproved,
            },
            Way::Direct | Way::Cloudflared => {
                self.cancels.want(id);
                Fence::Wanted
            }
        };
    }

    /// A cancel that was not begun is not needed any more.
    pub(super) fn forget_wanted_cancel(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.fence == Fence::Wanted {
            self.cancels.forget(id);
            self.fence_opened(id, true);
        }
    }

    /// Begins the next cancel if none is in flight.
    pub(super) fn pump_cancels(&mut self) {
        while self.cancels.current.is_none() {
            let Some(id) = self.cancels.wanted.pop_front() else { return };
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            let ending = matches!(session.state(), State::Ending { .. });
            if !ending && session.fence != Fence::Wanted {
                continue;
            }
            let way = session.way;
            let Some(key) = &session.cancel_key else { continue };
            let request = key.request();
            session.fence = Fence::Sent;
            let stream = StreamId(self.next_id());
            let stage = Stage::Opening;
            self.cancels.current = Some(Cancel { session: id, stream, way, stage, request });
            self.streams.insert(stream, Carrier::Cancel);
            self.timers.set(Target::Pool, Reason::EndDeadline, self.now + END_TIMEOUT);
            self.counters.cancels += 1;
            self.outputs.push_back(Output::OpenStream { stream, way });
        }
    }

    pub(super) fn cancel_opened(&mut self, stream: StreamId) {
        let Some(way) = self.current_cancel(stream).map(|c| c.way) else { return };
        let tls = self.settings.start_tls_by(way);
        let Some(cancel) = self.current_cancel(stream) else { return };
        let bytes = if tls {
            cancel.stage = Stage::TlsByte;
            let mut out = BytesMut::new();
            frontend::ssl_request(&mut out);
            out.freeze()
        } else {
            cancel.stage = Stage::Sent;
            cancel.request.clone()
        };
        if way.holds_back() {
            self.outputs.push_back(Output::Grant { stream, bytes: READ_WINDOW });
        }
        self.write(stream, bytes.into());
    }

    pub(super) fn cancel_data(&mut self, stream: StreamId, bytes: &[u8]) {
        let Some(cancel) = self.current_cancel(stream) else { return };
        if cancel.stage == Stage::TlsByte && bytes == b"S" {
            cancel.stage = Stage::Securing;
            self.outputs.push_back(Output::StartTls { stream });
        } else {
            self.cut_cancel();
        }
    }

    pub(super) fn cancel_secured(&mut self, stream: StreamId) {
        let Some(cancel) = self.current_cancel(stream) else { return };
        if cancel.stage == Stage::Securing {
            cancel.stage = Stage::Sent;
            let request = cancel.request.clone();
            self.write(stream, request.into());
        }
    }

    /// The stream of a cancel has ended; if in order, the server has acted on it.
    pub(super) fn cancel_ended(&mut self, stream: StreamId, orderly: bool) {
        self.streams.remove(&stream);
        if self.current_cancel(stream).is_none() {
            return;
        }
        self.timers.clear(Target::Pool, Reason::EndDeadline);
        if let Some(cancel) = self.cancels.current.take() {
            let proved = orderly || cancel.stage != Stage::Sent;
            self.fence_opened(cancel.session, proved);
        }
    }

    /// Gives up the cancel in flight.
    pub(super) fn cut_cancel(&mut self) {
        if let Some(cancel) = self.cancels.current.take() {
            self.streams.remove(&cancel.stream);
            self.timers.clear(Target::Pool, Reason::EndDeadline);
            self.outputs.push_back(Output::CloseStream { stream: cancel.stream });
            self.fence_opened(cancel.session, cancel.stage != Stage::Sent);
        }
    }

    fn current_cancel(&mut self, stream: StreamId) -> Option<&mut Cancel> {
        self.cancels.current.as_mut().filter(|c| c.stream == stream)
    }
}
