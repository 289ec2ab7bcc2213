// The exchange envelope: docs/protocol.md, section 1. The same golden bytes as in wire/ pin it.

import { CALLER_BYTES_MAX, OUTCOME_BYTES_MAX } from "./limits.js";

const VERSION = 1;
const KEY_CALLER = 1;
const KEY_FRESH_PLANS = 2;
const KEY_RESET = 128;
const KIND_DATA = 0x44;
const KIND_OUTCOME = 0x4f;
const HEADER_BYTES = 5;
const ID_BYTES = 16;

/** What a request asks for besides its messages. */
export interface RequestOptions {
  /** The caller's class and its name in logs, cut to 64 bytes. */
  readonly caller?: string | undefined;
  /** Plan the statements anew for their values, and keep none of them prepared. */
  readonly freshPlans?: boolean | undefined;
  /** Clear all session state behind the request, whatever the database's setting. */
  readonly reset?: boolean | undefined;
}

/** What became of a request. */
export type Status = "completed" | "rolledBack" | "refused" | "outcomeUnknown" | "error";
/** Who caused it. */
export type Blame = "nobody" | "caller" | "pierhead" | "tunnel" | "database";
/** Whether the request may be sent again. */
export type Retry = "notNeeded" | "safe" | "doNot" | "ifIdempotent";

const STATUSES: readonly Status[] = ["completed", "rolledBack", "refused", "outcomeUnknown", "error"];
const BLAMES: readonly Blame[] = ["nobody", "caller", "pierhead", "tunnel", "database"];
const RETRIES: readonly Retry[] = ["notNeeded", "safe", "doNot", "ifIdempotent"];

/** How an exchange ended. */
export interface Outcome {
  readonly status: Status;
  readonly sqlstate: string;
  readonly blame: Blame;
  readonly retry: Retry;
  /** Milliseconds to wait before a retry; 0 if there is no advice. */
  readonly retryAfterMs: number;
  /** Milliseconds from arrival to the grant of a session. */
  readonly waitedMs: number;
  /** Milliseconds from the grant to the outcome. */
  readonly ranMs: number;
  readonly message: string;
  readonly hint: string;
}

/** Why bytes are not an answer. The outcome of the request is unknown then. */
export class AnswerError extends Error {
  override readonly name = "AnswerError";
}

/** Runs that were made: a database's options are the same in each of its calls. */
const runs = new WeakMap<RequestOptions, Uint8Array>();

/** The options of a request or a lease, as a run of key, length, value. Not to be changed. */
export function encodeOptions(options: RequestOptions): Uint8Array {
  let run = runs.get(options);
  if (run === undefined) runs.set(options, (run = makeRun(options)));
  return run;
}

function makeRun(options: RequestOptions): Uint8Array {
  const out: number[] = [];
  const put = (key: number, value: ArrayLike<number>) =>
    out.push(key, value.length >> 8, value.length & 0xff, ...Array.from(value));
  if (options.caller) put(KEY_CALLER, cutText(options.caller, CALLER_BYTES_MAX));
  if (options.freshPlans) put(KEY_FRESH_PLANS, [1]);
  if (options.reset) put(KEY_RESET, [1]);
  return Uint8Array.from(out);
}

/** The UTF-8 bytes of a text, cut between two characters. */
function cutText(text: string, max: number): Uint8Array {
  const out = new Uint8Array(max);
  const { written } = new TextEncoder().encodeInto(text, out);
  return out.subarray(0, written);
}

/**
 * A whole request.
 *
 * @param remainingMs how long the caller still waits; 0 leaves it to the coordinator
 * @param id 16 random bytes, by which the request can be aborted
 */
export function encodeRequest(
  remainingMs: number,
  id: Uint8Array,
  options: RequestOptions,
  protocol: readonly Uint8Array[],
): Uint8Array {
  const run = encodeOptions(options);
  let length = 1 + 4 + ID_BYTES + 2 + run.length;
  let at = length;
  for (const bytes of protocol) length += bytes.length;
  const out = new Uint8Array(length);
  const view = new DataView(out.buffer);
  view.setUint8(0, VERSION);
  view.setUint32(1, remainingMs);
  out.set(id, 5);
  view.setUint16(5 + ID_BYTES, run.length);
  out.set(run, 7 + ID_BYTES);
  for (const bytes of protocol) {
    out.set(bytes, at);
    at += bytes.length;
  }
  return out;
}

/** What an answer holds: pieces of data, and at the end the outcome. */
export type AnswerRecord = { data: Uint8Array } | { outcome: Outcome };

/**
 * Reads an answer as it arrives, cut anywhere. Data is handed on in slices of what was pushed.
 *
 * ```text
 * version ──▶ header ──D──▶ data ──▶ header
 *               └────O──▶ outcome ──▶ done
 * ```
 */
export class AnswerReader {
  #state: "version" | "header" | "data" | "outcome" | "done" = "version";
  /** Bytes of data or of the outcome that are still to come. */
  #left = 1;
  #input: Uint8Array[] = [];
  /** What has arrived of something that must be whole. */
  #partial: Uint8Array = new Uint8Array(0);

  push(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#input.push(bytes);
  }

  /** The next record, or nothing until more is pushed. */
  next(): AnswerRecord | undefined {
    for (;;) {
      if (this.#state === "data") {
        if (this.#left === 0) {
          this.#await("header", HEADER_BYTES);
          continue;
        }
        const data = this.#take(this.#left);
        if (data === undefined) return undefined;
        this.#left -= data.length;
        return { data };
      }
      if (this.#state === "done") {
        if (this.#input.length > 0) throw new AnswerError("bytes follow the answer's outcome");
        return undefined;
      }
      const whole = this.#takeWhole();
      if (whole === undefined) return undefined;
      if (this.#state === "version") this.#version(whole[0] ?? 0);
      else if (this.#state === "header") this.#header(whole);
      else {
        this.#state = "done";
        return { outcome: parseOutcome(whole) };
      }
    }
  }

  /** Says that nothing more comes. */
  finish(): void {
    if (this.#state !== "done") throw new AnswerError("the answer ended without an outcome");
    if (this.#input.length > 0) throw new AnswerError("bytes follow the answer's outcome");
  }

  #version(version: number): void {
    if (version !== VERSION) {
      throw new AnswerError(
        `the answer has envelope version ${version}, this package speaks ${VERSION}: ` +
          "install the package `pierhead` of the coordinator's release",
      );
    }
    this.#await("header", HEADER_BYTES);
  }

  #header(header: Uint8Array): void {
    const view = new DataView(header.buffer, header.byteOffset, HEADER_BYTES);
    const [kind, length] = [view.getUint8(0), view.getUint32(1)];
    if (kind === KIND_DATA) return this.#await("data", length);
    if (kind !== KIND_OUTCOME) throw new AnswerError(`the answer has a record of unknown kind ${kind}`);
    if (length > OUTCOME_BYTES_MAX) {
      throw new AnswerError(`the answer's outcome has ${length} bytes, at most ${OUTCOME_BYTES_MAX}`);
    }
    this.#await("outcome", length);
  }

  #await(state: "header" | "data" | "outcome", bytes: number): void {
    this.#state = state;
    this.#left = bytes;
  }

  #take(max: number): Uint8Array | undefined {
    const first = this.#input[0];
    if (first === undefined) return undefined;
    if (first.length <= max) return this.#input.shift();
    this.#input[0] = first.subarray(max);
    return first.subarray(0, max);
  }

  #takeWhole(): Uint8Array | undefined {
    while (this.#partial.length < this.#left) {
      const piece = this.#take(this.#left - this.#partial.length);
      if (piece === undefined) return undefined;
      if (this.#partial.length === 0) {
        this.#partial = piece;
        continue;
      }
      const joined = new Uint8Array(this.#partial.length + piece.length);
      joined.set(this.#partial);
      joined.set(piece, this.#partial.length);
      this.#partial = joined;
    }
    const whole = this.#partial;
    this.#partial = new Uint8Array(0);
    return whole;
  }
}

/** Reads the payload of an outcome record. What follows the hint is of a later version. */
export function parseOutcome(bytes: Uint8Array): Outcome {
  let at = 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const take = (count: number, field: string): number => {
    if (at + count > bytes.length) throw outcomeError(field);
    at += count;
    return at - count;
  };
  const code = <T>(codes: readonly T[], field: string): T => {
    const value = codes[view.getUint8(take(1, field))];
    if (value === undefined) throw outcomeError(field);
    return value;
  };
  const text = (field: string): string => {
    const length = view.getUint16(take(2, field));
    return decode(bytes.subarray(take(length, field), at), field);
  };
  return {
    status: code(STATUSES, "status"),
    sqlstate: sqlstate(bytes.subarray(take(5, "sqlstate"), at)),
    blame: code(BLAMES, "blame"),
    retry: code(RETRIES, "retry"),
    retryAfterMs: view.getUint32(take(4, "retry after")),
    waitedMs: view.getUint32(take(4, "waited")),
    ranMs: view.getUint32(take(4, "ran")),
    message: text("message"),
    hint: text("hint"),
  };
}

function sqlstate(bytes: Uint8Array): string {
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = bytes;
  const text = String.fromCharCode(a, b, c, d, e);
  if (!/^[0-9A-Z]{5}$/.test(text)) throw outcomeError("sqlstate");
  return text;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decode(bytes: Uint8Array, field: string): string {
  // What went well has no words.
  if (bytes.length === 0) return "";
  try {
    return UTF8.decode(bytes);
  } catch {
    throw outcomeError(field);
  }
}

function outcomeError(field: string): AnswerError {
  return new AnswerError(`the answer's outcome has a malformed ${field}`);
}
