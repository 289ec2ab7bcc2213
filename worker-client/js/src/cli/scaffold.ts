import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

import { variableOf } from "./init.js";
import { COMPATIBILITY_DATE, configurationIn } from "./project.js";

const MAIN = "src/index.ts";

/** Makes a Worker where there is none, for `init` to complete; says what it made. */
export function scaffold(directory: string, database: string): string[] {
  if (configurationIn(directory) !== undefined) return [];
  // Refused before anything is written.
  variableOf(database);
  const config = { name: nameOf(directory), main: MAIN, compatibility_date: COMPATIBILITY_DATE };
  writeFileSync(join(directory, "wrangler.jsonc"), `${JSON.stringify(config, null, 2)}\n`);
  const main = join(directory, MAIN);
  if (existsSync(main)) return ["wrangler.jsonc: made"];
  mkdirSync(dirname(main), { recursive: true });
  writeFileSync(main, worker(database));
  return ["wrangler.jsonc: made", `${MAIN}: made`];
}

function worker(database: string): string {
  return `import { env } from "cloudflare:workers";
import { connect } from "pierhead";

const db = connect(env.PIERHEAD, "${database}");

export default {
  async fetch(): Promise<Response> {
    const [row] = await db.sql\`select current_database() as database, now() as at\`;
    return Response.json(row);
  },
};
`;
}

/** The project's name, as a Worker's may be written. */
function nameOf(directory: string): string {
  const manifest = join(directory, "package.json");
  const named: unknown = existsSync(manifest) ? JSON.parse(readFileSync(manifest, "utf8")).name : undefined;
  const name = typeof named === "string" ? named : basename(directory);
  const written = name.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 54).replace(/^-+|-+$/g, "");
  return written === "" ? "worker" : written;
}
