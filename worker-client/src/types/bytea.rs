use bytes::{BufMut, BytesMut};

use super::column::{DecodeError, FromColumn};
use super::oid;
use super::param::{IsNull, ParamError, ToParam};

impl ToParam for [u8] {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
        out.reserve(2 + 2 * self.len());
        out.put_slice(b"\\x");
        for byte in self {
            out.put_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        Ok(IsNull::No)
    }
}

impl ToParam for Vec<u8> {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        self.as_slice().to_text(out)
    }
}

impl<const N: usize> ToParam for [u8; N] {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        self.as_slice().to_text(out)
    }
}

impl FromColumn for Vec<u8> {
    fn from_text(type_oid: u32, text: &str) -> Result<Self, DecodeError> {
        if type_oid != oid::BYTEA {
            return Err(DecodeError::type_mismatch(type_oid, "Vec<u8>", "bytea"));
        }
        decode(text).ok_or_else(|| DecodeError::malformed(type_oid))
    }
}

/// Reads either format of `bytea_output`.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let Some(hex) = text.strip_prefix("\\x") else { return decode_escape(text.as_bytes()) };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    hex.as_bytes()
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

fn decode_escape(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    loop {
        text = match text {
            [] => return Some(decoded),
            [b'\\', b'\\', rest @ ..] => {
                decoded.push(b'\\');
                rest
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                decoded.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest
            }
            [b'\\', ..] => return None,
            [byte, rest @ ..] => {
                decoded.push(*byte);
                rest
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::param::text;
    use super::*;

    #[test]
    fn there_and_back() {
        let all: Vec<u8> = (0..=255).collect();
        let text = text(&all).unwrap();
        assert!(text.starts_with("\\x000102") && text.ends_with("feff"));
        assert_eq!(Vec::<u8>::from_text(oid::BYTEA, &text), Ok(all));
        assert_eq!(Vec::<u8>::from_text(oid::BYTEA, "\\x"), Ok(vec![]));
        assert_eq!(Vec::<u8>::from_text(oid::BYTEA, ""), Ok(vec![]));
    }

    #[test]
    fn the_escape_format_is_read_too() {
        let decoded = Vec::<u8>::from_text(oid::BYTEA, "a\\\\\\000\\377");
        assert_eq!(decoded, Ok(vec![b'a', b'\\', 0, 255]));
    }

    #[test]
    fn malformed_bytes_are_errors() {
        for bad in ["\\x0", "\\x0g", "\\", "\\9", "\\400"] {
            assert!(Vec::<u8>::from_text(oid::BYTEA, bad).is_err(), "{bad}");
        }
        assert!(Vec::<u8>::from_text(25, "\\x00").is_err());
    }
}
