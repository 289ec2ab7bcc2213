//! Why bytes are not frames, and values not bytes.

use std::fmt;

use super::Kind;
use crate::limits::{TUNNEL_BODY_BYTES_MAX, TUNNEL_MESSAGE_BYTES_MAX};

/// Why a message is not a run of whole frames. Any of these ends the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The message holds no frame.
    Empty,
    /// The message has this many bytes, above [`TUNNEL_MESSAGE_BYTES_MAX`].
    MessageTooLong(usize),
    /// The message ends inside the header of a frame, after this many of its bytes.
    Header(usize),
    /// A body of `length` bytes is announced, above [`TUNNEL_BODY_BYTES_MAX`].
    BodyTooLong {
        /// The frame's code.
        code: u8,
        /// Bytes announced, or to be written.
        length: usize,
    },
    /// The message ends inside the body of a frame.
    Body {
        /// The frame's code.
        code: u8,
        /// Bytes announced.
        length: usize,
        /// Bytes there.
        present: usize,
    },
    /// The frame with this code must be understood, and is not.
    UnknownKind(u8),
    /// A field breaks its rule.
    Field {
        /// The frame.
        kind: Kind,
        /// The field's name.
        field: &'static str,
        /// The rule.
        fault: Fault,
    },
}

/// The rule that a field breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The frame ends inside it.
    Truncated,
    /// Its size or count.
    Size {
        /// Bytes or items there.
        actual: usize,
        /// Fewest allowed.
        min: usize,
        /// Most allowed.
        max: usize,
    },
    /// Its value is not among those allowed.
    Value(u64),
    /// It is not UTF-8.
    NotText,
    /// The option with this key must be understood, and is not.
    UnknownOption(u8),
    /// The option with this key occurs twice.
    RepeatedOption(u8),
    /// The value of the option with this key is too long or not UTF-8.
    MalformedOption(u8),
    /// This many bytes follow the last field.
    Trailing(usize),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a tunnel message without a frame"),
            Self::MessageTooLong(length) => {
                write!(f, "a tunnel message of {length} bytes, at most {TUNNEL_MESSAGE_BYTES_MAX}")
            }
            Self::Header(present) => {
                write!(f, "a tunnel message ends after {present} of a frame header's 3 bytes")
            }
            Self::BodyTooLong { code, length } => write!(
                f,
                "frame {code:#04x} with a body of {length} bytes, at most {TUNNEL_BODY_BYTES_MAX}"
            ),
            Self::Body { code, length, present } => {
                write!(f, "frame {code:#04x} ends after {present} of its body's {length} bytes")
            }
            Self::UnknownKind(code) => write!(
                f,
                "frame {code:#04x} must be understood and is not: agent and coordinator are more \
                 than one release apart, update the older one"
            ),
            Self::Field { kind, field, fault } => write!(f, "frame {kind}, field {field}: {fault}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the frame ends inside it"),
            Self::Size { actual, min, max } => {
                write!(f, "its size is {actual}, allowed are {min} to {max}")
            }
            Self::Value(value) => write!(f, "{value} is not an allowed value"),
            Self::NotText => f.write_str("it is not UTF-8"),
            Self::UnknownOption(key) => {
                write!(f, "option {key} must be understood and is not: update the older side")
            }
            Self::RepeatedOption(key) => write!(f, "option {key} occurs twice"),
            Self::MalformedOption(key) => write!(f, "the value of option {key} is malformed"),
            Self::Trailing(count) => write!(f, "{count} bytes follow the last field"),
        }
    }
}

impl std::error::Error for FrameError {}
impl std::error::Error for Fault {}
