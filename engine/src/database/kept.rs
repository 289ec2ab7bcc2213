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
use pierhead_wire::pg::scan::{Direction, Message, Piece, Scanner};
use pierhead_wire::pg::tag::frontend as tag;

use crate::limits::{KEPT_BYTES_MAX, SPARE_BYTES_MAX};

/// The first messages of a lease, as the client sent them.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    on: bool,
    /// One behind the other.
    bytes: Vec<u8>,
    /// In place of those, a request that is kept as it came.
    request: Bytes,
}

impl Kept {
    /// From here on messages are kept, behind those that are already.
    pub(crate) fn begin(&mut self) {
        self.on = true;
    }

    /// A whole request is kept.
    pub(crate) fn begin_with(&mut self, request: &Bytes) {
        self.stop();
        if request.len() <= KEPT_BYTES_MAX {
            self.on = true;
            self.request = request.clone();
        }
    }

    /// True if everything that was sent since the beginning is kept.
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// Nothing need be kept any more.
    #[inline]
    pub(crate) fn stop(&mut self) {
        if self.on {
            self.on = false;
            self.bytes.clear();
            self.bytes.shrink_to(SPARE_BYTES_MAX);
            self.request = Bytes::new();
        }
    }

    /// Notes a message, if messages are kept and this one can be.
    pub(crate) fn note(&mut self, piece: &Piece<&[u8]>) {
        match piece {
            Piece::Message(message) if self.bytes.len() + message.raw.len() <= KEPT_BYTES_MAX => {
                self.bytes.extend_from_slice(message.raw);
            }
            Piece::Message(_) | Piece::Bulk { .. } => self.stop(),
        }
    }

    /// True if the broken plan of the statement that is bound first can be cured: nothing but what
    /// prepares it comes before, its rows are described, and nothing comes behind the one `Sync`.
    pub(crate) fn is_curable(&self) -> bool {
        let scanner = Scanner::new(Direction::Frontend);
        let mut rest = if self.request.is_empty() { &self.bytes } else { &self.request[..] };
        let (mut bound, mut described) = (false, false);
        while let Some(piece) = scanner.next_whole(&mut rest) {
            let Piece::Message(message) = piece else { return false };
            match message.tag {
                tag::BIND => bound = true,
                tag::SYNC => return self.on && bound && described && rest.is_empty(),
                tag::PARSE => {}
                _ if !bound => return false,
                _ => {}
            }
            described |= message.tag == tag::DESCRIBE;
        }
        false
    }

    /// The messages, to be sent again.
    pub(crate) fn messages(&self) -> Bytes {
        if self.request.is_empty() {
            Bytes::copy_from_slice(&self.bytes)
        } else {
            self.request.clone()
        }
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
