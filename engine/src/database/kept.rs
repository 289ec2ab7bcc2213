//! What was sent first on a lease, kept until something of its answer was passed on, because it may
//! have to be sent again: on another session, if not a byte of it reached the database; or on the
//! same one, to cure a plan that a migration broke. Then the statement is prepared again under
//! another name and its segment runs again: the protocol proves that nothing of it was executed.
//!
//! A cure must be one that nobody can tell: the session was idle, the statement is the segment's
//! first, and the client asks for the row description in the same segment, so that it cannot hold
//! on to one of the broken plan.

use bytes::Bytes;
use pierhead_wire::pg::errors::ErrorFields;
use pierhead_wire::pg::scan::{Message, Piece};
use pierhead_wire::pg::tag::frontend as tag;

use crate::limits::{KEPT_BYTES_MAX, SPARE_BYTES_MAX};
use crate::statements::StatementId;

/// The first messages of a lease, as the client sent them.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    on: bool,
    /// One behind the other.
    bytes: Vec<u8>,
    /// The statement that the first Bind names, if nothing but its Parse came before.
    statement: Option<StatementId>,
    /// Something else than a Parse came before the last message.
    mixed: bool,
    last: u8,
    described: bool,
    syncs: usize,
    after_sync: bool,
}

impl Kept {
    /// From here on messages are kept, behind those that are already.
    pub(crate) fn begin(&mut self) {
        self.on = true;
    }

    /// True if everything that was sent since the beginning is kept.
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// Nothing need be kept any more.
    pub(crate) fn stop(&mut self) {
        if self.on {
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.clear();
            bytes.shrink_to(SPARE_BYTES_MAX);
            *self = Self { bytes, ..Self::default() };
        }
    }

    /// Notes a message, if messages are kept and this one can be.
    pub(crate) fn note(&mut self, piece: &Piece<&[u8]>) {
        let Piece::Message(message) = piece else { return self.stop() };
        if !self.on || self.bytes.len() + message.raw.len() > KEPT_BYTES_MAX {
            return self.stop();
        }
        self.bytes.extend_from_slice(message.raw);
        self.mixed |= !matches!(self.last, 0 | tag::PARSE);
        self.last = message.tag;
        self.after_sync |= self.syncs > 0;
        self.described |= message.tag == tag::DESCRIBE;
        self.syncs += usize::from(message.tag == tag::SYNC);
    }

    /// Notes what the message noted last binds.
    pub(crate) fn binds(&mut self, statement: StatementId) {
        if self.on && self.statement.is_none() && !self.mixed {
            self.statement = Some(statement);
        }
    }

    /// The statement whose broken plan can be cured now.
    pub(crate) fn curable(&self) -> Option<StatementId> {
        let whole = self.on && self.described && self.syncs == 1 && !self.after_sync;
        self.statement.filter(|_| whole)
    }

    /// The messages, to be sent again.
    pub(crate) fn messages(&self) -> Bytes {
        Bytes::copy_from_slice(&self.bytes)
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
