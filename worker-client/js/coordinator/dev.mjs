// The way into the coordinator for programs in Node, while `npx pierhead dev` runs: one connection on
// loopback is one caller, or one lease. `src/development.ts` is its other side. It is no part of what is
// deployed.
//
// Both ways go frames: kind (1), length (4), payload. The caller says hello, then asks, one exchange at
// a time; the answer to each is whole bytes, or chunks and an end, or an error.

import { WorkerEntrypoint } from "cloudflare:workers";

/** Bytes of a frame before the caller has shown the token: a token, a name and a lease's options. */
const HELLO_MAX = 4_096;
/** Bytes of any other frame: the largest request, 16 MiB of messages, with its head. */
const FRAME_MAX = 16 * 1024 * 1024 + 65_536;
/** Milliseconds in which a caller says hello. */
const HELLO_TIME = 10_000;
/** Bytes read of an answer at once. */
const READ = 64 * 1024;
/** Where a request holds its id: docs/protocol.md, section 1.1. */
const ID = [5, 21];

const letter = (kind) => kind.charCodeAt(0);
const encode = (text) => new TextEncoder().encode(text);

export default class Door extends WorkerEntrypoint {
  /** Resolves when the caller is gone. */
  async connect(socket) {
    const caller = new Caller(socket);
    const late = setTimeout(() => caller.close(), HELLO_TIME);
    try {
      const hello = await caller.hello();
      clearTimeout(late);
      if (hello === null) return;
      if (!(await alike(hello.token, this.env.TOKEN))) {
        await caller.send("R", "its token is that of another run of `npx pierhead dev`");
        return;
      }
      const database = this.env.GATEWAY.database(String(hello.database));
      await caller.serve(hello.lease === undefined ? database : database.begin(Uint8Array.from(hello.lease)));
    } catch {
      // The caller is gone in the middle of a frame, or sends none.
    } finally {
      clearTimeout(late);
      caller.close();
    }
  }
}

/** Compares without telling by time how much is alike. */
async function alike(given, token) {
  const digest = (text) => crypto.subtle.digest("SHA-256", encode(String(text)));
  return crypto.subtle.timingSafeEqual(await digest(given), await digest(token));
}

class Caller {
  #socket;
  #reader;
  #writer;
  #bytes = new Uint8Array(0);
  #target;
  /** The request under way. */
  #request;
  #answer;
  #gone = false;

  constructor(socket) {
    this.#socket = socket;
    socket.closed.catch(() => {});
    this.#reader = socket.readable.getReader();
    this.#reader.closed.catch(() => {});
    this.#writer = socket.writable.getWriter();
    this.#writer.closed.catch(() => {});
  }

  async hello() {
    const frame = await this.#frame(HELLO_MAX);
    return frame?.kind === letter("H") ? JSON.parse(new TextDecoder().decode(frame.payload)) : null;
  }

  async serve(target) {
    this.#target = target;
    for (let frame; (frame = await this.#frame(FRAME_MAX)) !== null; ) {
      if (frame.kind === letter("A")) this.#abort(frame.payload);
      else if (frame.kind === letter("E") && this.#request === undefined) void this.#exchange(frame.payload);
      else return;
    }
  }

  async #exchange(request) {
    this.#request = request;
    try {
      const answer = await this.#target.exchange(request, () => {
        if (this.#gone) throw new Error("the caller is gone");
      });
      if (answer instanceof Uint8Array) await this.#end("W", answer);
      else await this.#stream(answer);
    } catch (error) {
      const { message, overloaded, retryable } = error ?? {};
      await this.#end("X", JSON.stringify({ message: message ?? String(error), overloaded, retryable })).catch(() => {});
    }
  }

  /** Reads no faster than the caller does. */
  async #stream(answer) {
    this.#answer = answer.getReader({ mode: "byob" });
    let buffer = new ArrayBuffer(READ);
    for (;;) {
      const { value, done } = await this.#answer.read(new Uint8Array(buffer));
      if (done) break;
      await this.send("C", value);
      buffer = value.buffer;
    }
    this.#answer = undefined;
    await this.#end("Z", new Uint8Array(0));
  }

  /** The last frame of an answer: the next request may follow it at once. */
  #end(kind, payload) {
    this.#request = undefined;
    return this.send(kind, payload);
  }

  #abort(id) {
    Promise.resolve(this.#target.abort(id)).catch(() => {});
  }

  send(kind, payload) {
    const bytes = typeof payload === "string" ? encode(payload) : payload;
    const frame = new Uint8Array(5 + bytes.length);
    frame[0] = letter(kind);
    new DataView(frame.buffer).setUint32(1, bytes.length);
    frame.set(bytes, 5);
    return this.#writer.write(frame);
  }

  close() {
    if (this.#gone) return;
    this.#gone = true;
    if (this.#request !== undefined && this.#target !== undefined) this.#abort(this.#request.subarray(...ID));
    this.#answer?.cancel().catch(() => {});
    this.#target?.[Symbol.dispose]?.();
    this.#socket.close().catch(() => {});
  }

  /** The next frame; null at the end. */
  async #frame(max) {
    const head = await this.#take(5);
    if (head === null) return null;
    const length = new DataView(head.buffer, head.byteOffset).getUint32(1);
    if (length > max) throw new Error("the frame is too long");
    const payload = await this.#take(length);
    return payload && { kind: head[0], payload };
  }

  async #take(count) {
    const pieces = [];
    let have = this.#bytes.length;
    while (have < count) {
      const { value, done } = await this.#reader.read();
      if (done) return null;
      pieces.push(value);
      have += value.length;
    }
    if (pieces.length > 0) this.#bytes = joined([this.#bytes, ...pieces], have);
    const taken = this.#bytes.slice(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }
}

function joined(pieces, length) {
  const out = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}
