// An empty PostgreSQL for `pierhead dev`, out of what is installed, gone at the end.

import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

import { endsWithMe } from "./leash.js";
import { Problem } from "./project.js";

/** A server that runs. */
export interface Postgres {
  /** With its password. */
  readonly url: string;
  /** Ends it, and removes its files. */
  stop(): Promise<void>;
}

/** Where Debian's packages are, one directory a version. */
const PACKAGED = "/usr/lib/postgresql";
/** Milliseconds for a start, which takes a second; a busy machine may need more. */
const START_TIME = 60_000;
/** A crash of the machine may spoil what is thrown away anyway. */
const CARELESS = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];

/** Makes a cluster and starts it on a free port of loopback. */
export async function startPostgres(): Promise<Postgres> {
  const bin = installation();
  const directory = mkdtempSync(join(tmpdir(), "pierhead-postgres-"));
  const user = serverUser();
  try {
    const [data, passwordFile] = [join(directory, "data"), join(directory, "password")];
    const password = randomBytes(16).toString("hex");
    writeFileSync(passwordFile, password, { mode: 0o600 });
    for (const path of [directory, passwordFile]) if (user !== undefined) chownSync(path, user.uid, user.gid);
    chmodSync(directory, 0o700);
    const how = { env: { ...process.env, LC_ALL: "C" }, cwd: "/", ...user };
    await promisify(execFile)(join(bin, "initdb"), [
      "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "--auth=scram-sha-256",
      "--pgdata", data, "--pwfile", passwordFile,
    ], how);
    rmSync(passwordFile);
    const port = await freePort();
    const settings = ["listen_addresses=127.0.0.1", `port=${port}`, "unix_socket_directories=", ...CARELESS];
    // In a group of its own: an interrupt from the terminal reaches it through `stop`.
    const server = spawn(join(bin, "postgres"), ["-D", data, ...settings.flatMap((setting) => ["-c", setting])], {
      ...how, stdio: ["ignore", "ignore", "pipe"], detached: true,
    });
    endsWithMe(server, "QUIT", directory);
    await started(server, join(data, "postmaster.pid"));
    const stop = async () => {
      await ended(server);
      rmSync(directory, { recursive: true, force: true });
    };
    return { url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`, stop };
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    if (error instanceof Problem) throw error;
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new Problem(`PostgreSQL in ${bin} does not start: ${(stderr || message).trim()}\n${NAME_ONE}`);
  }
}

const NAME_ONE =
  "name a database instead: --database postgres://user:password@host:5432/database, or PIERHEAD_DATABASE";

/** The directory of its programs. */
function installation(): string {
  const given = process.env["PIERHEAD_PG_BIN"];
  const has = (directory: string) => ["initdb", "postgres"].every((program) => existsSync(join(directory, program)));
  if (given) {
    if (has(given)) return given;
    throw new Problem(`PIERHEAD_PG_BIN is ${given}, where initdb and postgres are not both`);
  }
  const versions = existsSync(PACKAGED) ? readdirSync(PACKAGED).sort((a, b) => Number(b) - Number(a)) : [];
  const places = [
    ...(process.env["PATH"] ?? "").split(delimiter).filter(Boolean),
    ...versions.map((version) => join(PACKAGED, version, "bin")),
  ];
  const found = places.find(has);
  if (found !== undefined) return found;
  throw new Problem(
    `no PostgreSQL is installed here: install the package postgresql, or name the directory of initdb in PIERHEAD_PG_BIN, or ${NAME_ONE}`,
  );
}

/** PostgreSQL refuses to run as root: then it is `postgres`, where a package has made it, or `nobody`. */
function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string, name: string) => Number(execFileSync("id", [flag, name], { stdio: ["ignore", "pipe", "ignore"] }));
  for (const name of ["postgres", "nobody"]) {
    try {
      return { uid: id("-u", name), gid: id("-g", name) };
    } catch {
      // There is no such user; the next one.
    }
  }
  throw new Problem(`PostgreSQL does not run as root, and there is no user "postgres" or "nobody": ${NAME_ONE}`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The eighth line of its file says when it takes connections. */
async function started(server: ChildProcess, file: string): Promise<void> {
  let said = "";
  server.stderr!.on("data", (bytes) => (said = (said + bytes).slice(-2_000)));
  let failure: Error | undefined;
  server.once("error", (error) => (failure = error));
  for (const end = Date.now() + START_TIME; Date.now() < end; await sleep(50)) {
    if (failure !== undefined) throw failure;
    if (server.exitCode !== null || server.signalCode !== null) throw new Error(said || "it ended");
    const line = existsSync(file) ? readFileSync(file, "utf8").split("\n")[7] : undefined;
    if (line?.trim() === "ready") return;
  }
  await ended(server);
  throw new Error(`it was not ready in ${START_TIME / 1_000} s`);
}

/** At once: nothing of it is kept. */
async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exit = new Promise((resolve) => server.once("exit", resolve));
  server.kill("SIGQUIT");
  await exit;
}
