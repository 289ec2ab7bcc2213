// Every bound of the client, with its unit and its reason.

/** Milliseconds of a call unless given: longer than a patient client of the Worker waits. */
export const TIMEOUT_DEFAULT_MS = 30_000;
/** Milliseconds that a timer can count: 31 bits. */
export const TIMEOUT_MAX_MS = 2 ** 31 - 1;
/**
 * Milliseconds that a caller waits longer than its coordinator: the coordinator's own refusal says
 * more than a missed deadline, and needs a trip to arrive.
 */
export const GRACE_MS = 1_000;
/**
 * Milliseconds after which a call gives the coordinator a callback, by which it sees whether its
 * caller still lives. Sooner than the first question, which comes after a second; later than most
 * answers, because a callback costs both sides more than a small query does.
 */
export const WATCH_MS = 250;
/** Milliseconds in which an aborted call must end: a trip there and back, and a cancel. */
export const ABORT_MS = 1_000;
/** Bytes of PostgreSQL messages in one request; the coordinator refuses more. */
export const PROTOCOL_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes of a caller's name. */
export const CALLER_BYTES_MAX = 64;
/** Bytes of an outcome record; no coordinator sends more. */
export const OUTCOME_BYTES_MAX = 16_384;
/** Parameters of one statement: a Bind message counts them in 16 bits. */
export const PARAMS_MAX = 65_535;
/**
 * Bytes of a result that is collected in memory, and of one row of any result: half of what an
 * isolate has, because rows become other values beside it.
 */
export const RESULT_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes asked of an answer's stream at once. A read without a buffer of one's own gives 4 KiB. */
export const READ_BYTES = 64 * 1024;
/** Queries that share a call: an answer names its errors by counting. */
export const SHARED_MAX = 100;
/** Turns of the microtask queue in which a shared call collects: an ORM's promises stand between. */
export const SHARING_TURNS = 16;
/** Savepoints open at once in one transaction: each is held by the database until it ends. */
export const SAVEPOINTS_MAX = 64;
