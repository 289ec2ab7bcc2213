//! How sockets end, and how they are refused something without ending.

use bytes::{Bytes, BytesMut};
use pierhead_wire::envelope::SqlState;
use pierhead_wire::pg::backend::{self, Report, Severity};
use pierhead_wire::pg::scan::Piece;
use pierhead_wire::pg::tag::frontend as tag;

use crate::core::Engine;
use crate::failure::Failure;
use crate::ids::ClientId;
use crate::io::Output;
use crate::pool::client::{Client, Kind, Place};
use crate::pool::places::Move;
use crate::pool::session::Why;
use crate::pool::socket::Stage;
use crate::pool::timers::Target;

impl Engine {
    /// Answers what a socket's client asked for with an error of ours: nothing of it was sent.
    pub(super) fn refuse_socket(&mut self, id: ClientId, failure: &Failure) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Kind::Socket(socket) = &mut client.kind else { return };
        if !matches!(socket.stage, Stage::Open) {
            return self.kill_socket(id, failure, Why::ClientWrong);
        }
        if client.place == Place::Waiting {
            client.enter(Place::Resting, Move::Refused);
            self.waiters.remove(client.class, id);
        }
        // What the client sent behind it has waited as long.
        loop {
            let Some(socket) = self.clients.get_mut(&id).and_then(Client::socket_mut) else {
                return;
            };
            socket.say(report(Severity::Error, failure));
            socket.skips = true;
            self.skip_to_sync(id);
            let Some(socket) = self.clients.get(&id).and_then(Client::socket) else { return };
            let one = matches!(failure, Failure::GaveUp { .. });
            if one || socket.skips || socket.inbox.wants() == 0 || socket.is_leaving() {
                break;
            }
        }
        self.flush_socket(id);
        self.drive_socket(id);
    }

    /// Throws away what follows an error of ours, up to the message that ends its segment.
    pub(super) fn skip_to_sync(&mut self, id: ClientId) {
        let Some(Kind::Socket(socket)) = self.clients.get_mut(&id).map(|c| &mut c.kind) else {
            return;
        };
        let mut extended = false;
        while let Some(piece) = socket.inbox.peek() {
            if matches!(piece, Piece::Message(m) if m.tag == tag::PASSWORD) {
                return self.break_socket(id, "a password that nobody asked for");
            }
            let (ends, leaves) = match piece {
                // A Query that follows a message without Sync is thrown away with it; one that
                // follows data of a COPY that never began is not.
                Piece::Message(m) if matches!(m.tag, tag::QUERY | tag::FUNCTION_CALL) => {
                    (!extended, false)
                }
                Piece::Message(m) => (m.tag == tag::SYNC, m.tag == tag::TERMINATE),
                Piece::Bulk { .. } => (false, false),
            };
            if leaves {
                socket.skips = false;
                break;
            }
            extended |= matches!(piece, Piece::Message(m)
                if !matches!(m.tag, tag::COPY_DONE | tag::COPY_FAIL));
            socket.inbox.skip();
            if ends {
                let mut out = BytesMut::new();
                backend::ready_for_query(b'I', &mut out);
                socket.say(out.freeze());
                socket.skips = false;
                break;
            }
        }
        self.count_client(id);
        self.flush_socket(id);
    }

    /// The client asked for the end, in order.
    pub(super) fn socket_left(&mut self, id: ClientId) {
        self.close_socket(id, Why::ClientLeft);
    }

    /// The client does not follow the protocol.
    pub(super) fn break_socket(&mut self, id: ClientId, what: &str) {
        let failure = Failure::Invalid { sqlstate: SqlState::MALFORMED, message: what.into() };
        self.kill_socket(id, &failure, Why::ClientWrong);
    }

    /// Tells the client why it is over, and ends it.
    pub(super) fn kill_socket(&mut self, id: ClientId, failure: &Failure, why: Why) {
        let Some(Kind::Socket(socket)) = self.clients.get_mut(&id).map(|c| &mut c.kind) else {
            return;
        };
        // Inside a message of the database there is no room for one of ours.
        if !socket.told && !socket.mid_message {
            socket.say(report(Severity::Fatal, failure));
        }
        self.close_socket(id, why);
    }

    /// Ends a socket after what is on its way to it.
    pub(super) fn close_socket(&mut self, id: ClientId, why: Why) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let session = client.session();
        let Kind::Socket(socket) = &mut client.kind else { return };
        let bytes = socket.take_out();
        if !bytes.is_empty() {
            self.write_client(id, bytes);
        }
        self.outputs.push_back(Output::CloseSocket { client: id });
        self.forget_socket(id);
        if let Some(session) = session {
            self.abandon(session, why);
        }
    }

    /// Nothing more is owed to a socket's client, nor expected of it.
    pub(super) fn forget_socket(&mut self, id: ClientId) {
        let Some(mut client) = self.clients.remove(&id) else { return };
        self.timers.clear_all(Target::Client(id));
        self.leave_class(client.class);
        self.starved.remove(&id);
        self.greeters.retain(|&other| other != id);
        if client.place == Place::Waiting {
            self.waiters.remove(client.class, id);
        }
        let Kind::Socket(socket) = &mut client.kind else { return };
        self.sockets = self.sockets.saturating_sub(1);
        self.request_bytes = self.request_bytes.saturating_sub(socket.counted.0);
        self.client_bytes = self.client_bytes.saturating_sub(socket.counted.1);
        self.answer_bytes = self.answer_bytes.saturating_sub(socket.held());
        socket.speaker.clear(&mut self.library.interned);
        if socket.pinned.is_some() {
            self.pinned = self.pinned.saturating_sub(1);
        }
        if let Some(key) = socket.key {
            self.by_key.remove(&key);
        }
    }
}

/// An error of ours, as the database would report it.
pub(super) fn report(severity: Severity, failure: &Failure) -> Bytes {
    let outcome = failure.outcome();
    let mut out = BytesMut::new();
    let report = Report {
        severity,
        sqlstate: outcome.sqlstate,
        message: &outcome.message,
        detail: "",
        hint: &outcome.hint,
    };
    backend::error_response(&report, &mut out);
    out.freeze()
}
