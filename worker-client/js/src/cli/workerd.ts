// workerd with the coordinator in it, and with the sockets of `pierhead dev`.

import { spawn } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

import { endsWithMe } from "./leash.js";
import { COMPATIBILITY_DATE, Problem } from "./project.js";

/** What workerd is to run. */
export interface Parts {
  /** The coordinator's variables and secrets. */
  readonly variables: Readonly<Record<string, string>>;
  /** What programs in Node present at the door. */
  readonly token: string;
  /** Ports of 127.0.0.1, each 0 for any that is free: for clients with a session for a transaction. */
  readonly port: number;
  /** For clients with a session of their own. */
  readonly sessionPort: number | undefined;
  /** For agents. */
  readonly agentPort: number | undefined;
}

/** Ports by the names of their sockets. */
export type Ports = Readonly<Record<string, number>>;

/** workerd's configuration. */
const CONFIG = "config.capnp";

/**
 * Runs workerd in a directory made for it, until it is stopped; gives its exit code. Calls `ready` when it
 * listens, and what that gives at the end.
 */
export async function serve(directory: string, parts: Parts, stop: AbortSignal, ready: (ports: Ports) => () => void): Promise<number> {
  if (stop.aborted) return 0;
  for (const file of ["index.js", "index_bg.wasm", "dev.js"]) copyFileSync(built(file), join(directory, file));
  // Only its owner may read it: it holds the password.
  writeFileSync(join(directory, CONFIG), capnp(parts), { mode: 0o600 });
  // The third descriptor carries its reports alone.
  const child = spawn(workerd(), ["serve", "--control-fd=3", join(directory, CONFIG)], {
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  endsWithMe(child, "KILL", directory);
  stop.addEventListener("abort", () => child.kill("SIGKILL"));
  const wanted = Object.keys(sockets(parts));
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
          if (wanted.every((name) => name in ports)) forget ??= ready(ports);
        } catch (error) {
          reject(error);
          child.kill("SIGKILL");
        }
      });
    });
    if (code !== 0 && forget === undefined) {
      throw new Problem("workerd did not start: is a port taken? --port, --session-port and --agent-port name others, 0 any");
    }
    return code;
  } finally {
    forget?.();
  }
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

/** The sockets by name, in the words of workerd's configuration. */
function sockets({ port, sessionPort, agentPort }: Parts): Record<string, string> {
  const at = (port: number, rest: string) => `address = "127.0.0.1:${port}", ${rest}`;
  const gateway = (props: object) =>
    `tcp = (), service = (name = "pierhead", entrypoint = "Gateway", props = (json = ${text(JSON.stringify(props))}))`;
  return {
    postgres: at(port, gateway({})),
    door: at(0, 'tcp = (), service = "door"'),
    ...(sessionPort !== undefined && { session: at(sessionPort, gateway({ mode: "session" })) }),
    ...(agentPort !== undefined && { agents: at(agentPort, 'http = (), service = "pierhead"') }),
  };
}

function capnp(parts: Parts): string {
  const bindings = Object.entries(parts.variables).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`);
  const listening = Object.entries(sockets(parts)).map(([name, rest]) => `(name = "${name}", ${rest})`);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "pierhead", worker = .pierhead),
    (name = "door", worker = .door),
    (name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
  ],
  sockets = [${listening.join(", ")}],
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
    (name = "TOKEN", text = ${text(parts.token)}),
    (name = "GATEWAY", service = (name = "pierhead", entrypoint = "Gateway")),
  ],
);
`;
}

/** A text literal of Cap'n Proto. */
function text(value: string): string {
  return `"${value.replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n")}"`;
}
