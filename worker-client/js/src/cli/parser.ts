// The coordinator's own parser of `PIERHEAD_DB_<NAME>`, which says here what it would say there.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** What is said of variables. */
export interface Said {
  /** How many databases they configure. */
  readonly databases: number;
  /** What is wrong with them, in words, each with what to do. */
  readonly problems: readonly string[];
}

/** The functions of `config/check`. */
interface Parser {
  put(byte: number): void;
  ask(): number;
  get(at: number): number;
}

/** Beside the bundled program, or beside the directory of its sources. */
const FILES = [".", ".."].map((above) => join(dirname(fileURLToPath(import.meta.url)), above, "check.wasm"));

/** The types here are those of Workers, which compile nothing while they run. */
const Module = WebAssembly.Module as unknown as new (bytes: Uint8Array) => WebAssembly.Module;

let parser: Parser | undefined;

/**
 * Looks at all variables of databases.
 *
 * @param secrets whether the secrets are among the variables, or elsewhere and so not missed
 */
export function parse(variables: Readonly<Record<string, unknown>>, secrets: "here" | "elsewhere"): Said {
  parser ??= new WebAssembly.Instance(new Module(readFileSync(FILES.find(existsSync) ?? FILES[0]!))).exports as unknown as Parser;
  // NUL stands between the parts, and is refused inside of a URL like any character that is none.
  const parts = Object.entries(variables).flat().map((part) => String(part).replaceAll("\0", "\x01"));
  for (const byte of Buffer.from([secrets, ...parts].join("\0"))) parser.put(byte);
  const { ask, get } = parser;
  const answer = Buffer.from(Array.from({ length: ask() }, (_, at) => get(at)));
  const [databases, ...problems] = answer.toString().split("\n");
  return { databases: Number(databases), problems };
}
