//! Every bound of the engine: its unit, default and reason, in one place.
//!
//! What an operator may change is in [`crate::settings::Settings`]; these are fixed.

use crate::time::Millis;

pierhead_wire::limits! {
    "Opening sessions":

    /// Opens in flight. The platform lets six connections of one object wait for their first
    /// answer; one is kept for cancels and one for whatever else the object calls.
    #[unit = "opens"]
    pub const OPENS_IN_FLIGHT_MAX: usize = 4;

    /// Cancels in flight: one handshake slot is always kept for them, and one suffices.
    #[unit = "cancels"]
    pub const CANCELS_IN_FLIGHT_MAX: usize = 1;

    /// First and last pause between tries to open a session, when the database cannot be reached:
    /// shorter than a caller notices at first, and in the end so short that who waits ten seconds
    /// sees several tries.
    #[hit = "`08001`, for whose waiting time is over"]
    pub const BACKOFF_UNREACHABLE: (Millis, Millis) = (Millis(100), Millis::secs(2));

    /// How long the database may be out of reach before clients that wait for a first session hear
    /// it: a restart refuses connections for about a second.
    #[hit = "`08001`, with why it cannot be reached"]
    pub const UNREACHABLE_PATIENCE: Millis = Millis::secs(2);

    /// First and last pause between tries, when the database or the tunnel turns us away: somebody
    /// must change something first, and every try is a line in a log.
    #[hit = "the database's or the tunnel's own reason"]
    pub const BACKOFF_DENIED: (Millis, Millis) = (Millis::secs(1), Millis::secs(15));

    /// The greatest share of such a pause by which it is shortened at random, so that the
    /// coordinators of one server do not knock in step.
    #[unit = "%"]
    pub const BACKOFF_JITTER_PERCENT: u64 = 25;

    /// PBKDF2 rounds that a server may ask for. PostgreSQL's default is 4,096; this many take about
    /// a second of CPU, and a server that asks for more wants to hurt.
    #[unit = "rounds"]
    #[hit = "`08001`"]
    pub const SCRAM_ITERATIONS_MAX: u32 = 250_000;

    /// Derived SCRAM keys kept. One salt is usual, two during a password's change.
    #[unit = "keys"]
    pub const SCRAM_KEYS_KEPT: usize = 4;

    /// Bytes of the name, and of the value, of a parameter that a server may report: ten times what
    /// is usual.
    #[unit = "bytes"]
    pub const PARAMETER_BYTES_MAX: usize = 1_024;

    /// Parameters that a server may report. PostgreSQL 18 reports fifteen.
    #[unit = "parameters"]
    pub const PARAMETERS_MAX: usize = 64;

    /// Bytes of a cancel key. Protocol 3.2 allows 256.
    #[unit = "bytes"]
    pub const CANCEL_KEY_MAX: usize = 256;

    "Requests and answers":

    /// Messages in one exchange. Each costs a byte of memory while its reply is awaited; a batch of
    /// 10,000 statements needs 40,001.
    #[unit = "messages"]
    #[hit = "`08P01`"]
    pub const EXCHANGE_MESSAGES_MAX: usize = 65_536;

    /// Bytes of requests that wait or run, over all clients: what is left of an isolate's 128 MB
    /// after results, the program and its neighbours.
    #[unit = "bytes"]
    #[hit = "`53200`"]
    pub const REQUEST_BYTES_BUDGET: usize = 32 * 1024 * 1024;

    /// Bytes of an answer up to which it is one message; above, it is a stream. One message is one
    /// trip and no stream to manage; a mebibyte bounds what ten sessions hold at once.
    #[unit = "bytes"]
    pub const ANSWER_WHOLE_MAX: usize = 1024 * 1024;

    /// Bytes of an answer up to which it is copied into one piece. Copying so few costs less than
    /// what each piece costs on its way out of the engine, and lets go of the chunk that they came
    /// in.
    #[unit = "bytes"]
    pub const ANSWER_JOINED_MAX: usize = 4 * 1024;

    /// Bytes of a streamed answer that its reader has not taken, where the tunnel cannot hold back.
    /// A reader that falls further behind loses its answer (`53200`).
    #[unit = "bytes"]
    #[hit = "`53200`"]
    pub const ANSWER_UNTAKEN_MAX: usize = 8 * 1024 * 1024;

    /// Bytes of answers that are held for their readers, over all clients. Above it, the client
    /// that holds most loses its answer (`53200`).
    #[unit = "bytes"]
    #[hit = "`53200`"]
    pub const ANSWER_BYTES_BUDGET: usize = 32 * 1024 * 1024;

    /// Bytes that the shell may read ahead on one stream that can hold back: enough for 50 MB/s at
    /// 10 ms, little enough for a thousand sessions of an isolate's neighbours.
    #[unit = "bytes"]
    pub const READ_WINDOW: usize = 512 * 1024;

    /// Bytes that a stream's transport takes before the shell says so: one write of the largest size
    /// the platform accepts, so that nothing is said of a request that is one write.
    #[unit = "bytes"]
    pub const STREAM_TOOK_BYTES: usize = 64 * 1024;

    /// Bytes that all coordinators of one isolate may hold together, of requests, answers,
    /// statements and clients' state: half of a production isolate's 128 MB, because a byte that is
    /// held here is held a second time by the platform while it moves.
    #[unit = "bytes"]
    #[hit = "`53200`"]
    pub const ALLOWANCE_BYTES: usize = 64 * 1024 * 1024;

    /// Bytes of the name of a class of clients: as long as a caller's name may be.
    #[unit = "bytes"]
    pub const CLASS_BYTES_MAX: usize = 64;

    /// How often a request is tried on another session when not a byte of it was sent: after the
    /// third, it is not the sessions that are at fault.
    #[unit = "times"]
    #[hit = "`08006`"]
    pub const RETRIES_MAX: u32 = 3;

    "Prepared statements":

    /// Prepared statements that the coordinator knows, of all clients: a large application has
    /// hundreds, one that writes constants into its SQL fills any table.
    #[unit = "statements"]
    pub const STATEMENTS_MAX: usize = 10_000;

    /// Bytes of all prepared statements, their entries included: an eighth of a production isolate.
    #[unit = "bytes"]
    pub const STATEMENTS_BYTES_MAX: usize = 16 * 1024 * 1024;

    /// Bytes of one prepared statement's text and parameter types. Longer ones are rare, made by
    /// programs, and seldom seen twice.
    #[unit = "bytes"]
    pub const STATEMENT_BYTES_MAX: usize = 256 * 1024;

    /// Prepared statements on one session, unless its operator says otherwise. The database keeps each
    /// as a parsed tree and often a plan: 10 to 100 KB.
    #[unit = "statements"]
    pub const STATEMENTS_PER_SESSION: usize = 256;

    /// Texts of unnamed statements that are remembered until they are seen again, by their hashes.
    #[unit = "texts"]
    pub const SIGHTINGS_MAX: usize = 4_096;

    /// Names of prepared statements that one client may have. Drivers' own caches hold some hundreds.
    #[unit = "names"]
    pub const NAMES_MAX: usize = 2_000;

    /// Bytes of a client's name for a prepared statement. PostgreSQL tells names apart by their first
    /// 63 bytes.
    #[unit = "bytes"]
    pub const NAME_BYTES_MAX: usize = 255;

    "Callers that are gone":

    /// A waiter that waited longer than this is asked whether it still lives before it is granted a
    /// session, so that nobody's query runs for nobody.
    pub const PROBE_WAITER_AFTER: Millis = Millis::secs(1);

    /// How long the answer to that question is awaited; silence counts as alive.
    pub const PROBE_TIMEOUT: Millis = Millis(500);

    /// How often the caller of a running request is asked whether it still lives: a query for nobody
    /// is ended soon, and the question costs one small call.
    pub const PROBE_EVERY: Millis = Millis::secs(2);

    /// How long cancelling an abandoned request and reading the rest of its answer may take, before
    /// its session is ended instead: several times a cancel's two trips, and less than a new
    /// session costs a busy pool.
    pub const DRAIN_TIMEOUT: Millis = Millis::secs(5);

    "Ends of sessions":

    /// How long clearing a session's state may take. It is one short command.
    pub const RESET_TIMEOUT: Millis = Millis::secs(5);

    /// How long a session that was told to end may hold its place before its stream is cut and the
    /// place given away: a server process ends within a moment unless something is badly wrong.
    pub const END_TIMEOUT: Millis = Millis::secs(10);

    /// How long a session may hold its place at an agent after it was told to end: longer than the
    /// agent itself waits before it reports an orphan.
    pub const AGENT_END_TIMEOUT: Millis = Millis::secs(15);

    /// How long a session that was lost with its link is counted: its agent notices the loss,
    /// cancels what runs and waits for the database.
    pub const LOST_TIMEOUT: Millis = Millis::secs(10);

    /// The greatest share of a session's lifetime by which it is shortened at random, in percent,
    /// so that sessions opened together do not end together.
    #[unit = "%"]
    pub const LIFETIME_JITTER_PERCENT: u64 = 10;

    /// How far ahead the next sign of life lies while there are sessions. Local runtimes end an
    /// object that holds only outgoing connections 70 s after its last event.
    pub const KEEP_ALIVE_EVERY: Millis = Millis::secs(55);

    "Links of agents":

    /// How long a session rests before it is parked: a burst of requests does not pay for a frame
    /// each, and the object still hibernates as soon as it may (10 s).
    pub const PARK_AFTER: Millis = Millis(250);

    /// How long an agent may take from its WebSocket's opening to its last offer, the storing of
    /// the epoch included.
    pub const HELLO_TIMEOUT: Millis = Millis::secs(10);

    /// How long an agent may take to show that it lives, after a wake. A trip around the world
    /// takes a fifth of it.
    pub const HERE_TIMEOUT: Millis = Millis::secs(2);

    /// Links at a time. Each agent needs one or two.
    #[unit = "links"]
    pub const LINKS_MAX: usize = 32;

    /// Streams that an agent still sends on although they were given up or never were, per link.
    #[unit = "streams"]
    pub const GIVEN_UP_MAX: usize = 4_096;

    /// Bytes of a link's attachment: the platform allows 16,384, its own framing included.
    #[unit = "bytes"]
    pub const ATTACHMENT_BYTES_MAX: usize = 16_000;

    "Sharing the pool":

    /// Classes of clients that are told apart. Those who come while all are in use share one
    /// class, `others`; a class costs about 1.5 kB of counts, so all of them stay below half a
    /// mebibyte.
    #[unit = "classes"]
    pub const CLASSES_MAX: usize = 256;

    /// Milliseconds of session time that a class of waiting clients is given at its turn: a few
    /// short exchanges. Less makes each grant a search through the classes; more makes the others
    /// wait.
    pub const QUANTUM: Millis = Millis(5);

    /// The most that one lease is charged, in milliseconds: half of the time that clients wait for
    /// a session by default, so that those of a class that held the whole pool live to see their
    /// turn, and a session that was held for a day shuts nobody out for a day.
    pub const LEASE_CHARGE_MAX: Millis = Millis::secs(5);

    /// Clients that an error names: enough to see who is in the way, in one line.
    #[unit = "clients"]
    pub const NAMED_MAX: usize = 3;

    /// Holders, waiters, classes and statements that a status page lists, of each: what fits on a
    /// screen, and about 10 kB.
    #[unit = "rows"]
    pub const LISTED_MAX: usize = 20;

    /// Statements whose use of the pool is counted: those that use most of it. More than a person
    /// reads, and about 40 kB.
    #[unit = "statements"]
    pub const FINGERPRINTS_KEPT: usize = 100;

    /// Bytes of the text of such a statement: enough to recognise it.
    #[unit = "bytes"]
    pub const STATEMENT_TEXT_MAX: usize = 256;

    "Sockets and leases":

    /// Sockets at once. A thousand isolates that open ten each fit; so does the memory, at 7 kB for
    /// each that is silent.
    #[unit = "sockets"]
    #[hit = "`53300`"]
    pub const SOCKETS_MAX: usize = 10_000;

    /// Leases at once, over or not.
    #[unit = "leases"]
    #[hit = "`53300`"]
    pub const LEASES_MAX: usize = 10_000;

    /// Requests of one lease that wait behind another of it: a pipeline, not a queue of its own.
    #[unit = "requests"]
    #[hit = "`53300`"]
    pub const LEASE_REQUESTS_MAX: usize = 32;

    /// Bytes of one socket's client that are read ahead of its session: a round trip's worth at 50
    /// MB/s and 1 ms, and 64 MiB for a thousand clients that all send without being served.
    #[unit = "bytes"]
    pub const CLIENT_WINDOW: usize = 64 * 1024;

    /// Bytes of a segment that is not complete at which it is sent all the same: COPY data,
    /// mostly.
    #[unit = "bytes"]
    pub const FORWARD_EARLY: usize = 32 * 1024;

    /// Bytes written to a session that its transport has not taken, above which its client must
    /// wait.
    #[unit = "bytes"]
    pub const WRITE_WINDOW: u64 = 256 * 1024;

    /// Ready points that a socket's client gets in one lease while others wait for a session:
    /// enough for a pipeline to pay, few enough that nobody waits for a thousand queries of one
    /// client.
    #[unit = "ready points"]
    pub const LEASE_TURNS: u32 = 32;

    /// Bytes of memory that what is over leaves to what comes next: room for a few small messages.
    #[unit = "bytes"]
    pub const SPARE_BYTES_MAX: usize = 4 * 1024;

    /// Messages for which a conversation that is over leaves room to the next one: most are short.
    #[unit = "messages"]
    pub const SPARE_ENTRIES_MAX: usize = 64;

    /// Conversations that are over and whose memory is left to the next ones: as many as end and
    /// begin while one answer is read.
    #[unit = "conversations"]
    pub const SPARE_TALKS_MAX: usize = 4;

    /// Bytes of a lease's first segments that are kept until something of their answer came, to be
    /// sent again if they must.
    #[unit = "bytes"]
    pub const KEPT_BYTES_MAX: usize = 64 * 1024;

    /// Texts of which it is kept what they show, in 16 bytes each and what that is: a program has
    /// hundreds.
    #[unit = "texts"]
    pub const TEXTS_KEPT: usize = 1_024;

    /// Texts that are found without being hashed, in the tables of statements and of what texts show:
    /// most programs have so many that are frequent.
    #[unit = "texts"]
    pub const TEXTS_AT_HAND: usize = 64;

    /// Bytes of a text up to which it is kept, to be compared with the next ones: 256 KiB in all.
    #[unit = "bytes"]
    pub const TEXT_AT_HAND_MAX: usize = 4 * 1024;

    /// Bytes of neighbouring messages up to which they are copied together with others: below, a piece
    /// of their own costs more than the copy.
    #[unit = "bytes"]
    pub const COPIED_BYTES_MAX: usize = 2 * 1024;

    /// Portals of one transaction whose statements have effects that must be kept track of: a
    /// driver that pages through results has a handful.
    #[unit = "portals"]
    #[hit = "`54000`"]
    pub const PORTALS_MAX: usize = 256;

    /// How long a client may take from its socket's opening to its whole start-up message, or to
    /// the end of its login: four trips, of which the slowest take two seconds.
    #[hit = "`57P05`, or why the database cannot be reached"]
    pub const START_UP_TIMEOUT: Millis = Millis::secs(10);

    /// PBKDF2 rounds that a client is asked for where sockets have a password: PostgreSQL's own
    /// number.
    #[unit = "rounds"]
    pub const SCRAM_ITERATIONS: u32 = 4_096;

    /// Bytes of a message while a client logs in: a SCRAM message has some hundred.
    #[unit = "bytes"]
    #[hit = "`08P01`"]
    pub const LOGIN_BYTES_MAX: usize = 2 * 1024;

    "Settings that follow a client":

    /// Settings that one client may have followed, and that one text may change. Drivers and ORMs
    /// set three to ten.
    #[unit = "settings"]
    #[hit = "`54000` at the start-up; later the session is kept"]
    pub const SETTINGS_MAX: usize = 64;

    /// Bytes of one followed setting's value: a long `search_path`, or the claims of a token.
    #[unit = "bytes"]
    pub const SETTING_BYTES_MAX: usize = 1024;

    /// Bytes of the names and values of all settings that one client has followed. They are kept
    /// for as long as the client is connected, and sent again whenever its session changes.
    #[unit = "bytes"]
    pub const SETTINGS_BYTES_MAX: usize = 8 * 1024;

    "Cancels":

    /// Sockets that wait for the end of one cancel; one is usual.
    #[unit = "sockets"]
    pub const CANCELLERS_MAX: usize = 8;

    /// How long the database may take to answer a query that was cancelled because its time was
    /// over, before its session is ended: what does not answer by then hangs.
    #[hit = "`08007`, and the connection ends"]
    pub const CANCEL_PATIENCE: Millis = Millis::secs(10);

    /// How long an abandoned request may go on by itself where the end of a cancel cannot be
    /// proved: what ends within this time costs no session.
    pub const DRAIN_GRACE: Millis = Millis(500);
}

const _: () = assert!(OPENS_IN_FLIGHT_MAX + CANCELS_IN_FLIGHT_MAX < 6);
const _: () = assert!(SCRAM_ITERATIONS <= SCRAM_ITERATIONS_MAX);
const _: () = assert!(AGENT_END_TIMEOUT.0 > END_TIMEOUT.0);
const _: () = assert!(SETTING_BYTES_MAX < SETTINGS_BYTES_MAX);
const _: () = assert!(ANSWER_WHOLE_MAX < ANSWER_UNTAKEN_MAX);
const _: () = assert!(ANSWER_UNTAKEN_MAX < ANSWER_BYTES_BUDGET);
const _: () = assert!(STATEMENT_BYTES_MAX * 8 < STATEMENTS_BYTES_MAX);
const _: () = assert!(STATEMENTS_PER_SESSION <= STATEMENTS_MAX);

#[cfg(test)]
mod tests {
    #[test]
    fn every_limit_is_listed_with_its_unit_and_its_reason() {
        assert_eq!(pierhead_wire::limit::faults(include_str!("limits.rs"), super::ALL), [""; 0]);
    }
}
