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
  #reader = null;
  /** Nothing while a read has it, and while nothing may be read. */
  #buffer = null;
  #reading = false;
  /** The last read filled its buffer. */
  #wantsMore = false;
  #startTls = false;
  #opened = false;
  #closing = false;
  #ended = false;

  constructor(events, stream, address, secureTransport) {
    this.#events = events;
    this.#stream = stream;
    this.#open(address, secureTransport).catch((error) => this.#end(String(error)));
  }

  write(bytes) {
    this.#writes.push(bytes);
    this.#writing ??= this.#drainWrites();
  }

  grant(bytes) {
    this.#granted += bytes;
    this.#read();
  }

  /** Begins TLS as soon as what was written has gone out and the reader is between two reads. */
  startTls() {
    this.#startTls = true;
    this.#read();
  }

  /** Ends the stream. While it opens, at once; later, when the platform has let go of it. */
  close() {
    this.#closing = true;
    const closed = this.#opened ? this.#socket.close() : Promise.resolve();
    closed.then(
      () => this.#end("closed"),
      (error) => this.#end(String(error)),
    );
  }

  async #open(address, secureTransport) {
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
    this.#talk();
    this.#events.opened(this.#stream);
  }

  /** Takes hold of both directions of the socket. */
  #talk() {
    this.#writer = this.#socket.writable.getWriter();
    this.#reader = this.#socket.readable.getReader({ mode: "byob" });
    this.#read();
  }

  /**
   * Reads what is granted, or begins TLS. Not a loop of an async function: that would keep the last
   * piece in memory while it waits for the next.
   */
  #read() {
    if (this.#ended || this.#reading || this.#reader === null) return;
    if (this.#startTls) return void this.#secure().catch((error) => this.#end(String(error)));
    if (this.#granted <= 0) {
      this.#buffer = null;
      return;
    }
    this.#reading = true;
    const buffer = this.#takeBuffer();
    const view = new Uint8Array(buffer, 0, Math.min(buffer.byteLength, this.#granted));
    this.#reader.read(view).then(({ value, done }) => this.#came(value, done), (error) => this.#end(String(error)));
  }

  #came(value, done) {
    this.#reading = false;
    if (this.#ended) return;
    // An end of file that nothing of ours brought about, and no write is left that it may cut off.
    if (done) return this.#end("the database's side closed the connection", !this.#closing && this.#writing === null);
    this.#granted -= value.length;
    this.#wantsMore = value.length === value.buffer.byteLength;
    this.#buffer = value.buffer;
    this.#events.data(this.#stream, value);
    this.#read();
  }

  /** What is read into: the last one, if it has the size that is wanted. */
  #takeBuffer() {
    const size = this.#wantsMore ? READ_BYTES_MAX : READ_BYTES_MIN;
    const last = this.#buffer;
    this.#buffer = null;
    return last?.byteLength === size ? last : new ArrayBuffer(size);
  }

  async #secure() {
    this.#startTls = false;
    this.#reader.releaseLock();
    this.#reader = null;
    await this.#writing;
    if (this.#ended) return;
    this.#writer.releaseLock();
    this.#socket = this.#socket.startTls();
    this.#socket.closed.catch(() => {});
    await this.#socket.opened.catch((error) => {
      // Local runtimes call every failure of TLS an internal error.
      throw new Error(`TLS failed; is the server's certificate trusted, and for this host? ${error}`);
    });
    if (this.#ended) return;
    this.#talk();
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
    this.#buffer = null;
    this.#socket?.close().catch(() => {});
    if (this.#opened || this.#closing) this.#events.closed(this.#stream, orderly, this.#accepted, detail);
    else this.#events.refused(this.#stream, "failed", detail);
  }
}
