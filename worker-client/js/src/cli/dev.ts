import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { DEV_FILE, type Running } from "../development.js";
import { variableOf } from "./init.js";
import { parse } from "./parser.js";
import { startPostgres } from "./postgres.js";
import { Problem } from "./project.js";
import { secretsOf, target } from "./target.js";
import { type Ports, serve } from "./workerd.js";

/** What `dev` is told. */
export interface DevOptions {
  readonly database: string | undefined;
  readonly name: string;
  /** 0: any that is free. */
  readonly port: string;
  readonly sessionPort: string | undefined;
  /** Used where the database's URL lists `tunnel=agent`. */
  readonly agentPort: string;
}

/** What `wrangler dev --env-file` reads; beside {@link DEV_FILE}. */
const ENV_FILE = join(dirname(DEV_FILE), "dev.env");
/** What ends it. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs workerd with the coordinator until it is stopped; gives its exit code. */
export async function dev(options: DevOptions): Promise<number> {
  const variable = variableOf(options.name);
  // Caught from the beginning: what is started here is ended here.
  const stopped = new AbortController();
  for (const signal of SIGNALS) process.on(signal, () => stopped.abort());
  const [port, agentPort] = [checkedPort(options.port), checkedPort(options.agentPort)];
  const sessionPort = options.sessionPort === undefined ? undefined : checkedPort(options.sessionPort);
  const postgres = options.database === undefined ? await startPostgres() : undefined;
  const directory = mkdtempSync(join(tmpdir(), "pierhead-dev-"));
  try {
    const { url, tunnels, password } = target(options.database ?? postgres!.url);
    const variables = { ...secretsOf(variable, process.env), ...(password && { [`${variable}_PASSWORD`]: password }), [variable]: url.href };
    const [problem] = parse(variables, "here").problems;
    if (problem !== undefined) throw new Problem(problem);
    const token = randomBytes(32).toString("hex");
    const parts = { variables, token, port, sessionPort, agentPort: tunnels.includes("agent") ? agentPort : undefined };
    return await serve(directory, parts, stopped.signal, (ports) => {
      const running = { port: ports["door"]!, token, databases: [options.name], pid: process.pid };
      const local = `postgres://${url.username}@127.0.0.1:${ports["postgres"]}/${options.name}`;
      const forget = announce(process.cwd(), running, `${variable}="${local}?tls=off"\n`);
      console.log(said(options.name, url, local, ports).join("\n"));
      return forget;
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
    await postgres?.stop();
  }
}

/** What there is to be used, a line each. */
function said(name: string, { pathname }: URL, local: string, ports: Ports): string[] {
  const agents = ports["agents"];
  return [
    `psql "${local}"   (database ${pathname.slice(1)})`,
    `connect(undefined, "${name}") in Node, in ${process.cwd()} and below`,
    `npx wrangler dev --env-file ${ENV_FILE}   for this directory's Worker`,
    ...(agents === undefined ? [] : [`agents dial in at ws://127.0.0.1:${agents}, which is their PIERHEAD_URL`]),
  ];
}

/** Writes where the coordinator is; gives what takes it back. */
function announce(project: string, running: Running, variables: string): () => void {
  const [file, variablesFile] = [join(project, DEV_FILE), join(project, ENV_FILE)];
  mkdirSync(dirname(file), { recursive: true });
  // Nothing in it is to be kept, nor to be shared.
  writeFileSync(join(dirname(file), ".gitignore"), "*\n");
  writeFileSync(variablesFile, variables, { mode: 0o600 });
  // Whoever reads it finds all of it or nothing.
  const whole = `${file}.${running.pid}`;
  writeFileSync(whole, JSON.stringify(running), { mode: 0o600 });
  renameSync(whole, file);
  return () => {
    // Another run may have taken its place.
    const text = existsSync(file) ? readFileSync(file, "utf8") : "";
    if (text.includes(running.token)) for (const mine of [file, variablesFile]) rmSync(mine, { force: true });
  };
}

function checkedPort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Problem(`"${text}" is no port`);
  return port;
}
