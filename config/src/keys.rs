//! Every parameter of a database URL, as data: the parser's ranges and defaults, and the table in
//! the documentation.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::place::{JURISDICTIONS, LOCATIONS};
use crate::policy::{MODES, RESETS, STATES, SWITCH};
use crate::ranges::*;
use crate::tunnel::{TLS, TUNNEL_LISTS};
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
    /// A whole number, or a percentage of `pool_size`.
    Share(RangeInclusive<u32>, RangeInclusive<u32>),
    /// A duration.
    Duration(RangeInclusive<Duration>),
    /// A duration, or `off`.
    DurationOrOff(RangeInclusive<Duration>),
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
    /// A percentage of `pool_size`.
    Percent(u32),
    /// A duration.
    Duration(Duration),
    /// A duration, and another one where an agent is among the tunnels.
    DurationOrAgent(Duration, Duration),
}

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
        key: "min_idle",
        values: Values::Number(MIN_IDLE),
        default: DefaultValue::Number(MIN_IDLE_DEFAULT),
        meaning: "Sessions that are kept open although nobody uses them; at most `pool_size`.",
        reason: "Spares the first callers after a pause the opening of a session. Free with \
                 `agent`, which holds them while the object sleeps; with another tunnel they keep \
                 the object awake, and billed, for good.",
    },
    KeyDoc {
        key: "class_size",
        values: Values::Number(CLASS_SIZE),
        default: DefaultValue::Text("`pool_size`"),
        meaning: "The most sessions that one class of callers (a user, or the name a binding gives \
                  its callers) holds at once; the others of the class wait. At most `pool_size`.",
        reason: "Keeps a part of the pool free of a class that never ends; without it, classes \
                 that wait take turns.",
    },
    KeyDoc {
        key: "pinned",
        values: Values::Share(PINNED, PINNED_PERCENT),
        default: DefaultValue::Percent(PINNED_PERCENT_DEFAULT),
        meaning: "The most sessions that sockets hold beyond their transactions at once, as a \
                  number or in percent of `pool_size` (`%` is written `%25` in a URL; rounded \
                  down, but at least 1); one more is refused (`53000`).",
        reason: "A session that is held serves nobody else: half of the pool stays for the others.",
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
        key: "transaction_timeout",
        values: Values::DurationOrOff(TRANSACTION_TIMEOUT),
        default: DefaultValue::Text("off"),
        meaning: "How long a transaction of a lease or a socket may take, from its session's grant \
                  to its release, before it is ended (`25P04`).",
        reason: "Only you know how long yours take: a migration runs for hours.",
    },
    KeyDoc {
        key: "idle_in_transaction_timeout",
        values: Values::DurationOrOff(IDLE_IN_TRANSACTION_TIMEOUT),
        default: DefaultValue::Duration(IDLE_IN_TRANSACTION_TIMEOUT_DEFAULT),
        meaning: "How long a client may hold a transaction open without sending anything before it \
                  is rolled back (`25P03`).",
        reason: "It holds a session and its locks; no program thinks for half a minute, and a \
                 person at a prompt can raise it to an hour.",
    },
    KeyDoc {
        key: "client_idle_timeout",
        values: Values::DurationOrOff(CLIENT_IDLE_TIMEOUT),
        default: DefaultValue::Duration(CLIENT_IDLE_TIMEOUT_DEFAULT),
        meaning: "How long a socket may be silent outside a transaction before it is closed \
                  (`57P05`).",
        reason: "An open socket keeps the object awake, and billed; a driver dials again when it \
                 needs to.",
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
        key: "state",
        values: Values::Words(&words(&STATES)),
        default: DefaultValue::Text("follow"),
        meaning: "What becomes of a statement that changes a session beyond its transaction: it is \
                  allowed, and a socket's settings follow it from session to session, or it is \
                  refused. See [reset.md](reset.md).",
        reason: "Drivers and frameworks send `SET` when they connect.",
    },
    KeyDoc {
        key: "mode",
        values: Values::Words(&words(&MODES)),
        default: DefaultValue::Text("transaction"),
        meaning: "How long a socket holds a session: for a transaction at a time, or from its \
                  start-up to its end. A socket may choose by its start-up parameter \
                  `pierhead.mode`, unless the binding or port it came by says. See \
                  [sockets.md](sockets.md).",
        reason: "A session of its own is for migrations and `LISTEN`; it serves nobody else, and \
                 `pinned` bounds how many there are.",
    },
    KeyDoc {
        key: "plan_cache",
        values: Values::Words(&words(&SWITCH)),
        default: DefaultValue::Text("on"),
        meaning: "Statements stay prepared from one client to the next.",
        reason: "Planning is often the dearest part of a short query. `off` is for data so skewed \
                 that one plan does not suit every parameter.",
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
            Self::Share(numbers, percents) => {
                let (low, high) = (numbers.start(), numbers.end());
                write!(f, "{low} to {high}, or {}% to {}%", percents.start(), percents.end())
            }
            Self::DurationOrOff(range) => {
                let (low, high) = (print_duration(*range.start()), print_duration(*range.end()));
                write!(f, "`off` or {low} to {high}")
            }
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
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Duration(duration) => f.write_str(&print_duration(*duration)),
            Self::DurationOrAgent(without, with) => {
                write!(f, "{}, {} with `agent`", print_duration(*without), print_duration(*with))
            }
        }
    }
}
