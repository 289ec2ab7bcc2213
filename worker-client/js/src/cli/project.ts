// A Worker's project: its configuration, in either format, and its entry file.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { type ParseError, parse as parseJsonc, printParseErrorCode } from "jsonc-parser";
import { parse as parseToml } from "smol-toml";

/** A failure that is the user's to mend; printed without a stack. */
export class Problem extends Error {}

/** What is read of a configuration. */
export interface Wrangler {
  name?: string;
  main?: string;
  compatibility_date?: string;
  compatibility_flags?: string[];
  vars?: Record<string, unknown>;
  durable_objects?: { bindings?: { name?: string; class_name?: string; script_name?: string }[] };
  migrations?: { tag?: string; new_sqlite_classes?: string[]; new_classes?: string[] }[];
  services?: { binding?: string; service?: string; entrypoint?: string }[];
}

/** A project as it is on disk. */
export interface Project {
  readonly file: string;
  readonly text: string;
  readonly config: Wrangler;
  /** The entry file; nothing if it does not exist. */
  readonly main: string | undefined;
  readonly mainText: string;
}

/** The compatibility date that the coordinator is tested with. */
export const COMPATIBILITY_DATE = "2026-11-01";
/** The names of a configuration, in the order in which wrangler looks for them. */
const NAMES = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"];
/** Since this date workerd has Node's Buffer without a flag. */
const NODE_SINCE = "2026-08-04";

/** The configuration of the Worker in a directory, if there is one. */
export function configurationIn(directory: string): string | undefined {
  return NAMES.map((name) => join(directory, name)).find((path) => existsSync(path));
}

export function readProject(directory: string): Project {
  const file = configurationIn(directory);
  if (file === undefined) {
    throw new Problem(`there is no wrangler.jsonc or wrangler.toml in ${directory}: run this in a Worker's project`);
  }
  const text = readFileSync(file, "utf8");
  const config = file.endsWith(".toml") ? readToml(file, text) : readJsonc(file, text);
  const path = config.main === undefined ? undefined : join(dirname(file), config.main);
  const main = path !== undefined && existsSync(path) ? path : undefined;
  return { file, text, config, main, mainText: main === undefined ? "" : readFileSync(main, "utf8") };
}

function readToml(file: string, text: string): Wrangler {
  try {
    return parseToml(text) as Wrangler;
  } catch (error) {
    throw new Problem(`${file} is not TOML: ${(error as Error).message}`);
  }
}

function readJsonc(file: string, text: string): Wrangler {
  const errors: ParseError[] = [];
  const config = parseJsonc(text, errors, { allowTrailingComma: true }) as Wrangler | undefined;
  const [first] = errors;
  if (first !== undefined) {
    const line = text.slice(0, first.offset).split("\n").length;
    throw new Problem(`${file}:${line} is not JSON with comments: ${printParseErrorCode(first.error)}`);
  }
  return config ?? {};
}

/** The binding of the class, if there is one. */
export function bindingOf(config: Wrangler) {
  return config.durable_objects?.bindings?.find(({ class_name }) => class_name === "Pierhead");
}

/** Whether a migration makes the class. */
export function hasMigration(config: Wrangler): boolean {
  return (config.migrations ?? []).some(({ new_sqlite_classes = [] }) => new_sqlite_classes.includes("Pierhead"));
}

/** Whether the entry exports the class. */
export function exportsClass(mainText: string): boolean {
  return /export\s*\{[^}]*\bPierhead\b[^}]*\}/.test(mainText) || /export\s+class\s+Pierhead\b/.test(mainText);
}

/** Whether Node's Buffer is there. */
export function hasBuffer(config: Wrangler): boolean {
  const flags = config.compatibility_flags ?? [];
  return flags.includes("nodejs_compat") || (config.compatibility_date ?? "") >= NODE_SINCE;
}
