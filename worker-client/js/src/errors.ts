import type { Blame, Outcome, Retry, Status } from "./envelope.js";
import type { DatabaseError as Reported } from "pg-protocol";

/** SQLSTATEs of a conflict with another transaction that passes when all of it is run again. */
const CONFLICTS = ["40001", "40P01"];
/** Seconds in `Retry-After` when the coordinator gives no advice: longer than a burst. */
const RETRY_AFTER_DEFAULT_SECONDS = 1;

/** What an error knows besides its message. */
export interface ErrorFacts {
  code?: string | undefined;
  status: Status;
  blame: Blame;
  retry: Retry;
  hint?: string | undefined;
  retryAfterMs?: number | undefined;
  cause?: unknown;
}

/**
 * Why a call failed. No message holds SQL, parameters, rows or secrets.
 *
 * | question | answer |
 * |---|---|
 * | may I send it again? | `retryable`, after `retryAfterMs` |
 * | may it have been executed? | `outcomeUnknown` |
 * | was it turned away before it began? | `refused` |
 * | what did the database say? | it is a {@link DatabaseError} |
 * | what do I tell my own client? | `toResponse()` |
 */
export class PierheadError extends Error {
  override readonly name: string = "PierheadError";
  /** SQLSTATE, of the database or of Pierhead (docs/protocol.md, 1.4). None if nothing was sent. */
  readonly code: string | undefined;
  /** What became of the call. */
  readonly status: Status;
  /** Who caused it. */
  readonly blame: Blame;
  /** Whether the same call may be made again. */
  readonly retry: Retry;
  /** What to do about it. */
  readonly hint: string | undefined;
  /** Milliseconds to wait before a retry; 0 if there is no advice. */
  readonly retryAfterMs: number;

  constructor(message: string, facts: ErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = facts.code;
    this.status = facts.status;
    this.blame = facts.blame;
    this.retry = facts.retry;
    this.hint = facts.hint || undefined;
    this.retryAfterMs = facts.retryAfterMs ?? 0;
  }

  /**
   * Whether the same call may be made again without a second effect: nothing of it was executed, or
   * all of it was rolled back for a reason that passes (`40001`, `40P01`).
   */
  get retryable(): boolean {
    return this.retry === "safe" || (this.status === "error" && CONFLICTS.includes(this.code ?? ""));
  }

  /** Whether the statements may or may not have been executed: look before a retry. */
  get outcomeUnknown(): boolean {
    return this.status === "outcomeUnknown";
  }

  /** Whether the call was turned away before anything of it was executed. */
  get refused(): boolean {
    return this.status === "refused";
  }

  /** Whether the call's time was over, seen from here or from the coordinator. */
  get timeout(): boolean {
    return this.blame === "caller" && (this.code === "57014" || this.code === "08007");
  }

  /** 503 turned away, try again · 504 out of time · 409 conflict · 400 data does not fit · 500. */
  get httpStatus(): number {
    if (this.timeout) return 504;
    if (this.refused && this.retryable) return 503;
    return 500;
  }

  /**
   * A response for the Worker's own client: {@link httpStatus}, `Retry-After` where it helps, and a
   * JSON body such as `{"error":"conflict","sqlstate":"23505"}`. It holds no SQL, no data and no
   * message of the database: log the error itself.
   */
  toResponse(): Response {
    const status = this.httpStatus;
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (status === 503) {
      const seconds = Math.ceil(this.retryAfterMs / 1_000);
      headers["retry-after"] = String(seconds || RETRY_AFTER_DEFAULT_SECONDS);
    }
    const body = { error: this.#reason(status), sqlstate: this.code };
    return new Response(JSON.stringify(body), { status, headers });
  }

  #reason(status: number): string {
    if (status === 503) return "the database is busy";
    if (status === 504) return "the database did not answer in time";
    if (status === 409) return "conflict";
    if (status === 400) return "invalid data";
    if (this.outcomeUnknown) return "the outcome is unknown";
    return "the database reported an error";
  }
}

/**
 * An error as the database reported it. The fields are those of `pg`'s error of this name; `detail`,
 * `where` and `internalQuery` may quote rows and parameters, so they are not enumerable: `console.log`
 * and `JSON.stringify` leave them out.
 */
export class DatabaseError extends PierheadError {
  override readonly name: string = "DatabaseError";
  /** SQLSTATE. */
  declare readonly code: string;
  /** `ERROR`, `FATAL` or `PANIC`, in the server's language. */
  readonly severity: string | undefined;
  declare readonly detail: string | undefined;
  declare readonly where: string | undefined;
  declare readonly internalQuery: string | undefined;
  /** Where in the statement, in characters, from 1. */
  readonly position: string | undefined;
  /** Where in `internalQuery`, in characters, from 1. */
  readonly internalPosition: string | undefined;
  readonly schema: string | undefined;
  readonly table: string | undefined;
  readonly column: string | undefined;
  readonly dataType: string | undefined;
  readonly constraint: string | undefined;
  readonly routine: string | undefined;
  /** Which statement of a batch it is about, from 0. */
  readonly statement: number;

  constructor(reported: Reported, facts: ErrorFacts, statement: number) {
    super(reported.message, { ...facts, code: reported.code ?? facts.code, hint: reported.hint });
    this.severity = reported.severity;
    this.position = reported.position;
    this.internalPosition = reported.internalPosition;
    this.schema = reported.schema;
    this.table = reported.table;
    this.column = reported.column;
    this.dataType = reported.dataType;
    this.constraint = reported.constraint;
    this.routine = reported.routine;
    this.statement = statement;
    for (const field of ["detail", "where", "internalQuery"] as const) {
      Object.defineProperty(this, field, { value: reported[field], enumerable: false });
    }
  }

  override get httpStatus(): number {
    if (this.timeout) return 504;
    if (["23505", "23P01", ...CONFLICTS].includes(this.code)) return 409;
    return /^2[23]/.test(this.code) ? 400 : 500;
  }

  /** From the database itself 57014 is a cancel or its own `statement_timeout`. */
  override get timeout(): boolean {
    return false;
  }
}

/** The call itself is wrong; nothing was sent. */
export function callError(message: string, hint?: string): PierheadError {
  return new PierheadError(message, { status: "refused", blame: "caller", retry: "doNot", hint });
}

/** A binding is missing or is not what it should be; nothing was sent. */
export function configError(message: string, hint: string): PierheadError {
  return new PierheadError(message, {
    code: "F0000", status: "refused", blame: "caller", retry: "doNot", hint,
  });
}

/** No one knows what became of the call. */
export function unknownOutcome(message: string, blame: Blame, cause?: unknown): PierheadError {
  return new PierheadError(`${message}; the outcome is unknown`, {
    code: "08007", status: "outcomeUnknown", blame, retry: "ifIdempotent", cause,
  });
}

/** The statements were executed, but their result cannot be kept. */
export function tooLarge(limit: number): PierheadError {
  return new PierheadError(`the statements were executed, but a result exceeds ${limit} bytes`, {
    code: "54000", status: "completed", blame: "caller", retry: "doNot",
    hint: "read it with stream(), or select less",
  });
}

/** What the platform threw instead of an answer. */
export function platformError(thrown: unknown): PierheadError {
  // What stands in for the platform may know more.
  if (thrown instanceof PierheadError) return thrown;
  const { message, overloaded, retryable } = (thrown ?? {}) as Record<string, unknown>;
  const text = typeof message === "string" ? message : String(thrown);
  if (overloaded === true) {
    return new PierheadError(`the coordinator is overloaded, nothing was executed: ${text}`, {
      code: "53300", status: "refused", blame: "pierhead", retry: "doNot", cause: thrown,
    });
  }
  const transient = retryable === true ? " (transient)" : "";
  return unknownOutcome(`the call broke off${transient}: ${text}`, "pierhead", thrown);
}

/** The error of an outcome that is not "completed", with what the database reported, if it did. */
export function outcomeError(
  outcome: Outcome,
  reported: Reported | undefined,
  statement: number,
): PierheadError {
  const facts = { ...outcome, code: outcome.sqlstate };
  if (reported !== undefined) return new DatabaseError(reported, facts, statement);
  return new PierheadError(outcome.message || `the call ended as ${outcome.status}`, facts);
}

/** The call was ended by its `AbortSignal`, whose reason is the `cause`. */
export class AbortError extends PierheadError {
  override readonly name: string = "AbortError";

  constructor(message: string, status: "refused" | "outcomeUnknown" | "rolledBack", cause: unknown) {
    const retry = status === "outcomeUnknown" ? "ifIdempotent" : "safe";
    super(message, { code: "57014", status, blame: "caller", retry, cause });
  }
}
