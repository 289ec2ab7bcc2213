// Sockets: clients that speak the database's own protocol, on a byte stream of the platform or in
// the messages of a WebSocket. Their bytes go to the core as far as it lets them; its bytes go to
// them as fast as they take them.

/** The class below, handed over by Rust: only files that it names are part of the built module. */
export function socketsClass(limits) {
  return class extends Sockets {
    constructor(events) {
      super(events, limits);
    }
  };
}

class Sockets {
  /** `tell` is told what happens. */
  events;
  /** Those of `limits.rs`. */
  limits;
  #sockets = new Map();
  /** Bytes of buffers that are read into, and of messages that came too early. */
  #held = 0;

  constructor(events, limits) {
    this.events = events;
    this.limits = limits;
  }

  /** A client by the platform's `connect()`. The promise resolves when it is gone: then the platform ends the socket. */
  connect(socket) {
    const client = this.events.nextClient();
    const stream = new ByteStream(this, client, socket);
    this.#open(client, stream);
    return stream.over;
  }

  /** A client by WebSocket. */
  accept(request) {
    if (request.headers.get("Upgrade")?.toLowerCase() !== "websocket") {
      const text = "PostgreSQL's protocol is spoken here, in the messages of a WebSocket.\n";
      return new Response(text, { status: 426, headers: { Upgrade: "websocket" } });
    }
    const { 0: far, 1: near } = new WebSocketPair();
    const client = this.events.nextClient();
    this.#open(client, new Messages(this, client, near));
    return new Response(null, { status: 101, webSocket: far });
  }

  status() {
    return { socket_buffer_bytes: this.#held };
  }

  /** The object ends. */
  fail() {
    for (const socket of this.#sockets.values()) socket.drop("the coordinator was reset");
    this.#sockets.clear();
  }

  #open(client, socket) {
    this.#sockets.set(client, socket);
    this.events.tell("socketOpened", client);
  }

  // ---- For the sockets ---------------------------------------------------------------------

  /** Bytes from a client, no more than were granted. */
  data(client, bytes) {
    this.events.tell("socketData", client, bytes);
  }

  /** A client took bytes. What one takes that the core has closed does not count any more. */
  took(client, bytes) {
    if (this.#sockets.has(client)) this.events.tell("clientTook", client, bytes);
  }

  /** A client is gone. The core hears of it unless it has closed the socket itself. */
  gone(client) {
    if (this.#sockets.delete(client)) this.events.tell("clientGone", client);
  }

  /** Counts bytes that are held (or, if negative, let go); false if that would be too many. */
  hold(bytes, most = Infinity) {
    if (bytes > 0 && this.#held + bytes > most) return false;
    this.#held += bytes;
    return true;
  }

  // ---- Called by the core: none of these calls it back before it has returned --------------

  writeSocket(client, bytes) {
    this.#sockets.get(client)?.write(bytes);
  }

  grantSocket(client, bytes) {
    this.#sockets.get(client)?.grant(bytes);
  }

  closeSocket(client) {
    const socket = this.#sockets.get(client);
    this.#sockets.delete(client);
    socket?.close();
  }
}

/** A client on a byte stream, which holds back whoever writes faster than the other reads. */
class ByteStream {
  /** Resolves when nothing is left to be done for the client. */
  over;
  #finish;
  #owner;
  #client;
  #socket;
  #reader;
  #buffer;
  #reading = false;
  #granted = 0;
  #writer;
  #writes = [];
  #writing = null;
  #closing = false;
  #lingering = null;
  #ended = false;

  constructor(owner, client, socket) {
    this.#owner = owner;
    this.#client = client;
    this.#socket = socket;
    this.#reader = socket.readable.getReader({ mode: "byob" });
    this.#reader.closed.catch(() => {});
    this.#buffer = new ReadBuffer(owner);
    this.#writer = socket.writable.getWriter();
    this.#writer.closed.catch(() => {});
    this.over = new Promise((finish) => (this.#finish = finish));
    // Tells at once of a client that is gone, also while nothing is read.
    socket.closed.catch(() => this.drop());
  }

  write(bytes) {
    this.#writes.push(bytes);
    this.#writing ??= this.#drain().catch(() => this.drop());
  }

  grant(bytes) {
    this.#granted += bytes;
    this.#read();
  }

  /** Ends the stream when the client has taken what was written, or takes too long to. */
  close() {
    this.#closing = true;
    this.#lingering = setTimeout(() => this.drop(), this.#owner.limits.SOCKET_LINGER);
    const written = this.#writing ?? Promise.resolve();
    written.then(() => this.#writer.close()).then(() => this.drop(), () => this.drop());
    // Whoever waits for its own writes to be read would never get to reading.
    this.#read();
  }

  /** Ends the stream as it is. */
  drop() {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#lingering);
    this.#writes = [];
    this.#buffer.release();
    this.#socket.close().catch(() => {});
    this.#owner.gone(this.#client);
    this.#finish();
  }

  /**
   * Reads what is granted; what comes while the stream is closed is thrown away. Not a loop of an
   * async function: that would keep the last piece in memory while it waits for the next.
   */
  #read() {
    if (this.#ended || this.#reading) return;
    if (this.#granted <= 0 && !this.#closing) return this.#buffer.release();
    this.#reading = true;
    const view = this.#buffer.view(this.#closing ? Infinity : this.#granted);
    this.#reader.read(view).then(({ value, done }) => this.#came(value, done), () => this.drop());
  }

  #came(value, done) {
    this.#reading = false;
    if (this.#ended) return;
    // Who says no more has left, whatever it may still want to hear; unless it was told the end.
    if (done) return this.#closing ? undefined : this.drop();
    this.#buffer.took(value);
    if (!this.#closing) {
      this.#granted -= value.length;
      this.#owner.data(this.#client, value);
    }
    this.#read();
  }

  async #drain() {
    const most = this.#owner.limits.SOCKET_WRITE;
    for (let bytes; (bytes = this.#writes.shift()) !== undefined; ) {
      for (let at = 0; at < bytes.length; at += most) {
        const chunk = bytes.subarray(at, at + most);
        await this.#writer.write(chunk);
        this.#owner.took(this.#client, chunk.length);
      }
    }
    this.#writing = null;
  }
}

/** What is read into: small while a client is silent (there may be thousands), large while it is not. */
class ReadBuffer {
  #owner;
  #buffer = null;
  /** Bytes of the buffer, also while the platform has it. */
  #size = 0;
  #wantsMore = false;

  constructor(owner) {
    this.#owner = owner;
  }

  view(most) {
    const { SOCKET_READ_IDLE, SOCKET_READ_BUSY } = this.#owner.limits;
    if (this.#wantsMore && most > SOCKET_READ_IDLE) this.#resize(SOCKET_READ_BUSY);
    if (this.#buffer === null) this.#resize(SOCKET_READ_IDLE);
    return new Uint8Array(this.#buffer, 0, Math.min(this.#size, most));
  }

  /** Only a read that filled the buffer is followed by a large one: a message may end where a grant does. */
  took(value) {
    this.#buffer = value.buffer;
    this.#wantsMore = value.length === this.#size;
    if (!this.#wantsMore && this.#size > this.#owner.limits.SOCKET_READ_IDLE) this.release();
  }

  release() {
    this.#owner.hold(-this.#size);
    this.#buffer = null;
    this.#size = 0;
    this.#wantsMore = false;
  }

  /** A large buffer only while there are few of them; a small one always. */
  #resize(size) {
    if (size === this.#size) return;
    const { SOCKET_READ_IDLE, SOCKET_BUFFERS_BUDGET } = this.#owner.limits;
    const most = size > SOCKET_READ_IDLE ? SOCKET_BUFFERS_BUDGET : Infinity;
    if (!this.#owner.hold(size - this.#size, most)) return;
    this.#buffer = new ArrayBuffer(size);
    this.#size = size;
  }
}

/**
 * A client in the messages of a WebSocket, cut anywhere. The platform holds nobody back here: what
 * comes too early is kept, within bounds, and what is sent counts as taken.
 */
class Messages {
  #owner;
  #client;
  #socket;
  #inbox = [];
  #inboxBytes = 0;
  #granted = 0;
  #ended = false;

  constructor(owner, client, socket) {
    this.#owner = owner;
    this.#client = client;
    this.#socket = socket;
    // Without this, newer compatibility dates deliver Blobs, which cannot be read synchronously.
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#message(data));
    socket.addEventListener("close", () => this.drop());
    socket.addEventListener("error", () => this.drop());
    socket.accept();
  }

  write(bytes) {
    if (this.#ended) return;
    const most = this.#owner.limits.SOCKET_WRITE;
    tryTo(() => {
      for (let at = 0; at < bytes.length; at += most) this.#socket.send(bytes.subarray(at, at + most));
    });
    this.#owner.took(this.#client, bytes.length);
  }

  grant(bytes) {
    this.#granted += bytes;
    this.#passOn();
  }

  /** The platform sends what was written first. */
  close() {
    this.#end(1000, "");
  }

  /** Ends the WebSocket as it is. */
  drop(reason = "") {
    this.#end(1011, reason);
  }

  #message(data) {
    if (this.#ended) return;
    if (typeof data === "string") {
      return this.#end(1003, "send binary messages: the bytes of PostgreSQL's protocol");
    }
    const { SOCKET_INBOX, SOCKET_BUFFERS_BUDGET } = this.#owner.limits;
    const bytes = new Uint8Array(data);
    if (this.#inboxBytes + bytes.length - this.#granted > SOCKET_INBOX) {
      return this.#end(1009, `more than ${SOCKET_INBOX} bytes ahead of the database: send less at once, or use connect()`);
    }
    if (!this.#owner.hold(bytes.length, SOCKET_BUFFERS_BUDGET)) {
      return this.#end(1013, "too much is sent ahead of the database: try again, or use connect()");
    }
    this.#inbox.push(bytes);
    this.#inboxBytes += bytes.length;
    this.#passOn();
  }

  #passOn() {
    while (!this.#ended && this.#granted > 0 && this.#inbox.length > 0) {
      const [first] = this.#inbox;
      const bytes = first.subarray(0, this.#granted);
      if (bytes.length === first.length) this.#inbox.shift();
      else this.#inbox[0] = first.subarray(bytes.length);
      this.#granted -= bytes.length;
      this.#inboxBytes -= bytes.length;
      this.#owner.hold(-bytes.length);
      this.#owner.data(this.#client, bytes);
    }
  }

  #end(code, reason) {
    if (this.#ended) return;
    this.#ended = true;
    this.#owner.hold(-this.#inboxBytes);
    this.#inbox = [];
    tryTo(() => this.#socket.close(code, reason));
    this.#owner.gone(this.#client);
  }
}

function tryTo(act) {
  try {
    act();
  } catch {
    // The socket is closing or closed already.
  }
}
