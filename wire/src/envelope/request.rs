//! The request of an exchange (`docs/protocol.md`, 1.1).

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{SqlState, VERSION, cut};
use crate::limits::{CALLER_BYTES_MAX, OPTIONS_BYTES_MAX, PROTOCOL_BYTES_MAX};

const KEY_CALLER: u8 = 1;
const KEY_FRESH_PLANS: u8 = 2;
/// Keys from here on must be understood by the reader.
const KEYS_CRITICAL: u8 = 128;
const KEY_RESET: u8 = 128;

/// One exchange as a caller asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Milliseconds the caller will still wait, from now; `0` means the coordinator's default.
    pub remaining_ms: u32,
    /// Random name of this request.
    pub id: RequestId,
    /// Everything that is neither deadline nor protocol.
    pub options: Options,
    /// Whole PostgreSQL frontend messages, at most [`PROTOCOL_BYTES_MAX`].
    pub protocol: Bytes,
}

/// The random name of one request, used to abort it and to find it in logs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub [u8; 16]);

/// Options of a request; the default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The caller's class, and its name in logs and status, at most [`CALLER_BYTES_MAX`] bytes.
    pub caller: Option<String>,
    /// Clear all session state after this exchange, whatever the database's setting.
    pub reset: bool,
    /// Plan this request's statements anew, and keep none of them prepared for others.
    pub fresh_plans: bool,
}

impl Request {
    /// The bytes of this request. A caller's name that is too long is cut; protocol bytes over the
    /// limit are left for the reader to refuse.
    #[must_use]
    pub fn encode(&self) -> BytesMut {
        let mut out = BytesMut::with_capacity(64 + CALLER_BYTES_MAX + self.protocol.len());
        put_request_head(&mut out, self.remaining_ms, self.id, &self.options);
        out.put_slice(&self.protocol);
        out
    }

    /// Reads a request; its protocol bytes share the memory of `input`.
    ///
    /// # Errors
    /// When the layout, a limit or an option is violated; see [`RequestError`].
    pub fn parse(mut input: Bytes) -> Result<Self, RequestError> {
        use RequestError::{OptionsTooLong, ProtocolTooLarge, Truncated, Version};

        let (&version, rest) = input.split_first().ok_or(Truncated("version"))?;
        if version != VERSION {
            return Err(Version(version));
        }
        let (remaining, rest) = rest.split_first_chunk().ok_or(Truncated("remaining"))?;
        let remaining_ms = u32::from_be_bytes(*remaining);
        let (&id, rest) = rest.split_first_chunk().ok_or(Truncated("request id"))?;
        let (length, rest) = rest.split_first_chunk().ok_or(Truncated("options length"))?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length > OPTIONS_BYTES_MAX {
            return Err(OptionsTooLong(length));
        }
        if length > rest.len() {
            return Err(Truncated("options"));
        }
        let head = input.len() - rest.len();
        let options = match length {
            0 => Options::default(),
            _ => Options::parse(input.slice(head..head + length))?,
        };
        input.advance(head + length);
        if input.len() > PROTOCOL_BYTES_MAX {
            return Err(ProtocolTooLarge(input.len()));
        }
        Ok(Self { remaining_ms, id: RequestId(id), options, protocol: input })
    }
}

/// Puts everything of a request that precedes its protocol bytes, for a writer that builds these
/// in place.
pub fn put_request_head(out: &mut BytesMut, remaining_ms: u32, id: RequestId, options: &Options) {
    out.put_u8(VERSION);
    out.put_u32(remaining_ms);
    out.put_slice(&id.0);
    let encoded = options.encode();
    debug_assert!(encoded.len() <= OPTIONS_BYTES_MAX, "the known options fit the limit");
    out.put_u16(u16::try_from(encoded.len()).unwrap_or(u16::MAX));
    out.put_slice(&encoded);
}

impl Options {
    /// The bytes of these options, without the length that precedes them in a request.
    #[must_use]
    pub fn encode(&self) -> BytesMut {
        let mut out = BytesMut::new();
        if let Some(caller) = &self.caller {
            put_option(&mut out, KEY_CALLER, cut(caller, CALLER_BYTES_MAX).as_bytes());
        }
        if self.fresh_plans {
            put_option(&mut out, KEY_FRESH_PLANS, &[1]);
        }
        if self.reset {
            put_option(&mut out, KEY_RESET, &[1]);
        }
        out
    }

    /// Reads a run of options.
    ///
    /// # Errors
    /// When one is malformed, repeated, or must be understood and is not.
    pub fn parse(mut input: Bytes) -> Result<Self, RequestError> {
        let mut options = Self::default();
        let mut seen = [false; 256];
        while input.has_remaining() {
            let (key, value) = take_option(&mut input)?;
            if let Some(seen) = seen.get_mut(usize::from(key))
                && std::mem::replace(seen, true)
            {
                return Err(RequestError::RepeatedOption(key));
            }
            match key {
                KEY_CALLER => options.caller = Some(parse_caller(&value)?),
                KEY_RESET if value.as_ref() == [1] => options.reset = true,
                KEY_FRESH_PLANS if value.as_ref() == [1] => options.fresh_plans = true,
                KEY_RESET | KEY_FRESH_PLANS => return Err(RequestError::MalformedOption(key)),
                _ if key >= KEYS_CRITICAL => return Err(RequestError::UnknownOption(key)),
                _ => {}
            }
        }
        Ok(options)
    }
}

fn put_option(out: &mut BytesMut, key: u8, value: &[u8]) {
    out.put_u8(key);
    out.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
    out.put_slice(value);
}

fn take_option(input: &mut Bytes) -> Result<(u8, Bytes), RequestError> {
    let truncated = RequestError::Truncated("option");
    let key = input.try_get_u8().map_err(|_| truncated)?;
    let length = usize::from(input.try_get_u16().map_err(|_| truncated)?);
    if length > input.len() {
        return Err(truncated);
    }
    Ok((key, input.split_to(length)))
}

fn parse_caller(value: &[u8]) -> Result<String, RequestError> {
    let malformed = RequestError::MalformedOption(KEY_CALLER);
    if value.len() > CALLER_BYTES_MAX {
        return Err(malformed);
    }
    std::str::from_utf8(value).map(str::to_owned).map_err(|_| malformed)
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

/// Why bytes are not a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The input ends inside this field.
    Truncated(&'static str),
    /// The request has another version.
    Version(u8),
    /// The options have this many bytes, above [`OPTIONS_BYTES_MAX`].
    OptionsTooLong(usize),
    /// The protocol bytes are this many, above [`PROTOCOL_BYTES_MAX`].
    ProtocolTooLarge(usize),
    /// The option with this key must be understood, and is not.
    UnknownOption(u8),
    /// The option with this key occurs twice.
    RepeatedOption(u8),
    /// The value of the option with this key is too long, not UTF-8 or out of range.
    MalformedOption(u8),
}

impl RequestError {
    /// The SQLSTATE that a refusal for this reason carries.
    #[must_use]
    pub const fn sqlstate(&self) -> SqlState {
        match self {
            Self::Truncated(_)
            | Self::OptionsTooLong(_)
            | Self::RepeatedOption(_)
            | Self::MalformedOption(_) => SqlState::MALFORMED,
            Self::Version(_) | Self::UnknownOption(_) => SqlState::NOT_SUPPORTED,
            Self::ProtocolTooLarge(_) => SqlState::TOO_LARGE,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated(field) => write!(f, "the request ends inside its {field}"),
            Self::Version(version) => write!(
                f,
                "the request has envelope version {version}; this coordinator speaks {VERSION}: \
                 deploy the newer coordinator before its callers"
            ),
            Self::OptionsTooLong(length) => {
                write!(f, "the request's options have {length} bytes, at most {OPTIONS_BYTES_MAX}")
            }
            Self::ProtocolTooLarge(length) => write!(
                f,
                "the request has {length} protocol bytes, at most {PROTOCOL_BYTES_MAX}: send \
                 smaller parameters or fewer statements"
            ),
            Self::UnknownOption(key) => write!(
                f,
                "the request's option {key} is not known to this coordinator: deploy a newer one"
            ),
            Self::RepeatedOption(key) => write!(f, "the request's option {key} occurs twice"),
            Self::MalformedOption(key) => {
                write!(f, "the value of the request's option {key} is malformed")
            }
        }
    }
}

impl std::error::Error for RequestError {}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff];

    fn golden() -> Vec<u8> {
        let mut bytes = vec![1, 0, 0, 0x27, 0x10];
        bytes.extend(ID);
        bytes.extend([0, 10]);
        bytes.extend([1, 0, 3, b'a', b'p', b'p']);
        bytes.extend([128, 0, 1, 1]);
        bytes.extend(b"S\0\0\0\x04");
        bytes
    }

    fn with_options(options: &[u8]) -> Bytes {
        let mut bytes = vec![1, 0, 0, 0, 0];
        bytes.extend(ID);
        bytes.extend(u16::try_from(options.len()).unwrap().to_be_bytes());
        bytes.extend(options);
        bytes.into()
    }

    fn request() -> Request {
        Request {
            remaining_ms: 10_000,
            id: RequestId(ID),
            options: Options { caller: Some("app".into()), reset: true, ..Options::default() },
            protocol: Bytes::from_static(b"S\0\0\0\x04"),
        }
    }

    #[test]
    fn golden_request() {
        assert_eq!(request().encode().as_ref(), golden());
        assert_eq!(Request::parse(golden().into()), Ok(request()));
    }

    #[test]
    fn plans_are_kept_unless_the_caller_says_otherwise() {
        let options = Options { fresh_plans: true, ..Options::default() };
        let encoded = Request { options, ..request() }.encode();
        assert_eq!(encoded[21..27], [0, 4, 2, 0, 1, 1]);
        assert!(Request::parse(encoded.freeze()).unwrap().options.fresh_plans);
        let mut odd = Request { options: Options::default(), ..request() }.encode().to_vec();
        odd.splice(21..23, [0, 4, 2, 0, 1, 2]);
        assert_eq!(Request::parse(odd.into()), Err(RequestError::MalformedOption(2)));
    }

    #[test]
    fn golden_request_without_options() {
        let request = Request {
            remaining_ms: 0,
            id: RequestId([0xab; 16]),
            options: Options::default(),
            protocol: Bytes::new(),
        };
        let mut bytes = vec![1, 0, 0, 0, 0];
        bytes.extend([0xab; 16]);
        bytes.extend([0, 0]);
        assert_eq!(request.encode().as_ref(), bytes);
        assert_eq!(Request::parse(bytes.into()), Ok(request));
    }

    #[test]
    fn protocol_bytes_are_not_copied() {
        let input = Bytes::from(golden());
        let end = input.as_ptr() as usize + input.len();
        let protocol = Request::parse(input).unwrap().protocol;
        assert_eq!(protocol.as_ptr() as usize + protocol.len(), end);
    }

    #[test]
    fn every_cut_of_the_head_is_refused() {
        let golden = golden();
        for length in 0..golden.len() - 5 {
            let error = Request::parse(Bytes::copy_from_slice(&golden[..length])).unwrap_err();
            assert!(matches!(error, RequestError::Truncated(_)), "{length}: {error:?}");
            assert_eq!(error.sqlstate(), SqlState::MALFORMED);
        }
    }

    #[test]
    fn another_version_is_refused() {
        let mut bytes = golden();
        bytes[0] = 2;
        let error = Request::parse(bytes.into()).unwrap_err();
        assert_eq!(error, RequestError::Version(2));
        assert_eq!(error.sqlstate().as_str(), "0A000");
    }

    #[test]
    fn options_follow_their_rules() {
        let parse = |options: &[u8]| Request::parse(with_options(options)).map(|r| r.options);
        assert_eq!(parse(&[7, 0, 1, 9, 127, 0, 0]), Ok(Options::default()), "ignorable");
        assert_eq!(parse(&[129, 0, 0]), Err(RequestError::UnknownOption(129)));
        assert_eq!(parse(&[7, 0, 0, 7, 0, 0]), Err(RequestError::RepeatedOption(7)));
        assert_eq!(parse(&[128, 0, 1, 2]), Err(RequestError::MalformedOption(128)));
        assert_eq!(parse(&[128, 0, 0]), Err(RequestError::MalformedOption(128)));
        assert_eq!(parse(&[1, 0, 1, 0xff]), Err(RequestError::MalformedOption(1)));
        assert_eq!(parse(&[1, 0, 2, b'a']), Err(RequestError::Truncated("option")));
        let mut long = vec![1, 0, 65];
        long.extend([b'a'; 65]);
        assert_eq!(parse(&long), Err(RequestError::MalformedOption(1)));
    }

    #[test]
    fn limits_are_refused() {
        let mut bytes = vec![1, 0, 0, 0, 0];
        bytes.extend(ID);
        bytes.extend([0x10, 0x01]);
        assert_eq!(Request::parse(bytes.into()), Err(RequestError::OptionsTooLong(4097)));

        let mut bytes = with_options(&[]).to_vec();
        bytes.resize(bytes.len() + PROTOCOL_BYTES_MAX, 0);
        assert!(Request::parse(bytes.clone().into()).is_ok());
        bytes.push(0);
        let error = Request::parse(bytes.into()).unwrap_err();
        assert_eq!(error, RequestError::ProtocolTooLarge(PROTOCOL_BYTES_MAX + 1));
        assert_eq!(error.sqlstate().as_str(), "54000");
    }

    #[test]
    fn a_long_caller_is_cut_at_a_character() {
        let caller = format!("{}ä", "x".repeat(63));
        let request = Request {
            options: Options { caller: Some(caller), ..Options::default() },
            ..request()
        };
        let parsed = Request::parse(request.encode().freeze()).unwrap();
        assert_eq!(parsed.options.caller, Some("x".repeat(63)));
    }

    #[test]
    fn ids_print_as_hex() {
        assert_eq!(RequestId(ID).to_string(), "000102030405060708090a0b0c0d0eff");
    }
}
