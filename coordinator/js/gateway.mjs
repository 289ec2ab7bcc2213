// The gateway: the way in for Workers that are bound to Pierhead's Worker by a service binding, and
// for sockets. It is stateless. Who may use which database is decided in Rust (gateway/mod.rs);
// nothing here reads a byte of what is carried.

import { RpcTarget, WorkerEntrypoint } from "cloudflare:workers";

/** What the platform wants to be told; the object is meant, whatever is written here. */
const ADDRESS = "pierhead:5432";
/** The answer to whoever asks for encryption. */
const NO = Uint8Array.of(0x4e);

/**
 * The class to export from a Worker's entry, as `Gateway`.
 *
 * @param Core the exported class `PierheadCore` of the built module, as that module exports it
 * @param limits those of `limits.rs` that are kept here
 */
export function gatewayClass(Core, limits) {
  // Whatever is public here can be called by every Worker that is bound to the entrypoint.
  return class Gateway extends WorkerEntrypoint {
    /** A client that speaks PostgreSQL's own protocol. Resolves when it is gone. */
    connect(socket) {
      return this.#serve(new ByteStream(socket, limits));
    }

    /** The same at `/socket`, in the messages of a WebSocket. */
    fetch(request) {
      if (new URL(request.url).pathname !== "/socket") {
        return new Response("The gateway answers database(name), connect(), and a WebSocket at /socket.\n", { status: 404 });
      }
      if (request.headers.get("Upgrade")?.toLowerCase() !== "websocket") {
        const text = "PostgreSQL's protocol is spoken here, in the messages of a WebSocket.\n";
        return new Response(text, { status: 426, headers: { Upgrade: "websocket" } });
      }
      const { 0: far, 1: near } = new WebSocketPair();
      // The open WebSocket keeps this invocation alive, for longer than waitUntil() would.
      this.#serve(new Messages(near, limits));
      return new Response(null, { status: 101, webSocket: far });
    }

    /**
     * A database for calls over RPC: `exchange`, `begin` and `abort` of its object. Where the
     * binding may not use it, every request is answered with the refusal.
     */
    database(name) {
      if (typeof name !== "string") throw new TypeError("database: name must be a string");
      const { env, ctx } = this;
      const { home, options, refusal } = Core.gatewayHome(env, ctx.props, name);
      if (refusal !== undefined) return new Refused(refusal);
      const named = options === undefined ? (request) => request : (request) => inName(Core, env, ctx.props, request);
      return new Database(objectOf(env, home), options, named);
    }

    async #serve(client) {
      const passage = new Passage(Core, this.env, this.ctx.props, client, limits);
      try {
        await passage.run();
      } catch {
        // The client is gone, or its object: nobody is left to be told.
      } finally {
        client.close();
      }
    }
  };
}

/** A request in the name that the binding gives its callers, whatever it says itself. */
function inName(Core, env, props, request) {
  if (!(request instanceof Uint8Array)) return request;
  const named = Core.gatewayNamed(env, props, request);
  return named === undefined ? request : joined(named.head, request.subarray(named.used));
}

/** The stub of an object, which is created at its place if this is its first use. */
function objectOf(env, { name, location, jurisdiction }) {
  if (env.PIERHEAD === undefined) {
    throw new Error("the Worker that exports the gateway has no Durable Object binding PIERHEAD: add it to its wrangler.toml");
  }
  const home = jurisdiction === undefined ? env.PIERHEAD : env.PIERHEAD.jurisdiction(jurisdiction);
  return home.getByName(name, location === undefined ? {} : { locationHint: location });
}

/** The methods of an object for callers, behind the gateway's check. */
class Database extends RpcTarget {
  #object;
  #options;
  #named;

  /**
   * @param options what leases begin with, if the binding says; otherwise the caller does
   * @param named what becomes of a request on its way
   */
  constructor(object, options, named) {
    super();
    this.#object = object;
    this.#options = options;
    this.#named = named;
  }

  exchange(request, alive) {
    return this.#object.exchange(this.#named(request), alive);
  }

  abort(requestId) {
    return this.#object.abort(requestId);
  }

  watch(requestId, alive) {
    return this.#object.watch(requestId, alive);
  }

  /** Returned before the object has heard of it, so that what is called on it needs no second trip. */
  begin(options) {
    return new Lease(this.#object.begin(this.#options ?? options), this.#named);
  }
}

/** A lease of the object. */
class Lease extends RpcTarget {
  #lease;
  #named;

  constructor(lease, named) {
    super();
    this.#lease = lease;
    this.#named = named;
    // Whoever calls it hears why there is none.
    lease.then(() => {}, () => {});
  }

  exchange(request, alive) {
    return this.#lease.exchange(this.#named(request), alive);
  }

  abort(requestId) {
    return this.#lease.abort(requestId);
  }

  watch(requestId, alive) {
    return this.#lease.watch(requestId, alive);
  }

  [Symbol.dispose]() {
    this.#lease.then((lease) => lease[Symbol.dispose](), () => {});
  }
}

/** In place of a database that the binding may not use, and of its leases. */
class Refused extends RpcTarget {
  #answer;

  constructor(answer) {
    super();
    this.#answer = answer;
  }

  exchange() {
    return this.#answer;
  }

  abort() {}

  watch() {}

  begin() {
    return new Refused(this.#answer);
  }
}

/** One client's way from its first byte to its last. */
class Passage {
  #core;
  #env;
  #props;
  #client;
  #limits;

  constructor(core, env, props, client, limits) {
    this.#core = core;
    this.#env = env;
    this.#props = props;
    this.#client = client;
    this.#limits = limits;
  }

  async run() {
    const first = await within(this.#limits.START_UP_TIMEOUT, this.#startUp());
    switch (first?.kind) {
      case undefined:
        return;
      case LATE:
        return this.#client.write(this.#core.gatewayLate());
      case "refused":
        return this.#client.write(first.head);
      case "cancel":
        return this.#cancel(first);
      case "session":
        return this.#session(first);
    }
  }

  /** The verdict on the client's first packets; nothing if it leaves before. */
  async #startUp() {
    let bytes = new Uint8Array(0);
    for (let asked = 0; ; ) {
      const verdict = this.#core.gatewayVerdict(this.#env, this.#props, bytes, asked);
      if (verdict.kind === "encryption") {
        asked += 1;
        bytes = bytes.subarray(verdict.used);
        await this.#client.write(NO);
      } else if (verdict.kind === "more") {
        const more = await this.#client.read();
        if (more === null) return;
        bytes = joined(bytes, more);
      } else {
        // A copy: this is kept for as long as the client stays, and would keep its read buffer.
        return { ...verdict, rest: bytes.slice(verdict.used ?? 0) };
      }
    }
  }

  async #session({ home, head, rest }) {
    let object;
    try {
      object = new ObjectSocket(objectOf(this.#env, home));
      // What is written waits until the object reads, and so would this: its answer comes first.
      object.write(joined(head, rest));
      const answer = await object.read();
      if (answer === null) return;
      await this.#client.write(answer);
      await this.#client.join(object);
    } catch (error) {
      if (object?.spoke) this.#client.drop();
      else await this.#client.write(this.#core.gatewayLost(String(error)));
    } finally {
      object?.close();
    }
  }

  /** Nobody is told what becomes of a cancel; its client waits for the end. */
  async #cancel({ homes, head }) {
    const ask = async (home) => {
      const object = new ObjectSocket(objectOf(this.#env, home));
      try {
        object.write(head);
        await within(this.#limits.CANCEL_TIME, object.read());
      } finally {
        object.close();
      }
    };
    await Promise.allSettled(homes.map(ask));
  }
}

/** The socket of an object. */
class ObjectSocket {
  /** It has said something. */
  spoke = false;
  #socket;
  #reader;
  #writer;
  /** The last write; nothing is lost of those before it. */
  #written = Promise.resolve();

  constructor(stub) {
    this.#socket = stub.connect(ADDRESS);
    this.#socket.closed.catch(() => {});
    this.#reader = this.#socket.readable.getReader({ mode: "byob" });
    this.#reader.closed.catch(() => {});
    this.#writer = this.#socket.writable.getWriter();
    this.#writer.closed.catch(() => {});
  }

  write(bytes) {
    this.#written = this.#writer.write(bytes);
    this.#written.catch(() => {});
    return this.#written;
  }

  /** What it says next; null at its end. */
  async read(buffer = new ArrayBuffer(1_024)) {
    const { value, done } = await this.#reader.read(new Uint8Array(buffer));
    if (done) return null;
    this.spoke = true;
    return value;
  }

  /** Its two streams, when what was written is on its way. */
  async streams() {
    await this.#written;
    this.#reader.releaseLock();
    this.#writer.releaseLock();
    return this.#socket;
  }

  close() {
    this.#socket.close().catch(() => {});
  }
}

/** A client on a byte stream, which holds back whoever writes faster than the other reads. */
class ByteStream {
  #socket;
  #limits;
  #reader;
  #writer;

  constructor(socket, limits) {
    this.#socket = socket;
    this.#limits = limits;
    socket.closed.catch(() => {});
    this.#reader = socket.readable.getReader({ mode: "byob" });
    this.#reader.closed.catch(() => {});
    this.#writer = socket.writable.getWriter();
    this.#writer.closed.catch(() => {});
  }

  /** What it says next; null at its end. */
  async read() {
    const { value, done } = await this.#reader.read(new Uint8Array(new ArrayBuffer(this.#limits.READ)));
    return done ? null : value;
  }

  write(bytes) {
    return this.#writer.write(bytes);
  }

  /** Carries bytes both ways, in the platform's own pumps, until either side ends. */
  async join(object) {
    const far = await object.streams();
    this.#reader.releaseLock();
    this.#writer.releaseLock();
    const up = this.#socket.readable.pipeTo(far.writable);
    const down = far.readable.pipeTo(this.#socket.writable);
    up.catch(() => object.close());
    await down;
  }

  close() {
    this.#socket.close().catch(() => {});
  }

  /** Ends in the middle. */
  drop() {
    this.close();
  }
}

/**
 * A client in the messages of a WebSocket, cut anywhere. The platform holds nobody back here: what
 * comes faster than the object takes it is kept, within a bound.
 */
class Messages {
  #socket;
  #limits;
  #inbox = [];
  #inboxBytes = 0;
  #ended = false;
  #wakeReader = () => {};

  constructor(socket, limits) {
    this.#socket = socket;
    this.#limits = limits;
    // Without this, newer compatibility dates deliver Blobs, which cannot be read synchronously.
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#message(data));
    socket.addEventListener("close", () => this.#end(1000));
    socket.addEventListener("error", () => this.#end(1011));
    socket.accept();
  }

  async read() {
    while (this.#inbox.length === 0) {
      if (this.#ended) return null;
      await new Promise((wake) => (this.#wakeReader = wake));
    }
    const bytes = this.#inbox.shift();
    this.#inboxBytes -= bytes.length;
    return bytes;
  }

  write(bytes) {
    if (!this.#ended) this.#socket.send(bytes);
  }

  async join(object) {
    const up = this.#carryUp(object);
    const down = this.#carryDown(object);
    await Promise.race([up, down]);
  }

  async #carryUp(object) {
    for (let bytes; (bytes = await this.read()) !== null; ) await object.write(bytes);
  }

  async #carryDown(object) {
    // A silent object is waited for with a small buffer; one that has much to say is read in large pieces.
    const { READ_IDLE, READ } = this.#limits;
    let size = READ_IDLE;
    for (let bytes; (bytes = await object.read(new ArrayBuffer(size))) !== null; ) {
      size = bytes.length < READ_IDLE ? READ_IDLE : READ;
      this.write(bytes);
    }
  }

  close() {
    this.#end(1000);
  }

  /** Ends in the middle. */
  drop() {
    this.#end(1011, "the coordinator was reset");
  }

  #message(data) {
    if (this.#ended) return;
    if (typeof data === "string") {
      return this.#end(1003, "send binary messages: the bytes of PostgreSQL's protocol");
    }
    const bytes = new Uint8Array(data);
    if (bytes.length === 0) return;
    if (this.#inboxBytes + bytes.length > this.#limits.INBOX) {
      return this.#end(1009, `more than ${this.#limits.INBOX} bytes ahead of the database: send less at once, or use connect()`);
    }
    this.#inbox.push(bytes);
    this.#inboxBytes += bytes.length;
    this.#wakeReader();
  }

  #end(code, reason = "") {
    if (this.#ended) return;
    this.#ended = true;
    try {
      this.#socket.close(code, reason);
    } catch {
      // It is closing or closed already.
    }
    this.#wakeReader();
  }
}

const LATE = "late";

/** What a promise gives, or LATE when it takes too long; what it still gives then is not looked at. */
async function within(milliseconds, promise) {
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(() => resolve({ kind: LATE }), milliseconds)));
  promise.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function joined(a, b) {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}
