// Objects that do the least that any coordinator must do: the floors of the benchmark.
import { DurableObject } from "cloudflare:workers";

/** Does nothing: what the call alone costs. */
export class Empty extends DurableObject {
  exchange(bytes) {
    return bytes;
  }
}

/** One WebSocket to a peer that sends everything back; answers come in the order of requests. */
export class Forward extends DurableObject {
  #opening = null;
  #socket = null;
  /** Requests without their whole answer: how many bytes are missing, and who waits. */
  #waiting = [];

  async exchange(bytes) {
    if (this.#socket === null) await (this.#opening ??= this.#open());
    const { promise, resolve } = Promise.withResolvers();
    this.#waiting.push({ bytes: new Uint8Array(bytes.byteLength), filled: 0, resolve });
    this.#socket.send(bytes);
    return promise;
  }

  async #open() {
    const response = await fetch(this.env.ECHO_URL, { headers: { Upgrade: "websocket" } });
    const socket = response.webSocket;
    if (!socket) throw new Error(`the tunnel to the echo peer answered ${response.status}`);
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#receive(new Uint8Array(data)));
    socket.accept();
    this.#socket = socket;
  }

  #receive(data) {
    while (data.length > 0) {
      const first = this.#waiting[0];
      const part = data.subarray(0, first.bytes.length - first.filled);
      first.bytes.set(part, first.filled);
      first.filled += part.length;
      data = data.subarray(part.length);
      if (first.filled < first.bytes.length) return;
      this.#waiting.shift();
      first.resolve(first.bytes);
    }
  }
}

/** Reads a tunnel's stream and hands it on as it comes: what a large result costs at least. */
export class Pour extends DurableObject {
  async pour(bytes) {
    const response = await fetch(this.env.SOURCE_URL, { headers: { Upgrade: "websocket" } });
    const socket = response.webSocket;
    if (!socket) throw new Error(`the tunnel to the source answered ${response.status}`);
    socket.binaryType = "arraybuffer";
    let left = bytes;
    const stream = new ReadableStream({
      type: "bytes",
      start(controller) {
        socket.addEventListener("message", ({ data }) => {
          left -= data.byteLength;
          controller.enqueue(new Uint8Array(data));
          if (left > 0) return;
          controller.close();
          // A reader that waits with a buffer of its own hears of the end by an empty answer.
          controller.byobRequest?.respond(0);
          socket.close();
        });
      },
    });
    socket.accept();
    const size = new Uint8Array(8);
    new DataView(size.buffer).setBigUint64(0, BigInt(bytes));
    socket.send(size);
    return stream;
  }
}

export default { fetch: () => new Response("floors\n") };
