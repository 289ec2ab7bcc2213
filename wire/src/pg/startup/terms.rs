//! The terms packet: what whoever opened a socket inside the Worker says ahead of the client.

use bytes::{BufMut, BytesMut};

use super::{HEADER, REQUEST, StartUpError, TERMS};
use crate::limits::CALLER_BYTES_MAX;

const KEY_CALLER: u8 = 1;
/// Keys from here on must be understood by the reader.
const KEYS_CRITICAL: u8 = 128;
const KEY_MODE: u8 = 128;

/// How long a socket holds a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Mode {
    /// For a transaction at a time.
    #[default]
    Transaction,
    /// From its start-up to its end: for migrations, `LISTEN`, and whatever else needs a session
    /// of its own.
    Session,
}

impl Mode {
    /// The mode that is written so, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Transaction, Self::Session].into_iter().find(|mode| mode.name() == name)
    }

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Session => "session",
        }
    }
}

/// Who a client is and what it may do, as the one says who let it in; the default says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TermsPacket<'a> {
    /// The authenticated class of the client, at most [`CALLER_BYTES_MAX`] bytes.
    pub caller: Option<&'a str>,
    /// The mode, which the client may not choose then.
    pub mode: Option<Mode>,
}

impl<'a> TermsPacket<'a> {
    /// The whole packet. The caller's name is cut if it is too long.
    #[must_use]
    pub fn encode(&self) -> BytesMut {
        let mut out = BytesMut::new();
        out.put_u32(0);
        out.put_u16(REQUEST);
        out.put_u16(TERMS);
        if let Some(caller) = self.caller {
            put_option(
                &mut out,
                KEY_CALLER,
                crate::envelope::cut(caller, CALLER_BYTES_MAX).as_bytes(),
            );
        }
        if let Some(mode) = self.mode {
            put_option(&mut out, KEY_MODE, &[u8::from(mode == Mode::Session)]);
        }
        let length = u32::try_from(out.len()).unwrap_or(u32::MAX);
        if let Some(field) = out.first_chunk_mut() {
            *field = length.to_be_bytes();
        }
        debug_assert!(out.len() >= HEADER, "a header is there");
        out
    }

    /// Reads what follows the packet's code.
    pub(super) fn parse(mut body: &'a [u8]) -> Result<Self, StartUpError> {
        let mut terms = Self::default();
        let mut seen = [false; 256];
        while let Some((&key, rest)) = body.split_first() {
            let malformed = StartUpError::Terms { key };
            let (length, rest) = rest.split_first_chunk().ok_or(malformed)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (value, rest) = rest.split_at_checked(length).ok_or(malformed)?;
            body = rest;
            let twice = seen.get_mut(usize::from(key)).is_none_or(|s| std::mem::replace(s, true));
            match (key, value) {
                _ if twice => return Err(malformed),
                (KEY_CALLER, name) if name.len() <= CALLER_BYTES_MAX => {
                    terms.caller = Some(std::str::from_utf8(name).map_err(|_| malformed)?);
                }
                (KEY_MODE, [0]) => terms.mode = Some(Mode::Transaction),
                (KEY_MODE, [1]) => terms.mode = Some(Mode::Session),
                (KEY_CALLER | KEYS_CRITICAL.., _) => return Err(malformed),
                _ => {}
            }
        }
        Ok(terms)
    }
}

fn put_option(out: &mut BytesMut, key: u8, value: &[u8]) {
    out.put_u8(key);
    out.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
    out.put_slice(value);
}
