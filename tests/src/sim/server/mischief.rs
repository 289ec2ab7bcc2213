//! What a server must not do.

use super::backend::Backend;
use super::database::Database;
use crate::sim::message::{put, put_cstr, put_report};

/// Ways of a server to go wrong, each of which costs it its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mischief {
    /// A `ReadyForQuery` nobody asked for.
    ExtraReady,
    /// A `CommandComplete` nobody asked for.
    ExtraComplete,
    /// A row nobody asked for.
    ExtraRow,
    /// An error nobody asked for.
    ExtraError,
    /// A message of a type that does not exist.
    UnknownType,
    /// A message of a type that answers nothing any client may ask.
    WrongType,
    /// A length that cannot be.
    BadLength,
    /// Half of a message, then the end.
    HalfMessage,
}

impl Mischief {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ExtraReady,
        Self::ExtraComplete,
        Self::ExtraRow,
        Self::ExtraError,
        Self::UnknownType,
        Self::WrongType,
        Self::BadLength,
        Self::HalfMessage,
    ];
}

impl Backend {
    /// Does something no server may do.
    pub fn misbehave(&mut self, db: &mut Database, mischief: Mischief) {
        let out = self.urgent_output();
        match mischief {
            Mischief::ExtraReady => put(out, b'Z', |out| out.push(b'I')),
            Mischief::ExtraComplete => put(out, b'C', |out| put_cstr(out, "SELECT 1")),
            Mischief::ExtraRow => put(out, b'D', |out| out.extend([0, 0])),
            Mischief::ExtraError => put_report(out, b'E', "ERROR", "XX000", "out of nowhere"),
            Mischief::UnknownType => put(out, 0xf7, |out| out.extend([1, 2, 3])),
            Mischief::WrongType => put(out, b'V', |out| out.extend(u32::MAX.to_be_bytes())),
            Mischief::BadLength => out.extend([b'C', 0, 0, 0, 2, 0]),
            Mischief::HalfMessage => {
                out.extend([b'C', 0, 0, 0, 40, b'S', b'E']);
                self.end(db);
            }
        }
    }
}
