//! What a session gets in place of what its client sent.

use bytes::BytesMut;
use pierhead_wire::pg::frontend;
use pierhead_wire::pg::scan::Message;

use super::{Malformed, Translator, facts_of};
use crate::database::refused::{self, Refused};
use crate::database::replies::{Expect, Note};
use crate::sql::{Deallocate, Facts};

/// Sent in place of a `DEALLOCATE` of a name that only its client knows: allowed where that is, and
/// its tag is replaced on the way back.
pub(super) const HARMLESS: &[u8] = b"SET pierhead.deallocated TO ''";

/// No parameters, as a `Parse` says it.
const NO_TYPES: &[u8] = b"\0\0";

impl Translator<'_> {
    /// True for a `DEALLOCATE` of a name that is the client's own: the session does not know it.
    pub(super) fn drops_own_name(&self, facts: &Facts) -> bool {
        let Some(Deallocate::Name(name)) = &facts.deallocate else { return false };
        self.speaker.names.get(name).is_some()
    }

    /// Binds something that does nothing in place of what the client binds.
    pub(super) fn bind_harmless(&mut self, message: &Message<&[u8]>) -> Result<(), Malformed> {
        let Ok(id) = self.library.interned.intern(HARMLESS, NO_TYPES, facts_of) else {
            self.fail(&refused::too_many_statements());
            return Ok(());
        };
        self.ensure(id);
        let name = self.library.interned.name(id);
        let rest = self.out.write(|out| frontend::rename_bind(message, name.as_bytes(), out));
        self.library.interned.release(id);
        self.out.push(rest.ok_or(Malformed("a malformed Bind"))?);
        self.talk.sent(Expect::Bind, Note::Nothing);
        Ok(())
    }

    /// Lets the database itself fail the client's request, with an error of ours: so its
    /// transaction fails as it would with one of the database's own.
    pub(super) fn fail(&mut self, refused: &Refused) {
        let mut bytes = BytesMut::new();
        refused.extended(&mut bytes);
        self.out.write(|out| out.extend_from_slice(&bytes));
        self.talk.unnamed_here = false;
        self.talk.unnamed_used = true;
        // What is parsed behind it, the server skips.
        self.talk.forgets = true;
        for expect in [Expect::Parse, Expect::Bind, Expect::Execute] {
            self.talk.sent(expect, Note::Ours);
        }
    }
}
