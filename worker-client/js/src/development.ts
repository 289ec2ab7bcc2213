// A coordinator that is reached from Node, while `npx pierhead dev` runs on the same machine. The other
// side, and the frames, are in `coordinator/dev.mjs`.

import { readFileSync } from "node:fs";
import { type Socket, connect } from "node:net";
import { dirname, join } from "node:path";

import type { Coordinator, Lease, Open } from "./binding.js";
import { configError } from "./errors.js";
import { RESULT_BYTES_MAX } from "./limits.js";

/** What `npx pierhead dev` leaves in `.pierhead/dev.json` while it runs. */
export interface Running {
  /** Of 127.0.0.1. */
  readonly port: number;
  readonly token: string;
  readonly databases: readonly string[];
  /** The process whose end is the end of it all. */
  readonly pid: number;
}

/** Where {@link Running} is, below a project's directory. */
export const DEV_FILE = join(".pierhead", "dev.json");

const START = "start `npx pierhead dev` beside this program, in the same project";

/** Finds the running coordinator anew for each call: it may be started late, or once more. */
export function development(name: string): Open {
  return () => {
    const running = find(name);
    return new Visitor(running, name);
  };
}

/** Looks in the directory that `PIERHEAD_DEV` names, or else in this one and those above it. */
function find(name: string): Running {
  const given = process.env["PIERHEAD_DEV"];
  const running = given ? read(given) : above(process.cwd());
  if (running === undefined) {
    const where = given ? `PIERHEAD_DEV, ${given}` : `${process.cwd()} and above`;
    throw configError(
      `there is no binding for the database "${name}", and no \`npx pierhead dev\` runs: no ${DEV_FILE} in ${where}`,
      `${START}, or name the directory where it runs in PIERHEAD_DEV`,
    );
  }
  if (!isAlive(running.pid)) {
    throw configError(`the \`npx pierhead dev\` that served "${name}" runs no more`, START);
  }
  if (!running.databases.includes(name)) {
    const known = running.databases.join(", ");
    throw configError(`the running \`npx pierhead dev\` has no database "${name}"; it has ${known}`, `start it with --name ${name}`);
  }
  return running;
}

function above(from: string): Running | undefined {
  for (let directory = from; ; directory = dirname(directory)) {
    const running = read(directory);
    if (running !== undefined || directory === dirname(directory)) return running;
  }
}

function read(directory: string): Running | undefined {
  let text: string;
  try {
    text = readFileSync(join(directory, DEV_FILE), "utf8");
  } catch {
    return undefined;
  }
  try {
    const { port, token, databases, pid } = JSON.parse(text) as Running;
    const whole = Number.isInteger(port) && typeof token === "string" && Array.isArray(databases) && Number.isInteger(pid);
    if (whole) return { port, token, databases, pid };
  } catch {
    // Said below.
  }
  throw configError(`${join(directory, DEV_FILE)} is not what \`npx pierhead dev\` writes`, "stop it, and start it again");
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It lives, and is another user's.
    return (error as { code?: unknown }).code === "EPERM";
  }
}

/** One caller: a connection for its requests, and one for each lease. */
class Visitor implements Coordinator {
  readonly #running: Running;
  readonly #name: string;
  #own: Connection | undefined;

  constructor(running: Running, name: string) {
    this.#running = running;
    this.#name = name;
  }

  exchange(request: Uint8Array): Promise<unknown> {
    this.#own ??= new Connection(this.#running, this.#name, undefined);
    return this.#own.exchange(request);
  }

  async abort(requestId: Uint8Array): Promise<void> {
    await this.#own?.abort(requestId);
  }

  /** Its connection's end tells that it is gone. */
  async watch(): Promise<void> {}

  begin(options: Uint8Array = new Uint8Array(0)): Lease {
    return new Connection(this.#running, this.#name, options);
  }

  [Symbol.dispose](): void {
    this.#own?.[Symbol.dispose]();
  }
}

interface Frame {
  readonly kind: string;
  readonly payload: Uint8Array<ArrayBuffer>;
}

/** A connection to the door; its end is that of the caller or the lease. */
class Connection implements Lease {
  readonly #socket: Socket;
  readonly #incoming: AsyncIterator<Buffer>;
  readonly #opened: Promise<void>;
  #bytes: Buffer = Buffer.alloc(0);

  constructor({ port, token }: Running, database: string, lease: Uint8Array | undefined) {
    // Nothing but loopback, whatever stands in the file.
    this.#socket = connect({ host: "127.0.0.1", port, noDelay: true });
    this.#opened = new Promise((resolve, reject) => {
      this.#socket.once("connect", resolve);
      this.#socket.once("error", () => reject(gone()));
    });
    this.#opened.catch(() => {});
    // An error is met by whoever reads.
    this.#socket.on("error", () => {});
    this.#incoming = this.#socket[Symbol.asyncIterator]();
    const hello = { token, database, lease: lease && Array.from(lease) };
    this.#send("H", Buffer.from(JSON.stringify(hello)));
  }

  async exchange(request: Uint8Array): Promise<Uint8Array | ReadableStream> {
    await this.#opened;
    this.#send("E", request);
    const first = await this.#frame();
    if (first.kind === "W") return first.payload;
    return this.#stream(first);
  }

  /** Its end tells that its caller is gone. */
  async watch(): Promise<void> {}

  async abort(requestId: Uint8Array): Promise<void> {
    if (!this.#socket.destroyed) this.#send("A", requestId);
  }

  [Symbol.dispose](): void {
    // What was written before, such as an abort, still goes.
    this.#socket.destroySoon();
  }

  /** Asked for more when its reader wants more: a slow one holds the database up. */
  #stream(first: Frame): ReadableStream {
    let next: Frame | undefined = first;
    const pull = async (controller: ReadableByteStreamController): Promise<void> => {
      const { kind, payload } = next ?? (await this.#frame());
      next = undefined;
      if (kind === "C") return controller.enqueue(payload);
      controller.close();
      // A reader with a buffer of its own waits for it to come back.
      controller.byobRequest?.respond(0);
    };
    return new ReadableStream({ type: "bytes", pull, cancel: () => void this.#socket.destroy() }, { highWaterMark: 0 });
  }

  #send(kind: string, payload: Uint8Array): void {
    const head = Buffer.alloc(5);
    head.write(kind, "latin1");
    head.writeUInt32BE(payload.length, 1);
    this.#socket.cork();
    this.#socket.write(head);
    this.#socket.write(payload);
    this.#socket.uncork();
  }

  /** The next frame of an answer. What is not one is thrown. */
  async #frame(): Promise<Frame> {
    const head = await this.#take(5);
    const [kind, length] = [String.fromCharCode(head[0]!), head.readUInt32BE(1)];
    if (length > RESULT_BYTES_MAX) throw new Error("`npx pierhead dev` is of another version than this package");
    const payload = await this.#take(length);
    if (kind === "R") throw configError(`\`npx pierhead dev\` refused: ${payload}`, START);
    if (kind === "X") {
      const { message, ...rest } = JSON.parse(payload.toString()) as { message: string };
      throw Object.assign(new Error(message), rest);
    }
    // A copy: whoever is given it may hand its memory on.
    return { kind, payload: new Uint8Array(payload) };
  }

  async #take(count: number): Promise<Buffer> {
    const pieces = [this.#bytes];
    let have = this.#bytes.length;
    while (have < count) {
      const { value, done } = await this.#incoming.next();
      if (done) throw new Error("`npx pierhead dev` ended");
      pieces.push(value);
      have += value.length;
    }
    const all = pieces.length === 1 ? this.#bytes : Buffer.concat(pieces);
    this.#bytes = all.subarray(count);
    return all.subarray(0, count);
  }
}

function gone(): Error {
  return configError("nothing was sent: `npx pierhead dev` does not listen any more", START);
}
