import { writeFileSync } from "node:fs";
import { relative } from "node:path";

import { applyEdits, modify } from "jsonc-parser";

import { parse } from "./parser.js";
import { Problem, type Project, bindingOf, exportsClass, hasBuffer, hasMigration } from "./project.js";

const EXPORT = 'export { Gateway, Pierhead } from "pierhead/coordinator";\n';

/** What `init` is told. */
export interface InitOptions {
  /** The database's name. */
  readonly name: string;
  /** Its URL, without a password. */
  readonly url: string | undefined;
}

/** Something to add to a configuration: a path in it, and a value. */
interface Addition {
  readonly path: (string | number)[];
  readonly value: unknown;
}

/** Writes what is missing, and says what it did and what is left to do. */
export function init(project: Project, options: InitOptions): string[] {
  const said: string[] = [];
  const additions = missing(project, options);
  if (additions.length > 0) {
    const text = project.file.endsWith(".toml") ? appendToml(project, additions) : editJsonc(project, additions);
    writeFileSync(project.file, text);
    for (const { path } of additions) said.push(`${relative(".", project.file)}: added ${path.filter((p) => typeof p === "string").join(".")}`);
  }
  if (project.main === undefined) {
    throw new Problem(`"main" of ${project.file} names no file: name the Worker's entry, then run this again`);
  }
  if (!exportsClass(project.mainText)) {
    writeFileSync(project.main, EXPORT + project.mainText);
    said.push(`${relative(".", project.main)}: added the export of the coordinator's classes`);
  }
  if (said.length === 0) said.push("everything is there already");
  return [...said, "", ...left(project, options)];
}

function missing({ config }: Project, { name, url }: InitOptions): Addition[] {
  const out: Addition[] = [];
  if (bindingOf(config) === undefined) {
    const at = config.durable_objects?.bindings?.length ?? 0;
    out.push({ path: ["durable_objects", "bindings", at], value: { name: "PIERHEAD", class_name: "Pierhead" } });
  }
  if (!hasMigration(config)) {
    const migrations = config.migrations ?? [];
    const value = { tag: `pierhead-v${migrations.length + 1}`, new_sqlite_classes: ["Pierhead"] };
    out.push({ path: ["migrations", migrations.length], value });
  }
  if (!hasBuffer(config)) {
    out.push({ path: ["compatibility_flags"], value: [...(config.compatibility_flags ?? []), "nodejs_compat"] });
  }
  const variable = variableOf(name);
  if (url !== undefined && config.vars?.[variable] === undefined) {
    out.push({ path: ["vars", variable], value: checkedUrl(variable, url) });
  }
  return out;
}

function left({ config }: Project, { name, url }: InitOptions): string[] {
  const variable = variableOf(name);
  const known = url !== undefined || config.vars?.[variable] !== undefined;
  return [
    "Left to do:",
    ...(known ? [] : [`  set the variable ${variable} = "postgres://user@host:5432/database?tunnel=direct" (docs/configuration.md)`]),
    `  npx wrangler secret put ${variable}_PASSWORD`,
    `  and in the Worker:  const db = connect(env.PIERHEAD, "${name}")`,
  ];
}

export function variableOf(name: string): string {
  if (!/^[a-z][a-z0-9_]{0,31}$/.test(name)) {
    throw new Problem(`"${name}" is no database name: a lower-case letter, then up to 31 letters, digits or _`);
  }
  return `PIERHEAD_DB_${name.toUpperCase()}`;
}

function checkedUrl(variable: string, url: string): string {
  const [problem] = parse({ [variable]: url }, "elsewhere").problems;
  if (problem !== undefined) throw new Problem(problem);
  return url;
}

/** Edits in place: comments and layout stay. */
function editJsonc(project: Project, additions: readonly Addition[]): string {
  const formattingOptions = { insertSpaces: true, tabSize: 2, eol: "\n" };
  return additions.reduce((text, { path, value }) => {
    const isArrayInsertion = typeof path.at(-1) === "number";
    return applyEdits(text, modify(text, path, value, { formattingOptions, isArrayInsertion }));
  }, project.text);
}

/** Adds tables behind everything: nothing that is there is touched. */
function appendToml(project: Project, additions: readonly Addition[]): string {
  let { text } = project;
  let behind = "";
  for (const { path, value } of additions) {
    const [first] = path as [string];
    if (typeof path.at(-1) === "number") {
      const header = `[[${path.filter((part) => typeof part === "string").join(".")}]]`;
      const list = first === "migrations" ? project.config.migrations : project.config.durable_objects?.bindings;
      if (list !== undefined && !text.includes(header)) {
        throw new Problem(`${project.file} has ${first} in one line, where nothing can be added: write it as ${header} first`);
      }
      behind += `\n${header}\n${Object.entries(value as object).map(pair).join("")}`;
    } else if (path.length === 1) {
      text = setTop(text, first, value);
    } else {
      const header = `[${first}]`;
      const line = pair([String(path[1]), value]);
      const at = text.split("\n").findIndex((candidate) => candidate.trim().startsWith(header));
      if (at < 0) behind += `\n${header}\n${line}`;
      else text = [...text.split("\n").slice(0, at + 1), line.trimEnd(), ...text.split("\n").slice(at + 1)].join("\n");
    }
  }
  return `${text.trimEnd()}\n${behind}`;
}

/** A key before any table. */
function setTop(text: string, key: string, value: unknown): string {
  const line = pair([key, value]);
  const old = new RegExp(`^${key}\\s*=\\s*\\[[^\\]]*\\].*\\n?`, "m");
  if (old.test(text)) return text.replace(old, line);
  const table = text.search(/^\s*\[/m);
  return table < 0 ? `${text.trimEnd()}\n${line}` : `${text.slice(0, table)}${line}\n${text.slice(table)}`;
}

/** JSON's strings and lists are TOML's. */
function pair([key, value]: [string, unknown]): string {
  return `${key} = ${JSON.stringify(value)}\n`;
}
