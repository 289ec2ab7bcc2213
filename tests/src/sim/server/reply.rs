//! Writes the replies of the server.

use std::borrow::Cow;

use super::command::Columns;
use crate::sim::message::{put, put_cstr};

/// Why something failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Failure {
    pub(super) sqlstate: Cow<'static, str>,
    pub(super) text: &'static str,
    /// The routine of the server that noticed it, where clients look at it.
    pub(super) routine: Option<&'static str>,
}

impl Failure {
    pub(super) fn new(sqlstate: impl Into<Cow<'static, str>>, text: &'static str) -> Self {
        Self { sqlstate: sqlstate.into(), text, routine: None }
    }

    /// Writes it as an error.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put(out, b'E', |out| {
            let routine = self.routine.map(|routine| (b'R', routine));
            let fields =
                [(b'S', "ERROR"), (b'V', "ERROR"), (b'C', &*self.sqlstate), (b'M', self.text)];
            for (key, value) in fields.into_iter().chain(routine) {
                out.push(key);
                put_cstr(out, value);
            }
            out.push(0);
        });
    }
}

/// Writes the description of the columns there are.
pub(super) fn describe(columns: Columns, format: u16, out: &mut Vec<u8>) {
    match columns {
        Columns::NoRows => put(out, b'n', |_| {}),
        Columns::Zero => put(out, b'T', |out| out.extend([0, 0])),
        Columns::One => put(out, b'T', |out| {
            out.extend(1u16.to_be_bytes());
            put_cstr(out, "value");
            out.extend(0u32.to_be_bytes());
            out.extend(0u16.to_be_bytes());
            out.extend(25u32.to_be_bytes());
            out.extend(u16::MAX.to_be_bytes());
            out.extend(u32::MAX.to_be_bytes());
            out.extend(format.to_be_bytes());
        }),
    }
}

/// Writes one row of one column.
pub(super) fn row(value: Option<&[u8]>, out: &mut Vec<u8>) {
    put(out, b'D', |out| {
        out.extend(1u16.to_be_bytes());
        match value {
            Some(value) => {
                out.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
                out.extend_from_slice(value);
            }
            None => out.extend(u32::MAX.to_be_bytes()),
        }
    });
}

/// Writes a `CommandComplete`.
pub(super) fn complete(tag: &str, out: &mut Vec<u8>) {
    put(out, b'C', |out| put_cstr(out, tag));
}

/// Writes a `CopyInResponse` (`G`) or `CopyOutResponse` (`H`) for one column of text.
pub(super) fn copy_begins(kind: u8, out: &mut Vec<u8>) {
    put(out, kind, |out| out.extend([0, 0, 1, 0, 0]));
}
