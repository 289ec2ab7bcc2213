//! Whether a transaction block is open.

/// The transaction status of a ready point.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Transaction {
    /// `I`: none.
    #[default]
    None,
    /// `T`: a block is open.
    Open,
    /// `E`: a block is open and has failed.
    Failed,
}

impl Transaction {
    /// Reads the body of a `ReadyForQuery`.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        match body {
            b"I" => Some(Self::None),
            b"T" => Some(Self::Open),
            b"E" => Some(Self::Failed),
            _ => None,
        }
    }
}
