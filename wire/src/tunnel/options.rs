//! Options of `hello` and `welcome` (`docs/protocol.md`, 2.4): where later releases say more.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Fault, Field};
use crate::limits::{TUNNEL_NAME_BYTES_MAX, TUNNEL_OPTIONS_BYTES_MAX};

const KEY_NAME: u8 = 1;
/// Keys from here on must be understood by the reader.
const KEYS_CRITICAL: u8 = 128;

/// A run of options, kept as the bytes they came in; each is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(Bytes);

impl Options {
    /// Options that give the sender's name and release, for logs and status. A name above
    /// [`TUNNEL_NAME_BYTES_MAX`] is cut at a character.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let end = name.floor_char_boundary(TUNNEL_NAME_BYTES_MAX);
        let name = name.get(..end).unwrap_or_default();
        let mut out = BytesMut::new();
        out.put_u8(KEY_NAME);
        out.put_u16(u16::try_from(name.len()).unwrap_or_default());
        out.put_slice(name.as_bytes());
        Self(out.freeze())
    }

    /// The sender's name and release, if it gave one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let mut rest = self.0.as_ref();
        while let [key, high, low, after @ ..] = rest {
            let (value, next) = after.split_at_checked(length(*high, *low))?;
            if *key == KEY_NAME {
                return std::str::from_utf8(value).ok();
            }
            rest = next;
        }
        None
    }
}

impl Field for Options {
    fn put(&self, out: &mut BytesMut) -> Result<(), Fault> {
        out.put_u16(u16::try_from(self.0.len()).map_err(|_| too_long(self.0.len()))?);
        out.put_slice(&self.0);
        Ok(())
    }

    fn take(input: &mut Bytes) -> Result<Self, Fault> {
        let length = usize::from(u16::take(input)?);
        if length > TUNNEL_OPTIONS_BYTES_MAX {
            return Err(too_long(length));
        }
        if length > input.len() {
            return Err(Fault::Truncated);
        }
        let options = input.split_to(length);
        check(&options)?;
        Ok(Self(options))
    }
}

fn check(mut rest: &[u8]) -> Result<(), Fault> {
    let mut seen = [false; 256];
    while let [key, after @ ..] = rest {
        let [high, low, after @ ..] = after else { return Err(Fault::Truncated) };
        let (value, next) = after.split_at_checked(length(*high, *low)).ok_or(Fault::Truncated)?;
        if let Some(seen) = seen.get_mut(usize::from(*key))
            && std::mem::replace(seen, true)
        {
            return Err(Fault::RepeatedOption(*key));
        }
        check_value(*key, value)?;
        rest = next;
    }
    Ok(())
}

fn check_value(key: u8, value: &[u8]) -> Result<(), Fault> {
    match key {
        KEY_NAME if value.len() > TUNNEL_NAME_BYTES_MAX || std::str::from_utf8(value).is_err() => {
            Err(Fault::MalformedOption(key))
        }
        KEYS_CRITICAL.. => Err(Fault::UnknownOption(key)),
        _ => Ok(()),
    }
}

fn length(high: u8, low: u8) -> usize {
    u16::from_be_bytes([high, low]).into()
}

const fn too_long(actual: usize) -> Fault {
    Fault::Size { actual, min: 0, max: TUNNEL_OPTIONS_BYTES_MAX }
}
