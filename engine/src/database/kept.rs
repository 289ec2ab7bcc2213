//! What was sent first on a lease, kept until something of its answer was passed on, because it may
//! have to be sent again: on another session, if not a byte of it reached the database; or on the
//! same one, to cure a plan that a migration broke. Then the statement is prepared again under
//! another name and its segment runs again: the protocol proves that nothing of it was executed.
//!
//! A cure must be one that nobody can tell: the session was idle, the statement is the segment's
//! first, and the client asks for the row description in the same segment, so that it cannot hold
//! on to one of the broken plan.

use pierhead_wire::pg::errors::ErrorFields;
use pierhead_wire::pg::scan::{Message, Piece};
use pierhead_wire::pg::tag::frontend as tag;

use crate::limits::KEPT_BYTES_MAX;
use crate::statements::StatementId;

/// The first messages of a lease, as the client sent them.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pieces: Vec<Piece>,
    bytes: usize,
    /// The statement that the first Bind names, if nothing but its Parse came before.
    statement: Option<StatementId>,
    described: bool,
    syncs: usize,
    after_sync: bool,
}

impl Kept {
    /// Notes a message. False if it cannot be kept.
    pub(crate) fn note(&mut self, piece: &Piece) -> bool {
        let Piece::Message(message) = piece else { return false };
        self.bytes += message.raw.len();
        self.after_sync |= self.syncs > 0;
        self.described |= message.tag == tag::DESCRIBE;
        self.syncs += usize::from(message.tag == tag::SYNC);
        self.pieces.push(piece.clone());
        self.bytes <= KEPT_BYTES_MAX
    }

    /// Notes what the message noted last binds.
    pub(crate) fn binds(&mut self, statement: StatementId) {
        let mut before = self.pieces.iter().rev().skip(1);
        let only_parse = before.all(|p| matches!(p, Piece::Message(m) if m.tag == tag::PARSE));
        if self.statement.is_none() && only_parse {
            self.statement = Some(statement);
        }
    }

    /// The statement whose broken plan can be cured now.
    pub(crate) fn curable(&self) -> Option<StatementId> {
        let whole = self.described && self.syncs == 1 && !self.after_sync;
        self.statement.filter(|_| whole)
    }

    /// The messages, to be sent again.
    pub(crate) fn pieces(&self) -> Vec<Piece> {
        self.pieces.clone()
    }
}

/// True for the errors of a statement whose plan or name is gone. User code can raise the first,
/// so the routine that reported it decides.
pub(crate) fn is_broken_plan(error: &Message<&[u8]>) -> bool {
    let fields = ErrorFields::parse(error).unwrap_or_default();
    match fields.code.as_ref() {
        "0A000" => fields.routine == "RevalidateCachedQuery",
        "26000" => true,
        _ => false,
    }
}
