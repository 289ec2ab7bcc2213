import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { variableOf } from "./init.js";
import { Problem } from "./project.js";

/** What `dev` is told. */
export interface DevOptions {
  readonly database: string | undefined;
  readonly name: string;
  readonly port: string;
  readonly sessionPort: string | undefined;
}

/** A compatibility date that the coordinator is tested with. */
const COMPATIBILITY_DATE = "2026-11-01";

/** Runs workerd with the coordinator until it is stopped; gives its exit code. */
export async function dev(options: DevOptions): Promise<number> {
  const { url, password } = target(options.database);
  const variable = variableOf(options.name);
  const [port, sessionPort] = [checkedPort(options.port), options.sessionPort && checkedPort(options.sessionPort)];
  const directory = mkdtempSync(join(tmpdir(), "pierhead-dev-"));
  try {
    const config = join(directory, "config.capnp");
    for (const file of ["index.js", "index_bg.wasm"]) copyFileSync(built(file), join(directory, file));
    const variables = { [variable]: url, ...(password && { [`${variable}_PASSWORD`]: password }) };
    // Only its owner may read it: it holds the password.
    writeFileSync(config, capnp(variables, port, sessionPort || undefined), { mode: 0o600 });
    const child = spawn(workerd(), ["serve", config], { stdio: "inherit" });
    const stop = () => child.kill("SIGKILL");
    process.once("SIGINT", stop).once("SIGTERM", stop);
    const { username, pathname } = new URL(url);
    console.log(`psql "postgres://${username}@127.0.0.1:${port}/${options.name}"   (database ${pathname.slice(1)})`);
    return await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => resolve(signal === null ? (code ?? 1) : 0));
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The URL without its password, and the password. */
function target(given: string | undefined): { url: string; password: string } {
  if (given === undefined || !URL.canParse(given)) {
    throw new Problem("name a database: --database postgres://user:password@host:5432/database, or PIERHEAD_DATABASE");
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
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Problem(`"${text}" is no port`);
  return port;
}

/** A file of the coordinator, which stands beside this program in the package. */
function built(file: string): string {
  return join(dirname(fileURLToPath(import.meta.url)), "coordinator", file);
}

/** workerd comes with wrangler. */
function workerd(): string {
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

function capnp(variables: Record<string, string>, port: number, sessionPort: number | undefined): string {
  const bindings = Object.entries(variables).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`);
  const socket = (name: string, at: number, props: object) =>
    `(name = "${name}", address = "127.0.0.1:${at}", tcp = (), service = (name = "pierhead", entrypoint = "Gateway", ` +
    `props = (json = ${text(JSON.stringify(props))})))`;
  const sockets = [socket("postgres", port, {})];
  if (sessionPort !== undefined) sockets.push(socket("session", sessionPort, { mode: "session" }));
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "pierhead", worker = .pierhead),
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
`;
}

/** A text literal of Cap'n Proto. */
function text(value: string): string {
  return `"${value.replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n")}"`;
}
