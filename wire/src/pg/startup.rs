//! The first packets of a client, which have a length and a code but no type byte.
//!
//! A client may ask for TLS or GSS encryption first, each answered by one byte, and asks again on
//! the same connection. Then it starts a session, or cancels what another one runs.

mod names;
mod terms;

use std::fmt;

pub use self::names::{Names, NamesError, refuse_of_the_connection, write_start};
pub use self::terms::{Mode, TermsPacket};

use crate::limits::{
    CANCEL_SECRET_BYTES_MAX, CANCEL_SECRET_BYTES_MIN, STARTUP_BYTES_MAX, STARTUP_PARAMETERS_MAX,
    TERMS_BYTES_MAX,
};

/// How the names of parameters begin that ask for something of the protocol, not of the session.
pub const PROTOCOL_OPTION_PREFIX: &str = "_pq_.";

/// Bytes of a packet's length and code.
const HEADER: usize = 8;

/// The major version that is spoken.
const MAJOR: u16 = 3;

/// Majors of this value are request codes.
const REQUEST: u16 = 1234;
const CANCEL: u16 = 5678;
const SSL: u16 = 5679;
const GSS: u16 = 5680;
/// Our own, which no client of PostgreSQL sends.
const TERMS: u16 = 0x5048;

/// What a TLS connection begins with, when the client does not ask first.
const TLS_HANDSHAKE: u8 = 0x16;

/// What a client wants of a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StartUp<'a> {
    /// TLS, if the server has it.
    SslRequest,
    /// GSS encryption, if the server has it.
    GssRequest,
    /// To cancel what the session with this key runs.
    Cancel {
        /// The key's process id.
        pid: u32,
        /// The key's secret.
        secret: &'a [u8],
    },
    /// Nothing for itself: what follows comes from a client on these terms.
    Terms(TermsPacket<'a>),
    /// A session.
    Start {
        /// The newest minor version of protocol 3 that the client speaks.
        minor: u16,
        /// Names and values, in the order they came in. Of a name that comes twice the last counts.
        parameters: Vec<(&'a str, &'a str)>,
    },
}

impl<'a> StartUp<'a> {
    /// Reads the packet at the beginning of `buffer` and tells how many bytes it has; `None` if it
    /// is not whole yet.
    ///
    /// # Errors
    /// When it is no start-up packet, whether whole or not.
    pub fn read(buffer: &'a [u8]) -> Result<Option<(Self, usize)>, StartUpError> {
        let Some(length) = buffer.first_chunk() else { return Ok(None) };
        let length = check_length(*length)?;
        let Some([_, _, _, _, a, b, c, d]) = buffer.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let (major, minor) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
        if !matches!((major, minor), (MAJOR, _) | (REQUEST, CANCEL | SSL | GSS | TERMS)) {
            return Err(StartUpError::Version { major, minor });
        }
        if (major, minor) == (REQUEST, TERMS) && length > TERMS_BYTES_MAX {
            return Err(StartUpError::Length(u32::try_from(length).unwrap_or(u32::MAX)));
        }
        let Some(body) = buffer.get(HEADER..length) else { return Ok(None) };
        let packet = match (major, minor) {
            (REQUEST, CANCEL) => cancel(body)?,
            (REQUEST, SSL) => bare(body, Self::SslRequest)?,
            (REQUEST, TERMS) => Self::Terms(TermsPacket::parse(body)?),
            (REQUEST, _) => bare(body, Self::GssRequest)?,
            _ => Self::Start { minor, parameters: parameters(body)? },
        };
        Ok(Some((packet, length)))
    }
}

/// The whole packet's length, its own field included.
fn check_length(field: [u8; 4]) -> Result<usize, StartUpError> {
    let length = u32::from_be_bytes(field);
    match usize::try_from(length) {
        Ok(bytes) if (HEADER..=STARTUP_BYTES_MAX).contains(&bytes) => Ok(bytes),
        _ if field.starts_with(&[TLS_HANDSHAKE]) => Err(StartUpError::Tls),
        _ => Err(StartUpError::Length(length)),
    }
}

fn cancel(body: &[u8]) -> Result<StartUp<'_>, StartUpError> {
    let (pid, secret) = body.split_first_chunk().ok_or(StartUpError::CancelKey)?;
    if !(CANCEL_SECRET_BYTES_MIN..=CANCEL_SECRET_BYTES_MAX).contains(&secret.len()) {
        return Err(StartUpError::CancelKey);
    }
    Ok(StartUp::Cancel { pid: u32::from_be_bytes(*pid), secret })
}

fn bare<'a>(body: &[u8], request: StartUp<'a>) -> Result<StartUp<'a>, StartUpError> {
    if body.is_empty() { Ok(request) } else { Err(StartUpError::Layout) }
}

fn parameters(mut body: &[u8]) -> Result<Vec<(&str, &str)>, StartUpError> {
    let mut found = Vec::new();
    loop {
        let name = text(&mut body)?;
        if name.is_empty() {
            break;
        }
        if found.len() == STARTUP_PARAMETERS_MAX {
            return Err(StartUpError::TooManyParameters);
        }
        found.push((name, text(&mut body)?));
    }
    if body.is_empty() { Ok(found) } else { Err(StartUpError::Layout) }
}

fn text<'a>(body: &mut &'a [u8]) -> Result<&'a str, StartUpError> {
    let (text, rest) = super::c_string(body).ok_or(StartUpError::Layout)?;
    *body = rest;
    std::str::from_utf8(text).map_err(|_| StartUpError::NotUtf8)
}

/// A first packet that cannot be served. Nothing after it can be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartUpError {
    /// A length that no start-up packet has.
    Length(u32),
    /// TLS without asking first.
    Tls,
    /// A protocol that is not spoken.
    Version {
        /// The major version asked for.
        major: u16,
        /// The minor version asked for.
        minor: u16,
    },
    /// Fields that do not fill the packet.
    Layout,
    /// A name or value that is not UTF-8.
    NotUtf8,
    /// More than [`STARTUP_PARAMETERS_MAX`].
    TooManyParameters,
    /// A cancel key shorter or longer than any.
    CancelKey,
    /// A terms packet with an option that is malformed, repeated or not known, and must be.
    Terms {
        /// The option's key.
        key: u8,
    },
}

impl fmt::Display for StartUpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => {
                write!(f, "this is no PostgreSQL start-up packet: its length is {length}")
            }
            Self::Tls => f.write_str("TLS without an SSLRequest before it is not supported"),
            Self::Version { major, minor } => {
                write!(f, "protocol {major}.{minor} is not supported, only {MAJOR}")
            }
            Self::Layout => f.write_str("the start-up packet's fields do not fill it"),
            Self::NotUtf8 => f.write_str("a start-up parameter is not UTF-8"),
            Self::TooManyParameters => {
                write!(f, "more than {STARTUP_PARAMETERS_MAX} start-up parameters")
            }
            Self::CancelKey => write!(
                f,
                "a cancel key's secret has {CANCEL_SECRET_BYTES_MIN} to \
                 {CANCEL_SECRET_BYTES_MAX} bytes"
            ),
            Self::Terms { key } => write!(
                f,
                "option {key} of the terms packet is malformed, repeated or not known: deploy the \
                 same release of the gateway and the coordinator"
            ),
        }
    }
}

impl std::error::Error for StartUpError {}

/// Reads the start-up parameter `options`: settings as `-c name=value` and `--name=value`, between
/// spaces. A backslash takes the character after it as it is. As in PostgreSQL, a hyphen in a name
/// stands for an underscore.
///
/// # Errors
/// When there is anything else in it.
pub fn options(text: &str) -> Result<Vec<(String, String)>, OptionsError> {
    let mut found = Vec::new();
    let mut rest = text.chars();
    while let Some(word) = next_word(&mut rest) {
        let setting = match (word.strip_prefix("-c"), word.strip_prefix("--")) {
            (Some(""), _) => next_word(&mut rest).ok_or(OptionsError::Unknown(word))?,
            (Some(setting), _) => setting.to_owned(),
            (None, Some(setting)) if !setting.is_empty() => setting.to_owned(),
            _ => return Err(OptionsError::Unknown(word)),
        };
        let Some((name, value)) = setting.split_once('=').filter(|(name, _)| !name.is_empty())
        else {
            return Err(OptionsError::NoValue(setting));
        };
        if found.len() == STARTUP_PARAMETERS_MAX {
            return Err(OptionsError::TooMany);
        }
        found.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(found)
}

/// The next word between spaces, without its backslashes.
fn next_word(rest: &mut std::str::Chars<'_>) -> Option<String> {
    let mut next = rest.find(|c| !is_space(*c))?;
    let mut word = String::new();
    loop {
        if is_space(next) {
            return Some(word);
        }
        let taken = if next == '\\' { rest.next() } else { Some(next) };
        word.extend(taken);
        let Some(following) = rest.next() else { return Some(word) };
        next = following;
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// The start-up parameter `options` holds something that is not followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OptionsError {
    /// A word that is no setting.
    Unknown(String),
    /// A setting without a name or a value.
    NoValue(String),
    /// More than [`STARTUP_PARAMETERS_MAX`].
    TooMany,
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(word) => write!(
                f,
                "\"{word}\" in the start-up parameter \"options\" is not supported, only \
                 \"-c name=value\" and \"--name=value\""
            ),
            Self::NoValue(setting) => {
                write!(f, "\"{setting}\" in the start-up parameter \"options\" has no value")
            }
            Self::TooMany => write!(
                f,
                "more than {STARTUP_PARAMETERS_MAX} settings in the start-up parameter \"options\""
            ),
        }
    }
}

impl std::error::Error for OptionsError {}

#[cfg(test)]
mod tests;
