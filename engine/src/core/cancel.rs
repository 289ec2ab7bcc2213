//! Cancelling what an abandoned session still does.
//!
//! A session that is cancelled is ending and never serves again, so a cancel that arrives late or
//! twice hits nobody.
//!
//! ```text
//! wanted ──slot free──▶ Opening ──▶ (TlsByte ──▶ Securing ──▶) Sent ──▶ stream ended: done
//! ```

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use postgres_protocol::message::frontend;

use crate::core::{Carrier, Engine};
use crate::ids::{SessionId, StreamId};
use crate::io::Output;
use crate::limits::{END_TIMEOUT, READ_WINDOW};
use crate::pool::session::State;
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
    /// Begins the next cancel if none is in flight.
    pub(super) fn pump_cancels(&mut self) {
        while self.cancels.current.is_none() {
            let Some(id) = self.cancels.wanted.pop_front() else { return };
            let Some(session) = self.sessions.get(&id) else { continue };
            if !matches!(session.state(), State::Ending { .. }) {
                continue;
            }
            let way = session.way;
            let Some(key) = &session.cancel_key else { continue };
            let request = key.request();
            let stream = StreamId(self.next_id());
            self.cancels.current = Some(Cancel { stream, way, stage: Stage::Opening, request });
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
        self.write(stream, vec![bytes]);
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
            self.write(stream, vec![request]);
        }
    }

    /// The stream of a cancel has ended: the server has acted on it, or never will.
    pub(super) fn cancel_ended(&mut self, stream: StreamId) {
        if self.current_cancel(stream).is_some() {
            self.cancels.current = None;
            self.timers.clear(Target::Pool, Reason::EndDeadline);
        }
        self.streams.remove(&stream);
    }

    /// Gives up the cancel in flight.
    pub(super) fn cut_cancel(&mut self) {
        if let Some(cancel) = self.cancels.current.take() {
            self.streams.remove(&cancel.stream);
            self.timers.clear(Target::Pool, Reason::EndDeadline);
            self.outputs.push_back(Output::CloseStream { stream: cancel.stream });
        }
    }

    fn current_cancel(&mut self, stream: StreamId) -> Option<&mut Cancel> {
        self.cancels.current.as_mut().filter(|c| c.stream == stream)
    }
}
