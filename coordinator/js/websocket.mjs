// A stream through a cloudflared tunnel: one outgoing WebSocket per TCP connection.
//
// The far end dials the database before it answers 101, reads binary frames only, and cuts off
// what exceeds 16 KiB of a frame, silently. It ends by dropping TCP: close code 1006 is a normal
// end here. Nothing can be held back on a WebSocket, so read grants are ignored.

/** Bytes of one frame towards the tunnel: cloudflared loses what exceeds this. */
const FRAME_BYTES_MAX = 16_384;
/** Milliseconds after which a far end that does not let go of a closed stream is forgotten. */
const CLOSE_MS_MAX = 10_000;

/**
 * Starts to open a stream.
 *
 * @param events told `opened`, or else `refused`; then `data`s; then `closed`, unless refused
 * @param stream the number that every event names
 * @param url where the tunnel is published, http or https
 * @param accessId, accessSecret the service token of the access check, or undefined
 */
export function openWebSocket(events, stream, url, accessId, accessSecret) {
  return new WebSocketStream(events, stream, url, accessId, accessSecret);
}

class WebSocketStream {
  #events;
  #stream;
  #socket = null;
  #opening = new AbortController();
  #accepted = 0;
  #closeTimer = null;
  #ended = false;

  constructor(events, stream, url, accessId, accessSecret) {
    this.#events = events;
    this.#stream = stream;
    this.#open(url, accessId, accessSecret).catch((error) => this.#refuse("failed", String(error)));
  }

  write(bytes) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    try {
      for (let at = 0; at < bytes.length; at += FRAME_BYTES_MAX) {
        const frame = bytes.subarray(at, at + FRAME_BYTES_MAX);
        this.#socket.send(frame);
        this.#accepted += frame.length;
      }
    } catch (error) {
      queueMicrotask(() => this.#end(String(error)));
    }
  }

  grant() {}

  startTls() {
    queueMicrotask(() => this.#end("a WebSocket tunnel cannot start TLS"));
  }

  /** Ends the stream. While it opens, at once; later, when the far end has let go of it. */
  close() {
    if (this.#socket === null) {
      this.#opening.abort();
      queueMicrotask(() => this.#end("closed before it opened"));
      return;
    }
    this.#closeTimer ??= setTimeout(() => this.#end("the far end did not let go"), CLOSE_MS_MAX);
    try {
      this.#socket.close(1000);
    } catch (error) {
      queueMicrotask(() => this.#end(String(error)));
    }
  }

  async #open(url, accessId, accessSecret) {
    const headers = new Headers({ Upgrade: "websocket" });
    if (accessId !== undefined) {
      headers.set("Cf-Access-Client-Id", accessId);
      headers.set("Cf-Access-Client-Secret", accessSecret);
    }
    // A redirect leads to a login page: followed, it would look like a success without a socket.
    const signal = this.#opening.signal;
    const response = await fetch(url, { headers, redirect: "manual", signal });
    const socket = response.webSocket;
    if (!socket) {
      response.body?.cancel().catch(() => {});
      this.#refuse(refusalKind(response.status), refusalDetail(response));
      return;
    }
    this.#accept(socket);
  }

  #accept(socket) {
    // Without this, newer compatibility dates deliver Blobs, which cannot be read synchronously.
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => {
      if (this.#ended || typeof data === "string") return;
      this.#events.data(this.#stream, new Uint8Array(data));
    });
    socket.addEventListener("close", ({ code, reason }) => this.#end(`close ${code} ${reason}`.trim()));
    socket.addEventListener("error", ({ message }) => this.#end(message || "connection lost"));
    socket.accept();
    if (this.#ended) {
      socket.close(1000);
      return;
    }
    this.#socket = socket;
    this.#events.opened(this.#stream);
  }

  #refuse(kind, detail) {
    if (this.#ended) return;
    this.#ended = true;
    this.#events.refused(this.#stream, kind, detail);
  }

  #end(detail) {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#closeTimer);
    // How it ends tells nothing: a tunnel that broke looks like a database that closed.
    this.#events.closed(this.#stream, false, this.#accepted, detail);
  }
}

/** Which obstacle a status other than 101 means: the login, or the database behind the tunnel. */
function refusalKind(status) {
  if ((status >= 300 && status < 400) || status === 401 || status === 403) return "denied";
  if (status >= 500) return "unreachable";
  return "failed";
}

/** Status and, of a redirect, the host only: the rest of a login URL holds tokens. */
function refusalDetail(response) {
  const location = response.headers.get("Location");
  const host = location && URL.canParse(location, response.url || undefined)
    ? new URL(location, response.url || undefined).host
    : "";
  return `the tunnel answered ${response.status}` + (host ? `, redirecting to ${host}` : "");
}
