import { parse } from "./parser.js";
import { type Project, bindingOf, exportsClass, hasBuffer, hasMigration } from "./project.js";

/** What is wrong with a configuration, in words, each with what to do. */
export function check(project: Project): string[] {
  const { config, file, main, mainText } = project;
  const problems: string[] = [];
  const binding = bindingOf(config);
  const gateway = config.services?.find(({ entrypoint }) => entrypoint === "Gateway");
  if (binding === undefined && gateway === undefined) {
    problems.push(`${file} binds neither the class Pierhead nor the entrypoint Gateway: run \`npx pierhead init\``);
  }
  if (!hasBuffer(config)) {
    problems.push(`Node's Buffer is not there: set compatibility_date to 2026-08-04 or later, or add the flag nodejs_compat`);
  }
  // With a script_name, or only a gateway, the coordinator is another Worker's.
  if (binding === undefined || binding.script_name !== undefined) return problems;
  if (!hasMigration(config)) {
    problems.push(`no migration makes the class Pierhead: add one with new_sqlite_classes = ["Pierhead"]`);
  }
  if ((config.migrations ?? []).some(({ new_classes = [] }) => new_classes.includes("Pierhead"))) {
    problems.push(`a migration makes Pierhead by new_classes: it needs new_sqlite_classes`);
  }
  if (main === undefined) problems.push(`"main" of ${file} names no file`);
  else if (!exportsClass(mainText)) {
    problems.push(`${main} does not export the class: add  export { Gateway, Pierhead } from "pierhead/coordinator"`);
  }
  const { databases, problems: said } = parse(config.vars ?? {}, "elsewhere");
  if (databases === 0) {
    problems.push(`no database is configured: set PIERHEAD_DB_MAIN = "postgres://user@host:5432/database?…" in vars`);
  }
  return [...problems, ...said];
}
