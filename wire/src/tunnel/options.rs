//! Options of `hello` and `welcome` (`docs/protocol.md`, 2.4): where later releases say more.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Fault, Field};
use crate::limits::{TUNNEL_NAME_BYTES_MAX, TUNNEL_OPTIONS_BYTES_MAX};

const KEY_NAME: u8 = 1;
const KEY_INSTANCE: u8 = 2;
const KEY_PARK_TTL: u8 = 3;
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
        let mut out = BytesMut::new();
        put_text(&mut out, KEY_NAME, name);
        Self(out.freeze())
    }

    /// An agent's options: name and release; the instance, which names it across restarts; and
    /// for how many milliseconds it holds parked streams without a link. Texts above
    /// [`TUNNEL_NAME_BYTES_MAX`] are cut at a character.
    #[must_use]
    pub fn agent(name: &str, instance: &str, park_ttl_ms: u32) -> Self {
        let mut out = BytesMut::new();
        put_text(&mut out, KEY_NAME, name);
        put_text(&mut out, KEY_INSTANCE, instance);
        put(&mut out, KEY_PARK_TTL, &park_ttl_ms.to_be_bytes());
        Self(out.freeze())
    }

    /// The sender's name and release, if it gave one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        std::str::from_utf8(self.value(KEY_NAME)?).ok()
    }

    /// What names an agent across restarts, if it gave it.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        std::str::from_utf8(self.value(KEY_INSTANCE)?).ok()
    }

    /// Milliseconds for which an agent holds parked streams without a link, if it said so.
    #[must_use]
    pub fn park_ttl_ms(&self) -> Option<u32> {
        Some(u32::from_be_bytes(self.value(KEY_PARK_TTL)?.try_into().ok()?))
    }

    fn value(&self, wanted: u8) -> Option<&[u8]> {
        let mut rest = self.0.as_ref();
        while let [key, high, low, after @ ..] = rest {
            let (value, next) = after.split_at_checked(length(*high, *low))?;
            if *key == wanted {
                return Some(value);
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
        KEY_NAME | KEY_INSTANCE
            if value.len() > TUNNEL_NAME_BYTES_MAX || std::str::from_utf8(value).is_err() =>
        {
            Err(Fault::MalformedOption(key))
        }
        KEY_PARK_TTL if value.len() != 4 => Err(Fault::MalformedOption(key)),
        KEYS_CRITICAL.. => Err(Fault::UnknownOption(key)),
        _ => Ok(()),
    }
}

fn put_text(out: &mut BytesMut, key: u8, text: &str) {
    let end = text.floor_char_boundary(TUNNEL_NAME_BYTES_MAX);
    put(out, key, text.get(..end).unwrap_or_default().as_bytes());
}

fn put(out: &mut BytesMut, key: u8, value: &[u8]) {
    out.put_u8(key);
    out.put_u16(u16::try_from(value.len()).unwrap_or_default());
    out.put_slice(value);
}

fn length(high: u8, low: u8) -> usize {
    u16::from_be_bytes([high, low]).into()
}

const fn too_long(actual: usize) -> Fault {
    Fault::Size { actual, min: 0, max: TUNNEL_OPTIONS_BYTES_MAX }
}
