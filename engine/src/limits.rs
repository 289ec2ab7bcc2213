//! Every bound of the engine: its unit, default and reason, in one place.
//!
//! What an operator may change is in [`crate::settings::Settings`]; these are fixed.

use crate::time::Millis;

/// Opens in flight. The platform lets six connections of one object wait for their first answer;
/// one is kept for cancels and one for whatever else the object calls.
pub const OPENS_IN_FLIGHT_MAX: usize = 4;

/// Cancels in flight: one handshake slot is always kept for them, and one suffices.
pub const CANCELS_IN_FLIGHT_MAX: usize = 1;

/// Messages in one exchange. Each costs a byte of memory while its reply is awaited; a batch of
/// 10,000 statements needs 40,001.
pub const EXCHANGE_MESSAGES_MAX: usize = 65_536;

/// Bytes of requests that wait or run, over all clients: what is left of an isolate's 128 MB after
/// results, the program and its neighbours.
pub const REQUEST_BYTES_BUDGET: usize = 32 * 1024 * 1024;

/// Bytes of an answer up to which it is one message; above, it is a stream. One message is one
/// trip and no stream to manage; a mebibyte bounds what ten sessions hold at once.
pub const ANSWER_WHOLE_MAX: usize = 1024 * 1024;

/// Bytes of a streamed answer that its reader has not taken, where the tunnel cannot hold back.
/// A reader that falls further behind loses its answer (`53200`).
pub const ANSWER_UNTAKEN_MAX: usize = 8 * 1024 * 1024;

/// Bytes of answers that are held for their readers, over all clients. Above it, the client that
/// holds most loses its answer (`53200`).
pub const ANSWER_BYTES_BUDGET: usize = 32 * 1024 * 1024;

/// Bytes that the shell may read ahead on one stream that can hold back: enough for 50 MB/s at
/// 10 ms, little enough for a thousand sessions of an isolate's neighbours.
pub const READ_WINDOW: usize = 512 * 1024;

/// How often a request is tried on another session when not a byte of it was sent.
pub const RETRIES_MAX: u32 = 3;

/// PBKDF2 rounds that a server may ask for. PostgreSQL's default is 4,096; this many take about a
/// second of CPU, and a server that asks for more wants to hurt.
pub const SCRAM_ITERATIONS_MAX: u32 = 250_000;

/// Derived SCRAM keys kept. One salt is usual, two during a password's change.
pub const SCRAM_KEYS_KEPT: usize = 4;

/// Bytes of a parameter's name and value, and number of parameters, that a server may report.
pub const PARAMETER_BYTES_MAX: usize = 1_024;

/// Parameters that a server may report. PostgreSQL 18 reports fifteen.
pub const PARAMETERS_MAX: usize = 64;

/// Bytes of a cancel key. Protocol 3.2 allows 256.
pub const CANCEL_KEY_MAX: usize = 256;

/// How long a session that was told to end may hold its place before its stream is cut and the
/// place given away.
pub const END_TIMEOUT: Millis = Millis::secs(10);

/// How long clearing a session's state may take. It is one short command.
pub const RESET_TIMEOUT: Millis = Millis::secs(5);

/// How long cancelling an abandoned request and reading the rest of its answer may take, before its
/// session is ended instead: several times a cancel's two trips, and less than a new session costs
/// a busy pool.
pub const DRAIN_TIMEOUT: Millis = Millis::secs(5);

/// A waiter that waited longer than this is asked whether it still lives before it is granted a
/// session, so that nobody's query runs for nobody.
pub const PROBE_WAITER_AFTER: Millis = Millis::secs(1);

/// How long the answer to that question is awaited; silence counts as alive.
pub const PROBE_TIMEOUT: Millis = Millis(500);

/// How often the caller of a running request is asked whether it still lives.
pub const PROBE_EVERY: Millis = Millis::secs(2);

/// First and last pause between tries to open a session, when the database cannot be reached.
pub const BACKOFF_UNREACHABLE: (Millis, Millis) = (Millis(100), Millis::secs(2));

/// First and last pause between tries, when the database or the tunnel turns us away.
pub const BACKOFF_DENIED: (Millis, Millis) = (Millis::secs(1), Millis::secs(15));

/// How long a session may hold its place at an agent after it was told to end: longer than the
/// agent itself waits before it reports an orphan.
pub const AGENT_END_TIMEOUT: Millis = Millis::secs(15);

/// How long a session that was lost with its link is counted: its agent notices the loss, cancels
/// what runs and waits for the database.
pub const LOST_TIMEOUT: Millis = Millis::secs(10);

/// How long a session rests before it is parked: a burst of requests does not pay for a frame
/// each, and the object still hibernates as soon as it may (10 s).
pub const PARK_AFTER: Millis = Millis(250);

/// How long an agent may take from its WebSocket's opening to its last offer, the storing of the
/// epoch included.
pub const HELLO_TIMEOUT: Millis = Millis::secs(10);

/// How long an agent may take to show that it lives, after a wake. A trip around the world takes a
/// fifth of it.
pub const HERE_TIMEOUT: Millis = Millis::secs(2);

/// Links at a time. Each agent needs one or two.
pub const LINKS_MAX: usize = 32;

/// Streams that an agent still sends on although they were given up or never were, per link.
pub const GIVEN_UP_MAX: usize = 4_096;

/// Bytes of a link's attachment: the platform allows 16,384, its own framing included.
pub const ATTACHMENT_BYTES_MAX: usize = 16_000;

/// How far ahead the next sign of life lies while there are sessions. Local runtimes end an object
/// that holds only outgoing connections 70 s after its last event.
pub const KEEP_ALIVE_EVERY: Millis = Millis::secs(55);

/// The greatest share of a session's lifetime by which it is shortened at random, in percent, so
/// that sessions opened together do not end together.
pub const LIFETIME_JITTER_PERCENT: u64 = 10;

const _: () = assert!(OPENS_IN_FLIGHT_MAX + CANCELS_IN_FLIGHT_MAX < 6);
const _: () = assert!(AGENT_END_TIMEOUT.0 > END_TIMEOUT.0);
const _: () = assert!(ANSWER_WHOLE_MAX < ANSWER_UNTAKEN_MAX);
const _: () = assert!(ANSWER_UNTAKEN_MAX < ANSWER_BYTES_BUDGET);
