import { serialize } from "pg-protocol";

import { callError } from "./errors.js";
import { PARAMS_MAX, PROTOCOL_BYTES_MAX } from "./limits.js";
import { type Param, toParam } from "./params.js";
import { Sql } from "./sql.js";
import type { TypeOverrides } from "./types.js";

/** A statement with its parameters and how its rows shall look; the names are those of `pg`. */
export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[] | undefined;
  /** Rows as arrays, for columns of the same name; objects unless given. */
  readonly rowMode?: "array" | "object" | undefined;
  /** How values are read, for this statement. */
  readonly types?: TypeOverrides | undefined;
}

/** Whatever can be run as a statement. */
export type StatementLike = string | Sql | Statement;

/** A statement on its way, or a command of our own around it, whose reply nobody wants. */
export interface Planned extends Statement {
  readonly hidden?: boolean;
}

/** Statements up to one Sync: they are one transaction, unless one is open already. */
export type Group = readonly Planned[];

export function toStatement(given: StatementLike, values?: readonly unknown[]): Statement {
  if (typeof given === "string") return { text: given, values };
  if (given instanceof Sql) return { text: given.text, values: given.values };
  if (typeof given?.text !== "string") {
    throw callError("a statement is a text, what sql`…` makes, or an object with a text");
  }
  return values === undefined ? given : { ...given, values };
}

/** A command of our own. */
export function hidden(text: string, values: readonly unknown[] = []): Planned {
  return { text, values, hidden: true };
}

/** Settings that end with the transaction, made by one statement. */
export function settingsStatement(settings: Readonly<Record<string, string>>): Planned {
  const names = Object.keys(settings);
  const calls = names.map((_, i) => `set_config($${2 * i + 1}, $${2 * i + 2}, true)`);
  return hidden(`select ${calls.join(", ")}`, names.flatMap((name) => [name, settings[name]]));
}

/** The messages of all groups, each with its Sync. */
export function encodeGroups(groups: readonly Group[]): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (const group of groups) {
    for (const statement of group) encodeStatement(statement, out);
    out.push(serialize.sync());
  }
  const bytes = out.reduce((sum, message) => sum + message.length, 0);
  if (bytes > PROTOCOL_BYTES_MAX) {
    throw callError(
      `the statements and parameters have ${bytes} bytes, at most ${PROTOCOL_BYTES_MAX}`,
      "send them in several calls",
    );
  }
  return out;
}

function encodeStatement(statement: Planned, out: Uint8Array[]): void {
  const { text, values = [] } = statement;
  if (text.includes("\0")) throw callError("a statement contains a NUL character");
  if (values.length > PARAMS_MAX) {
    const count = `a statement has ${values.length} parameters, at most ${PARAMS_MAX}`;
    throw callError(count, "pass arrays and unnest them");
  }
  out.push(serialize.parse({ text }));
  out.push(serialize.bind({ values: values.map(param) }));
  if (!statement.hidden) out.push(serialize.describe({ type: "P" }));
  out.push(serialize.execute());
}

function param(value: unknown, index: number): Param {
  let param: Param;
  try {
    param = toParam(value);
  } catch (cause) {
    // The reason may quote the value.
    const kind = typeof value;
    throw callError(`parameter $${index + 1} (a value of type ${kind}) cannot be sent: ${reason(cause)}`);
  }
  if (typeof param === "string" && param.includes("\0")) {
    throw callError(`parameter $${index + 1} contains a NUL character`, "text in PostgreSQL has none");
  }
  return param;
}

function reason(thrown: unknown): string {
  return thrown instanceof TypeError ? thrown.message : "its conversion failed";
}

/** The words that begin, end or split a transaction, which a batch does by itself. */
const CONTROL = /^(abort|begin|commit|end|release|rollback|savepoint|start|prepare\s+transaction)\b/i;

/** The keyword with which a statement would control its transaction, if it does. */
export function transactionControl(text: string): string | undefined {
  return CONTROL.exec(skipBlanks(text))?.[1]?.toLowerCase();
}

/** The text behind white space, comments and empty statements. */
function skipBlanks(text: string): string {
  let rest = text;
  for (;;) {
    rest = rest.replace(/^[\s;]+/, "");
    if (rest.startsWith("--")) {
      const end = rest.search(/[\r\n]/);
      rest = end < 0 ? "" : rest.slice(end);
    } else if (rest.startsWith("/*")) rest = afterComment(rest);
    else return rest;
  }
}

/** The text behind the comment that it begins with. Such comments nest. */
function afterComment(text: string): string {
  const marks = /\/\*|\*\//g;
  let depth = 0;
  for (let mark; (mark = marks.exec(text)) !== null; ) {
    depth += mark[0] === "/*" ? 1 : -1;
    if (depth === 0) return text.slice(marks.lastIndex);
  }
  return "";
}
