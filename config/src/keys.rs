//! Every parameter of a database URL, as data: the parser's ranges and defaults, and the table in
//! the documentation.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::database::{JURISDICTIONS, LOCATIONS, RESETS, TLS, TUNNEL_LISTS};
use crate::value::print_duration;

/// One parameter of a database URL.
#[derive(Debug)]
pub struct KeyDoc {
    /// What stands before the `=`.
    pub key: &'static str,
    /// What may stand behind it.
    pub values: Values,
    /// What holds when the key is absent.
    pub default: DefaultValue,
    /// What it does, in one sentence.
    pub meaning: &'static str,
    /// Why the range is what it is; empty where there is none.
    pub reason: &'static str,
}

/// What a parameter accepts.
#[derive(Debug)]
pub enum Values {
    /// One of these words.
    Words(&'static [&'static str]),
    /// A whole number.
    Number(RangeInclusive<u32>),
    /// A duration.
    Duration(RangeInclusive<Duration>),
    /// Text, described.
    Text(&'static str),
}

/// What holds when a parameter is absent.
#[derive(Debug)]
pub enum DefaultValue {
    /// Nothing.
    None,
    /// A word or text, or a description of one.
    Text(&'static str),
    /// A whole number.
    Number(u32),
    /// A duration.
    Duration(Duration),
    /// A duration, and another one where an agent is among the tunnels.
    DurationOrAgent(Duration, Duration),
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A durable object's pending work protects it for 15 minutes at most.
const LONGEST_OPERATION: Duration = seconds(15 * 60);

pub(crate) const POOL_SIZE: RangeInclusive<u32> = 1..=1_000;
pub(crate) const POOL_SIZE_DEFAULT: u32 = 10;
pub(crate) const MAX_WAITERS: RangeInclusive<u32> = 0..=10_000;
pub(crate) const MAX_WAITERS_DEFAULT: u32 = 1_000;
pub(crate) const WAIT_TIMEOUT: RangeInclusive<Duration> = ms(10)..=LONGEST_OPERATION;
pub(crate) const WAIT_TIMEOUT_DEFAULT: Duration = seconds(10);
pub(crate) const QUERY_TIMEOUT: RangeInclusive<Duration> = ms(10)..=LONGEST_OPERATION;
pub(crate) const QUERY_TIMEOUT_DEFAULT: Duration = seconds(30);
pub(crate) const CONNECT_TIMEOUT: RangeInclusive<Duration> = ms(100)..=seconds(60);
pub(crate) const CONNECT_TIMEOUT_DEFAULT: Duration = seconds(10);
pub(crate) const IDLE_TIMEOUT: RangeInclusive<Duration> = seconds(1)..=seconds(3_600);
pub(crate) const IDLE_TIMEOUT_DEFAULT: Duration = seconds(60);
/// An agent holds unused sessions while the object sleeps, so keeping them costs nothing.
pub(crate) const IDLE_TIMEOUT_DEFAULT_AGENT: Duration = seconds(10 * 60);
pub(crate) const TUNNEL_WAIT: RangeInclusive<Duration> = ms(10)..=seconds(60);
pub(crate) const TUNNEL_WAIT_DEFAULT: Duration = seconds(5);
pub(crate) const MAX_LIFETIME: RangeInclusive<Duration> = seconds(1)..=seconds(86_400);
pub(crate) const MAX_LIFETIME_DEFAULT: Duration = seconds(30 * 60);
pub(crate) const APPLICATION_NAME_BYTES_MAX: usize = 63;
pub(crate) const APPLICATION_NAME_DEFAULT: &str = "pierhead";

/// Every parameter a database URL may have.
pub const KEYS: &[KeyDoc] = &[
    KeyDoc {
        key: "tunnel",
        values: Values::Words(&TUNNEL_LISTS),
        default: DefaultValue::Text("direct"),
        meaning: "How bytes reach the database: through an agent that dials in, through a hostname \
                  published by `cloudflared`, or directly over TCP. The second of two is used while \
                  no agent is connected.",
        reason: "Nothing but an absent agent is passed over.",
    },
    KeyDoc {
        key: "tunnel_wait",
        values: Values::Duration(TUNNEL_WAIT),
        default: DefaultValue::Duration(TUNNEL_WAIT_DEFAULT),
        meaning: "How long a request waits for an agent when none is connected, before the next \
                  tunnel is tried or the request is refused (`08001`). Only with `agent`.",
        reason: "An agent that lost its connection is back within a second or two; after a minute \
                 no caller waits any more.",
    },
    KeyDoc {
        key: "tunnel_url",
        values: Values::Text("an `http` or `https` URL"),
        default: DefaultValue::Text("`https://<host>/`"),
        meaning: "Where the tunnel's WebSocket is opened. Only with `cloudflared`.",
        reason: "",
    },
    KeyDoc {
        key: "tls",
        values: Values::Words(&words(&TLS)),
        default: DefaultValue::Text("starttls"),
        meaning: "Encryption to the database: none, from the first byte, or asked for with \
                  PostgreSQL's SSLRequest. Only with `direct`.",
        reason: "",
    },
    KeyDoc {
        key: "pool_size",
        values: Values::Number(POOL_SIZE),
        default: DefaultValue::Number(POOL_SIZE_DEFAULT),
        meaning: "The most sessions the coordinator holds.",
        reason: "Every session has buffers in one 128 MB isolate, and a server process.",
    },
    KeyDoc {
        key: "max_waiters",
        values: Values::Number(MAX_WAITERS),
        default: DefaultValue::Number(MAX_WAITERS_DEFAULT),
        meaning: "The most requests that wait for a session; one more is refused (`53300`).",
        reason: "A durable object takes about 1,000 requests per second: more would outwait \
                 `wait_timeout`, and each holds its request in memory.",
    },
    KeyDoc {
        key: "wait_timeout",
        values: Values::Duration(WAIT_TIMEOUT),
        default: DefaultValue::Duration(WAIT_TIMEOUT_DEFAULT),
        meaning: "How long a request waits for a session before it is refused (`53400`).",
        reason: "The platform protects an object's pending work for 15 minutes.",
    },
    KeyDoc {
        key: "query_timeout",
        values: Values::Duration(QUERY_TIMEOUT),
        default: DefaultValue::Duration(QUERY_TIMEOUT_DEFAULT),
        meaning: "The time a request has in all when its caller gives none.",
        reason: "The platform protects an object's pending work for 15 minutes.",
    },
    KeyDoc {
        key: "connect_timeout",
        values: Values::Duration(CONNECT_TIMEOUT),
        default: DefaultValue::Duration(CONNECT_TIMEOUT_DEFAULT),
        meaning: "How long opening a session may take: tunnel, TLS and authentication together.",
        reason: "Few sessions can be opening at once: a slow one blocks the others.",
    },
    KeyDoc {
        key: "idle_timeout",
        values: Values::Duration(IDLE_TIMEOUT),
        default: DefaultValue::DurationOrAgent(IDLE_TIMEOUT_DEFAULT, IDLE_TIMEOUT_DEFAULT_AGENT),
        meaning: "A session unused for this long is closed.",
        reason: "Below a second sessions would not be reused. An idle hour keeps an object billed, \
                 except through an agent, which holds unused sessions while the object sleeps.",
    },
    KeyDoc {
        key: "max_lifetime",
        values: Values::Duration(MAX_LIFETIME),
        default: DefaultValue::Duration(MAX_LIFETIME_DEFAULT),
        meaning: "A session older than this is replaced, some of them earlier so that they do not \
                  all go at once.",
        reason: "A server process's memory grows with its age; a day bounds it.",
    },
    KeyDoc {
        key: "reset",
        values: Values::Words(&words(&RESETS)),
        default: DefaultValue::Text("detected"),
        meaning: "When a session's state is cleared after a request: when something that leaves \
                  state was seen, or always.",
        reason: "",
    },
    KeyDoc {
        key: "application_name",
        values: Values::Text("1 to 63 printable ASCII characters"),
        default: DefaultValue::Text(APPLICATION_NAME_DEFAULT),
        meaning: "The sessions' name in `pg_stat_activity`.",
        reason: "PostgreSQL cuts what is longer.",
    },
    KeyDoc {
        key: "location",
        values: Values::Words(&words(&LOCATIONS)),
        default: DefaultValue::Text("near the first caller"),
        meaning: "Where the coordinator is created, once and for all: next to the database.",
        reason: "",
    },
    KeyDoc {
        key: "jurisdiction",
        values: Values::Words(&words(&JURISDICTIONS)),
        default: DefaultValue::None,
        meaning: "The jurisdiction that the coordinator never leaves.",
        reason: "",
    },
];

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, where get() is not const")]
const fn words<T: Copy, const N: usize>(table: &[(&'static str, T); N]) -> [&'static str; N] {
    let mut words = [""; N];
    let mut index = 0;
    while index < N {
        words[index] = table[index].0;
        index += 1;
    }
    words
}

/// The table of `docs/configuration.md`, in Markdown.
#[must_use]
pub fn table() -> String {
    let mut table = "| key | values | default | meaning |\n|---|---|---|---|\n".to_owned();
    for KeyDoc { key, values, default, meaning, reason } in KEYS {
        let sep = if reason.is_empty() { "" } else { " " };
        table += &format!("| `{key}` | {values} | {default} | {meaning}{sep}{reason} |\n");
    }
    table
}

impl std::fmt::Display for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Words(words) => write!(f, "`{}`", words.join("` · `")),
            Self::Number(range) => write!(f, "{} to {}", range.start(), range.end()),
            Self::Duration(range) => {
                write!(f, "{} to {}", print_duration(*range.start()), print_duration(*range.end()))
            }
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl std::fmt::Display for DefaultValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Duration(duration) => f.write_str(&print_duration(*duration)),
            Self::DurationOrAgent(without, with) => {
                write!(f, "{}, {} with `agent`", print_duration(*without), print_duration(*with))
            }
        }
    }
}
