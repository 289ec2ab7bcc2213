import type { DatabaseError as Reported } from "pg-protocol";
import { Parser } from "pg-protocol/dist/parser.js";
import type {
  BackendMessage, CommandCompleteMessage, DataRowMessage, Field, ReadyForQueryMessage, RowDescriptionMessage,
} from "pg-protocol/dist/messages.js";

import { tooLarge, unknownOutcome } from "./errors.js";
import { RESULT_BYTES_MAX } from "./limits.js";
import type { Group, Planned } from "./statement.js";
import { type Parse, type TypeOverrides, parserOf } from "./types.js";

export type { Field };

/** What a statement gave; the fields are those of `pg`'s results. */
export interface QueryResult<Row = Record<string, unknown>> {
  rows: Row[];
  /** Rows touched; `null` for a command that counts none. */
  rowCount: number | null;
  /** The first word of the command's tag, such as `SELECT`. */
  command: string;
  fields: Field[];
}

/** What the statements up to one Sync gave. */
export interface GroupResult {
  results: QueryResult<any>[];
  error?: { reported: Reported; statement: number };
  /** Whether its end has been reached. */
  ended: boolean;
}

/** A statement's rows in the making. */
interface Reading {
  result: QueryResult<any>;
  read: (values: (string | null)[]) => unknown;
}

/** Reads backend messages, cut anywhere, into the results of the groups that were sent. */
export class ResultReader {
  readonly groups: GroupResult[];
  /** What the newest ReadyForQuery said: `I` idle, `T` in a transaction, `E` in a failed one. */
  transaction = "I";
  /** Rows are taken out by {@link takeRows}: no bound on all of them. */
  readonly #streaming: boolean;
  readonly #plan: readonly Group[];
  readonly #types: TypeOverrides | undefined;
  readonly #parser = new Parser();
  #group = 0;
  #statement = 0;
  #reading: Reading | undefined;
  #bytes = 0;
  #sinceMessage = 0;

  constructor(plan: readonly Group[], types: TypeOverrides | undefined, streaming: boolean) {
    this.#plan = plan;
    this.#types = types;
    this.#streaming = streaming;
    this.groups = plan.map(() => ({ results: [], ended: false }));
  }

  push(data: Uint8Array): void {
    this.#bytes += data.length;
    this.#sinceMessage += data.length;
    // The rest is read to learn the outcome, not to keep it.
    if (this.isTooLarge) for (const { results } of this.groups) for (const r of results) r.rows = [];
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    this.#parser.parse(bytes, (message) => this.#take(message));
    if (this.#sinceMessage > RESULT_BYTES_MAX) throw tooLarge(RESULT_BYTES_MAX);
  }

  /** Whether more came than is kept. */
  get isTooLarge(): boolean {
    return !this.#streaming && this.#bytes > RESULT_BYTES_MAX;
  }

  /** The rows that have arrived of the only statement. */
  takeRows(): unknown[] {
    const result = this.#reading?.result ?? this.groups[0]?.results.at(-1);
    return result === undefined ? [] : result.rows.splice(0);
  }

  #take(message: BackendMessage): void {
    this.#sinceMessage = 0;
    switch (message.name) {
      case "rowDescription":
        return this.#describe((message as unknown as RowDescriptionMessage).fields);
      case "noData":
        return this.#describe([]);
      case "dataRow":
        return this.#row((message as unknown as DataRowMessage).fields);
      case "commandComplete":
        return this.#complete((message as unknown as CommandCompleteMessage).text);
      case "emptyQuery":
        return this.#complete("");
      case "error":
        return this.#error(message as unknown as Reported);
      case "readyForQuery":
        return this.#ready((message as unknown as ReadyForQueryMessage).status);
      // What COPY TO STDOUT sends has no place in rows; its tag counts it.
      case "parseComplete": case "bindComplete": case "closeComplete": case "notice":
      case "copyInResponse": case "copyOutResponse": case "copyData": case "copyDone":
        return;
      default:
        throw malformed("a message that answers nothing");
    }
  }

  get #current(): Planned {
    const statement = this.#plan[this.#group]?.[this.#statement];
    if (statement === undefined) throw malformed("more replies than statements");
    return statement;
  }

  #describe(fields: Field[]): void {
    const { types = this.#types, rowMode } = this.#current;
    const result = { rows: [], rowCount: null, command: "", fields };
    const parsers = fields.map((field) => parserOf(types, field.dataTypeID));
    const read = rowMode === "array" ? arrayReader(parsers) : objectReader(fields, parsers);
    this.#reading = { result, read };
  }

  #row(values: (string | null)[]): void {
    if (this.#current.hidden || this.isTooLarge) return;
    if (this.#reading === undefined) throw malformed("a row came first");
    if (values.length !== this.#reading.result.fields.length) throw malformed("a row of other columns");
    this.#reading.result.rows.push(this.#reading.read(values));
  }

  #complete(tag: string): void {
    const [, command = "", first, second] = /^([A-Za-z]+)(?: (\d+))?(?: (\d+))?/.exec(tag) ?? [];
    const count = second ?? first;
    const result = this.#reading?.result ?? { rows: [], fields: [] };
    const rowCount = count === undefined ? null : Number(count);
    // A hidden command's result keeps its place: that of COMMIT tells what became of it.
    this.groups[this.#group]?.results.push(Object.assign(result, { command, rowCount }));
    this.#reading = undefined;
    this.#statement += 1;
  }

  #error(reported: Reported): void {
    const group = this.groups[Math.min(this.#group, this.groups.length - 1)];
    // A second error tells of the end of the session, the first one of its reason.
    if (group !== undefined) group.error ??= { reported, statement: this.#statement };
    this.#reading = undefined;
  }

  #ready(transaction: string): void {
    const group = this.groups[this.#group];
    if (group === undefined) throw malformed("more ends than were asked for");
    const done = group.results.length === this.#plan[this.#group]?.length;
    if (!done && group.error === undefined) throw malformed("not every statement was answered");
    group.ended = true;
    this.transaction = transaction;
    this.#group += 1;
    this.#statement = 0;
  }
}

function arrayReader(parsers: readonly Parse[]): Reading["read"] {
  return (values) => values.map((value, i) => (value === null ? null : parsers[i]!(value)));
}

function objectReader(fields: readonly Field[], parsers: readonly Parse[]): Reading["read"] {
  const names = fields.map((field) => field.name);
  // Assigned to, this name would change the object's kind.
  const odd = names.includes("__proto__");
  return (values) => {
    const row: Record<string, unknown> = odd ? Object.create(null) : {};
    for (let i = 0; i < names.length; i++) {
      const value = values[i]!;
      row[names[i]!] = value === null ? null : parsers[i]!(value);
    }
    return row;
  };
}

function malformed(problem: string): Error {
  return unknownOutcome(`the answer is malformed: ${problem}`, "pierhead");
}
