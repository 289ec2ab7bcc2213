import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

import { DEV_FILE, type Running } from "../development.js";
import { variableOf } from "./init.js";
import { endsWithMe } from "./leash.js";
import { startPostgres } from "./postgres.js";
import { Problem } from "./project.js";

/** What `dev` is told. */
export interface DevOptions {
  readonly database: string | undefined;
  readonly name: string;
  /** 0: any that is free. */
  readonly port: string;
  readonly sessionPort: string | undefined;
}

/** A compatibility date that the coordinator is tested with. */
const COMPATIBILITY_DATE = "2026-11-01";
/** workerd's configuration. */
const CONFIG = "config.capnp";
/** What ends it. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs workerd with the coordinator until it is stopped; gives its exit code. */
export async function dev(options: DevOptions): Promise<number> {
  const variable = variableOf(options.name);
  // Caught from the beginning: what is started here is ended here.
  const stopped = new AbortController();
  for (const signal of SIGNALS) process.on(signal, () => stopped.abort());
  const [port, sessionPort] = [checkedPort(options.port), options.sessionPort === undefined ? undefined : checkedPort(options.sessionPort)];
  const postgres = options.database === undefined ? await startPostgres() : undefined;
  const directory = mkdtempSync(join(tmpdir(), "pierhead-dev-"));
  try {
    const { url, password } = target(options.database ?? postgres!.url);
    const token = randomBytes(32).toString("hex");
    const variables = { [variable]: url, ...(password && { [`${variable}_PASSWORD`]: password }) };
    for (const file of ["index.js", "index_bg.wasm", "dev.js"]) copyFileSync(built(file), join(directory, file));
    // Only its owner may read it: it holds the password.
    writeFileSync(join(directory, CONFIG), capnp({ variables, token, port, sessionPort }), { mode: 0o600 });
    const { username, pathname } = new URL(url);
    return await serve(directory, stopped.signal, (ports) => {
      const running = { port: ports["door"]!, token, databases: [options.name], pid: process.pid };
      const forget = announce(process.cwd(), running);
      console.log(`psql "postgres://${username}@127.0.0.1:${ports["postgres"]}/${options.name}"   (database ${pathname.slice(1)})`);
      console.log(`connect(undefined, "${options.name}") in Node, in ${process.cwd()} and below`);
      return forget;
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
    await postgres?.stop();
  }
}

/** Ports by the names of their sockets. */
type Ports = Readonly<Record<string, number>>;

/** Runs workerd; calls `ready` when it listens, and what that gives at the end. */
async function serve(directory: string, stop: AbortSignal, ready: (ports: Ports) => () => void): Promise<number> {
  if (stop.aborted) return 0;
  // The third descriptor carries its reports alone.
  const child = spawn(workerd(), ["serve", "--control-fd=3", join(directory, CONFIG)], {
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  endsWithMe(child, "KILL", directory);
  stop.addEventListener("abort", () => child.kill("SIGKILL"));
  let forget: (() => void) | undefined;
  const ports: Record<string, number> = {};
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => resolve(signal === null ? (code ?? 1) : 0));
      createInterface({ input: child.stdio[3] as Readable }).on("line", (line) => {
        const { event, socket, port } = JSON.parse(line) as { event?: string; socket?: string; port?: number };
        if (event !== "listen") return;
        ports[socket!] = port!;
        try {
          if ("postgres" in ports && "door" in ports) forget ??= ready(ports);
        } catch (error) {
          reject(error);
          child.kill("SIGKILL");
        }
      });
    });
    if (code !== 0 && forget === undefined) throw new Problem("workerd did not start: is the port taken? --port names another, 0 any");
    return code;
  } finally {
    forget?.();
  }
}

/** Writes where the coordinator is; gives what takes it back. */
function announce(project: string, running: Running): () => void {
  const file = join(project, DEV_FILE);
  mkdirSync(dirname(file), { recursive: true });
  // Nothing in it is to be kept, nor to be shared.
  writeFileSync(join(dirname(file), ".gitignore"), "*\n");
  // Whoever reads it finds all of it or nothing.
  const whole = `${file}.${running.pid}`;
  writeFileSync(whole, JSON.stringify(running), { mode: 0o600 });
  renameSync(whole, file);
  return () => {
    // Another run may have taken its place.
    const text = existsSync(file) ? readFileSync(file, "utf8") : "";
    if (text.includes(running.token)) rmSync(file);
  };
}

/** The URL without its password, and the password. */
function target(given: string): { url: string; password: string } {
  if (!URL.canParse(given)) {
    throw new Problem("the database is no URL: --database postgres://user:password@host:5432/database, or PIERHEAD_DATABASE");
  }
  const url = new URL(given);
  const password = decodeURIComponent(url.password);
  url.password = "";
  if (!url.searchParams.has("tunnel")) url.searchParams.set("tunnel", "direct");
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (!url.searchParams.has("tls") && local) url.searchParams.set("tls", "off");
  return { url: url.href, password };
}

function checkedPort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Problem(`"${text}" is no port`);
  return port;
}

/** A file of the coordinator, which stands beside this program in the package. */
function built(file: string): string {
  return join(dirname(fileURLToPath(import.meta.url)), "coordinator", file);
}

/** workerd comes with wrangler; `PIERHEAD_WORKERD` names another. */
function workerd(): string {
  const given = process.env["PIERHEAD_WORKERD"];
  if (given) return given;
  for (const from of [join(process.cwd(), "package.json"), import.meta.url]) {
    try {
      const path: unknown = createRequire(from)("workerd");
      const program = (path as { default?: unknown }).default ?? path;
      if (typeof program === "string") return program;
    } catch {
      // Not there; the next place.
    }
  }
  throw new Problem("workerd is not installed: npm install --save-dev wrangler");
}

interface Parts {
  readonly variables: Record<string, string>;
  readonly token: string;
  readonly port: number;
  readonly sessionPort: number | undefined;
}

function capnp({ variables, token, port, sessionPort }: Parts): string {
  const bindings = Object.entries(variables).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`);
  const socket = (name: string, at: number, props: object) =>
    `(name = "${name}", address = "127.0.0.1:${at}", tcp = (), service = (name = "pierhead", entrypoint = "Gateway", ` +
    `props = (json = ${text(JSON.stringify(props))})))`;
  const sockets = [socket("postgres", port, {})];
  if (sessionPort !== undefined) sockets.push(socket("session", sessionPort, { mode: "session" }));
  sockets.push('(name = "door", address = "127.0.0.1:0", tcp = (), service = "door")');
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "pierhead", worker = .pierhead),
    (name = "door", worker = .door),
    (name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
  ],
  sockets = [${sockets.join(", ")}],
);
const pierhead :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "index.js"),
    (name = "index_bg.wasm", wasm = embed "index_bg.wasm"),
  ],
  compatibilityDate = "${COMPATIBILITY_DATE}",
  bindings = [(name = "PIERHEAD", durableObjectNamespace = "Pierhead"), ${bindings.join(", ")}],
  durableObjectNamespaces = [(className = "Pierhead", uniqueKey = "pierhead-dev", enableSql = true)],
  durableObjectStorage = (inMemory = void),
);
const door :Workerd.Worker = (
  modules = [(name = "dev.js", esModule = embed "dev.js")],
  compatibilityDate = "${COMPATIBILITY_DATE}",
  bindings = [
    (name = "TOKEN", text = ${text(token)}),
    (name = "GATEWAY", service = (name = "pierhead", entrypoint = "Gateway")),
  ],
);
`;
}

/** A text literal of Cap'n Proto. */
function text(value: string): string {
  return `"${value.replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n")}"`;
}
