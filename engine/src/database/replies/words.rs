//! The words of [`super::Replies`]: what was sent, what is known of it, what a reply means, and what
//! became of statements and names.

use std::sync::Arc;

use bytes::Bytes;

use crate::database::speaker::Unnamed;
use crate::sql::Facts;
use crate::statements::StatementId;

/// What was sent, and so what must come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expect {
    Parse,
    Bind,
    DescribeStatement,
    DescribePortal,
    Execute,
    Close,
    Sync,
    Query,
    Function,
    /// `CopyDone` or `CopyFail`: answers nothing, but ends what swallows a Sync.
    CopyEnd,
    /// Not sent: its reply is made here.
    Made(Made),
    /// A Flush: what is made before it must not wait for more.
    Flush,
}

/// A reply made here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Made {
    ParseComplete,
    CloseComplete,
}

impl Expect {
    pub(super) fn is_sent(self) -> bool {
        !matches!(self, Self::Made(_) | Self::Flush | Self::CopyEnd)
    }

    /// True if a ready point answers it.
    pub(crate) fn is_answered_by_ready(self) -> bool {
        matches!(self, Self::Sync | Self::Query | Self::Function)
    }
}

/// What else is known of a message sent.
#[derive(Debug, Default)]
pub(crate) enum Note {
    #[default]
    Nothing,
    /// The client did not send it, and must not see its replies.
    Ours,
    /// A `Parse` of the statement with this number that the client did not send.
    Prepares { number: u64 },
    /// A `Parse` of the client, with the name that it gave, and the statement's number, if the
    /// session does not have it yet.
    Names { name: Bytes, id: StatementId, number: Option<u64> },
    /// A `Parse` of the client without a name, with what was its unnamed statement before; or a
    /// `Close` of it.
    Unnamed { before: Unnamed, number: Option<u64> },
    /// A `Query` of the client, which ends its unnamed statement, and what its text shows.
    Asks { before: Unnamed, facts: Option<Arc<Facts>> },
    /// A `Close` of the client.
    Closes { name: Bytes, id: StatementId },
    /// A `Close` of ours, to make room on the session.
    Evicts { number: u64 },
    /// A `Bind` of a statement that sessions keep.
    Uses(StatementId),
    /// What the SQL of the portal that it runs shows.
    Runs(Arc<Facts>),
}

impl Note {
    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::Ours | Self::Prepares { .. } | Self::Evicts { .. })
    }

    /// True if what names mean is other behind the message, as long as it does not fail.
    pub(super) fn changes_names(&self) -> bool {
        let ends_none = matches!(self, Self::Asks { before: Unnamed::None, .. });
        self.may_change_names() && !ends_none
    }

    /// True for those of which [`Note::changes_names`] is true, or may become so.
    pub(super) fn may_change_names(&self) -> bool {
        match self {
            Self::Names { .. } | Self::Closes { .. } | Self::Unnamed { .. } | Self::Asks { .. } => {
                true
            }
            Self::Nothing
            | Self::Ours
            | Self::Prepares { .. }
            | Self::Evicts { .. }
            | Self::Uses(_)
            | Self::Runs(_) => false,
        }
    }

    /// The unnamed statement that the message is to replace.
    pub(super) fn replaces(&mut self) -> Option<&mut Unnamed> {
        if let Self::Unnamed { before, .. } | Self::Asks { before, .. } = self {
            Some(before)
        } else {
            None
        }
    }
}

/// What became of statements and of their names.
#[derive(Debug)]
pub(crate) enum Settled {
    /// The session has it.
    Prepared(u64),
    /// The session does not have it.
    NotPrepared(u64),
    /// The client's name for it never came to be.
    NotNamed(Bytes, StatementId),
    /// What was the client's unnamed statement is forgotten.
    Replaced(Unnamed),
    /// What was the client's unnamed statement still is.
    NotReplaced(Unnamed),
    /// The session has it still.
    NotEvicted(u64),
    /// The client let go of it.
    Closed(StatementId),
    /// The client did not let go of it after all.
    NotClosed(Bytes, StatementId),
}

/// What a reply means.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// It answers the client.
    Part,
    /// A statement is done; what is known of the text that it is in.
    Complete(Option<Arc<Facts>>),
    /// A statement has given as many rows as were asked for, and may never be told to be complete; what
    /// is known of its text.
    Suspended(Option<Arc<Facts>>),
    /// An error; the rest of its segment is skipped.
    Error,
    /// A ready point; `last` if nothing more is to come. Of a Query, what is known of its text, if
    /// all of it ran.
    Ready { last: bool, ran: Option<Arc<Facts>> },
    /// COPY data is asked for. Its end was sent already if `supplied`; `swallowed` if the server
    /// throws away a Sync that was sent, and no other follows it.
    CopyIn { supplied: bool, swallowed: bool },
}

/// A reply and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) reply: Reply,
    /// The client must not see it.
    pub(crate) ours: bool,
    /// It answers a Query.
    pub(crate) query: bool,
}

/// The reply does not answer what was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mismatch {
    pub(crate) tag: u8,
}
