// A direct stream: TCP by the platform's connect(), with or without TLS.

import { connect } from "cloudflare:sockets";

/** Bytes of one write: larger ones fail on the platform. */
const WRITE_BYTES_MAX = 65_536;
/** Bytes that are taken before it is told: a small query costs no call (`STREAM_TOOK_BYTES` in Rust). */
const TOOK_BYTES_MIN = 65_536;
/** Bytes of the read buffer: small while a session is idle (there may be a thousand) ... */
const READ_BYTES_MIN = 4_096;
/** ... and large enough, while data flows, that the calls into wasm do not count. */
const READ_BYTES_MAX = 65_536;

/**
 * Starts to open a stream.
 *
 * @param events told `opened`, or else `refused`; then `data`s, `took`s and at most one `secured`;
 *   then `closed`, unless refused
 * @param stream the number that every event names
 * @param secureTransport "off", "on" or "starttls"
 */
export function openTcp(events, stream, hostname, port, secureTransport) {
  return new TcpStream(events, stream, { hostname, port }, secureTransport);
}

class TcpStream {
  #events;
  #stream;
  #socket = null;
  #writer = null;
  #writes = [];
  #writing = null;
  #accepted = 0;
  #took = 0;
  #granted = 0;
  #wakeReader = () => {};
  #startTls = false;
  #opened = false;
  #closing = false;
  #ended = false;

  constructor(events, stream, address, secureTransport) {
    this.#events = events;
    this.#stream = stream;
    this.#run(address, secureTransport).then(
      // An end of file that nothing of ours brought about, and no write is left that it may cut off.
      () => this.#end("the database's side closed the connection", !this.#closing && this.#writing === null),
      (error) => this.#end(String(error)),
    );
  }

  write(bytes) {
    this.#writes.push(bytes);
    this.#writing ??= this.#drainWrites();
  }

  grant(bytes) {
    this.#granted += bytes;
    this.#wakeReader();
  }

  /** Begins TLS as soon as what was written has gone out and the reader is between two reads. */
  startTls() {
    this.#startTls = true;
    this.#wakeReader();
  }

  /** Ends the stream. While it opens, at once; later, when the platform has let go of it. */
  close() {
    this.#closing = true;
    const closed = this.#opened ? this.#socket.close() : Promise.resolve();
    closed.then(
      () => this.#end("closed"),
      (error) => this.#end(String(error)),
    );
    this.#wakeReader();
  }

  async #run(address, secureTransport) {
    // In a microtask of its own: connect() throws at once for addresses it does not like, and
    // the caller of openTcp is not prepared for events yet.
    await null;
    if (this.#ended) return;
    this.#socket = connect(address, { secureTransport, allowHalfOpen: false });
    // Its failure shows in the reads as well; unhandled, it would be reported once more.
    this.#socket.closed.catch(() => {});
    await this.#socket.opened;
    if (this.#ended) return;
    this.#opened = true;
    this.#writer = this.#socket.writable.getWriter();
    this.#events.opened(this.#stream);
    while (await this.#readUntilTls()) await this.#secure();
  }

  /** Reads while reads are granted. True when TLS is to start, false at the end of the stream. */
  async #readUntilTls() {
    const reader = this.#socket.readable.getReader({ mode: "byob" });
    let buffer = new ArrayBuffer(READ_BYTES_MIN);
    while (!this.#ended && !this.#startTls) {
      if (this.#granted <= 0) {
        await new Promise((wake) => (this.#wakeReader = wake));
        continue;
      }
      const wanted = Math.min(buffer.byteLength, this.#granted);
      const { value, done } = await reader.read(new Uint8Array(buffer, 0, wanted));
      if (done || this.#ended) return false;
      this.#granted -= value.length;
      buffer = nextBuffer(value.buffer, value.length);
      this.#events.data(this.#stream, value);
    }
    reader.releaseLock();
    return !this.#ended;
  }

  async #secure() {
    await this.#writing;
    this.#writer.releaseLock();
    this.#startTls = false;
    this.#socket = this.#socket.startTls();
    this.#socket.closed.catch(() => {});
    await this.#socket.opened.catch((error) => {
      // Local runtimes call every failure of TLS an internal error.
      throw new Error(`TLS failed; is the server's certificate trusted, and for this host? ${error}`);
    });
    this.#writer = this.#socket.writable.getWriter();
    this.#events.secured(this.#stream);
  }

  async #drainWrites() {
    try {
      for (let bytes; !this.#ended && (bytes = this.#writes.shift()) !== undefined; ) {
        for (let at = 0; at < bytes.length; at += WRITE_BYTES_MAX) {
          const chunk = bytes.subarray(at, at + WRITE_BYTES_MAX);
          // Counted beforehand: a write that fails may have sent a part.
          this.#accepted += chunk.length;
          await this.#writer.write(chunk);
          this.#tookMore(chunk.length);
        }
      }
    } catch (error) {
      this.#end(String(error));
    } finally {
      this.#writing = null;
    }
  }

  #tookMore(bytes) {
    this.#took += bytes;
    if (this.#ended || this.#took < TOOK_BYTES_MIN) return;
    this.#events.took(this.#stream, this.#took);
    this.#took = 0;
  }

  #end(detail, orderly = false) {
    if (this.#ended) return;
    this.#ended = true;
    this.#wakeReader();
    this.#socket?.close().catch(() => {});
    if (this.#opened || this.#closing) this.#events.closed(this.#stream, orderly, this.#accepted, detail);
    else this.#events.refused(this.#stream, "failed", detail);
  }
}

/** A larger buffer after a read that filled this one, a small one after a small read. */
function nextBuffer(buffer, length) {
  if (length === buffer.byteLength && length < READ_BYTES_MAX) return new ArrayBuffer(length * 4);
  if (length < READ_BYTES_MIN && buffer.byteLength > READ_BYTES_MIN) return new ArrayBuffer(READ_BYTES_MIN);
  return buffer;
}
