// Callers over RPC: exchanges, the leases that some of them belong to, and the promises that they
// wait for. Nothing of a caller but its promise and its callback is kept here.

import { RpcTarget } from "cloudflare:workers";

/** The class below, handed over by Rust: only files that it names are part of the built module. */
export function callsClass() {
  return Calls;
}

/** The number that says that a request is of no lease. */
const NO_LEASE = 0;

class Calls {
  #events;
  #calls = new Map();

  /** @param events gives numbers by `nextClient`, and is told what happens by `tell` */
  constructor(events) {
    this.#events = events;
  }

  /** @param [alive] as of `watch`, for a caller that knows how long it will wait */
  exchange(request, alive, lease = NO_LEASE) {
    if (!(request instanceof Uint8Array)) throw new TypeError("exchange: request must be a Uint8Array");
    const client = this.#events.nextClient();
    return new Promise((resolve, reject) => {
      this.#calls.set(client, new Call(resolve, reject, alive));
      this.#events.tell("clientOpened", client, request, lease);
    });
  }

  abort(requestId) {
    checkId("abort", requestId);
    this.#events.tell("abort", requestId);
  }

  watch(requestId, alive) {
    checkId("watch", requestId);
    if (typeof alive !== "function") throw new TypeError("watch: alive must be a function");
    this.#calls.get(this.#events.clientOf(requestId))?.watch(alive);
  }

  /** @param options checked already */
  begin(options) {
    const lease = this.#events.nextClient();
    this.#events.tell("leaseOpened", lease, options);
    return new Lease(this, lease);
  }

  /** The caller of a lease has let go of it, or is gone. */
  disposed(lease) {
    this.#events.tell("clientGone", lease);
  }

  /** Every caller hears the same. */
  fail(error) {
    for (const call of this.#calls.values()) call.fail(error);
    this.#calls.clear();
  }

  // ---- Called by the core: none of these calls it back before it has returned --------------

  answer(client, bytes) {
    this.#calls.get(client)?.answer(bytes);
    this.#calls.delete(client);
  }

  beginAnswer(client, bytes) {
    this.#calls.get(client)?.begin();
    this.writeAnswer(client, bytes, false);
  }

  writeAnswer(client, bytes, end) {
    const call = this.#calls.get(client);
    if (call === undefined) return;
    call.write(bytes).then(
      () => this.#calls.has(client) && this.#events.tell("clientTook", client, bytes.length),
      () => this.#lose(client),
    );
    if (!end) return;
    // Until the reader has taken the rest, the core counts it.
    call.end().then(
      () => this.#calls.delete(client),
      () => this.#lose(client),
    );
  }

  probe(client) {
    this.#calls.get(client)?.probe().then(
      () => this.#calls.has(client) && this.#events.tell("clientAlive", client),
      () => this.#lose(client),
    );
  }

  #lose(client) {
    if (!this.#calls.has(client)) return;
    this.#calls.get(client).fail(new Error("the caller is gone"));
    this.#calls.delete(client);
    this.#events.tell("clientGone", client);
  }
}

/** A transaction that its caller holds over several requests. */
class Lease extends RpcTarget {
  #calls;
  #lease;
  #disposed = false;

  constructor(calls, lease) {
    super();
    this.#calls = calls;
    this.#lease = lease;
  }

  /** Like `exchange` of the object; requests of one lease run one after the other. */
  exchange(request, alive) {
    return this.#calls.exchange(request, alive, this.#lease);
  }

  /** Like `abort` of the object. */
  abort(requestId) {
    this.#calls.abort(requestId);
  }

  /** Like `watch` of the object. */
  watch(requestId, alive) {
    this.#calls.watch(requestId, alive);
  }

  /** Called by the platform when the caller disposes of its stub, and when its invocation ends. */
  [Symbol.dispose]() {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#calls.disposed(this.#lease);
  }
}

/** One caller that waits for its answer. */
class Call {
  #resolve;
  #reject;
  #alive = null;
  #writer = null;

  constructor(resolve, reject, alive) {
    this.#resolve = resolve;
    this.#reject = reject;
    if (typeof alive === "function") this.#alive = alive;
  }

  answer(bytes) {
    this.#resolve(bytes);
    this.#dispose();
  }

  /** Answers with a stream whose writes resolve when the reader has taken them. */
  begin() {
    // The platform disposes a call's arguments when the call returns, which is now.
    if (this.#alive !== null) this.watch(this.#alive);
    const { readable, writable } = new IdentityTransformStream();
    this.#writer = writable.getWriter();
    this.#writer.closed.catch(() => {});
    this.#resolve(readable);
  }

  /** Keeps a copy of the callback until the answer ends: the call that it came with returns. */
  watch(alive) {
    const before = this.#alive;
    this.#alive = alive.dup?.() ?? alive;
    if (this.#alive !== before) before?.[Symbol.dispose]?.();
  }

  write(bytes) {
    if (this.#writer === null) return Promise.resolve();
    return bytes.length === 0 ? Promise.resolve() : this.#writer.write(bytes);
  }

  async end() {
    await this.#writer?.close();
    this.#dispose();
  }

  fail(error) {
    this.#reject(error);
    this.#writer?.abort(error).catch(() => {});
    this.#dispose();
  }

  /** Resolves when the caller lives, or cannot be asked; rejects when it is gone. */
  async probe() {
    if (this.#alive === null) return;
    const answer = await this.#alive();
    answer?.[Symbol.dispose]?.();
  }

  #dispose() {
    this.#alive?.[Symbol.dispose]?.();
    this.#alive = null;
  }
}

function checkId(method, requestId) {
  if (!(requestId instanceof Uint8Array) || requestId.length !== 16) {
    throw new TypeError(`${method}: request id must be a Uint8Array of 16 bytes`);
  }
}
