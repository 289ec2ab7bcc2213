// Links: WebSockets that agents dialled, accepted in the way that lets the object hibernate. The
// platform keeps the sockets, a tag and an attachment of each, while the object's memory is gone.
//
// A socket's tag holds its link's number. Numbers rise; the next one is above those of all sockets
// that are there, so a late event never finds another link's name.

/** What the tag of a link's socket begins with. */
const TAG = "link-";
/**
 * The attachment of a socket that was closed from here. If its far end never answers, the platform
 * lists it, and calls it open again after some hibernations (seen).
 */
const CLOSED = false;

/** The one key in the object's storage: how often an epoch began. */
const EPOCH = "epoch";

/** The class below, handed over by Rust: only files that it names are part of the built module. */
export function linksClass() {
  return Links;
}

class Links {
  #events;
  #ctx;
  #sockets = new Map();
  #last = 0;

  /** @param events `tell` is told what happens, `fail` that this object must not go on */
  constructor(events, ctx) {
    this.#events = events;
    this.#ctx = ctx;
  }

  /** Tells of the links that an earlier life of the object accepted. Comes before every event. */
  restore() {
    const restored = [];
    for (const socket of this.#ctx.getWebSockets()) {
      const link = this.#number(socket);
      this.#last = Math.max(this.#last, link);
      const attachment = socket.deserializeAttachment() ?? new Uint8Array(0);
      if (socket.readyState !== WebSocket.OPEN || attachment === CLOSED) continue;
      restored.push([link, socket, attachment]);
    }
    restored.sort(([a], [b]) => a - b);
    for (const [link, socket] of restored) this.#sockets.set(link, socket);
    for (const [link, , attachment] of restored) this.#events.tell("linkRestored", link, attachment);
  }

  /** The answer to an agent's upgrade request, whose token was checked by who called the object. */
  accept(request) {
    if (request.headers.get("Upgrade")?.toLowerCase() !== "websocket") {
      return new Response("An agent's link is a WebSocket.\n", { status: 426, headers: { Upgrade: "websocket" } });
    }
    const { 0: client, 1: server } = new WebSocketPair();
    const link = ++this.#last;
    this.#ctx.acceptWebSocket(server, [TAG + link]);
    this.#sockets.set(link, server);
    this.#events.tell("linkOpened", link);
    return new Response(null, { status: 101, webSocket: client });
  }

  /** Handlers of one socket may overlap, so the bytes go to the core before anything is awaited. */
  message(socket, message) {
    const link = this.#number(socket);
    if (!this.#sockets.has(link)) return;
    if (typeof message === "string") this.#events.tell("linkText", link);
    else this.#events.tell("linkMessage", link, new Uint8Array(message));
  }

  /** The far end closed the socket, or it is lost. */
  closed(socket, detail) {
    // The platform answers the far end's close frame for ordinary sockets, but not for these (seen).
    tryTo(() => socket.close(1000));
    this.#forget(this.#number(socket), detail);
  }

  // ---- Called by the core: none of these calls it back before it has returned --------------

  sendLink(link, bytes) {
    // A socket that cannot send any more is closing, which is told as such.
    tryTo(() => this.#sockets.get(link)?.send(bytes));
  }

  closeLink(link, reason) {
    const socket = this.#sockets.get(link);
    if (socket === undefined) return;
    tryTo(() => socket.serializeAttachment(CLOSED));
    tryTo(() => socket.close(1000, reason));
    // The platform tells of the end only when the far end has answered, or never.
    queueMicrotask(() => this.#forget(link, `closed: ${reason}`));
  }

  attach(link, bytes) {
    this.#sockets.get(link)?.serializeAttachment(bytes);
  }

  /** A copy of the object that cannot store is stale, and must not go on beside the other one. */
  raiseEpoch() {
    this.#storeEpoch().then(
      (epoch) => this.#events.tell("epochRaised", epoch),
      (error) => this.#events.fail(new Error(`the epoch could not be stored: ${error}`)),
    );
  }

  async #storeEpoch() {
    const { storage } = this.#ctx;
    const epoch = ((await storage.get(EPOCH)) ?? 0) + 1;
    await storage.put(EPOCH, epoch);
    await storage.sync();
    return epoch;
  }

  /** Once per link, whoever comes first. */
  #forget(link, detail) {
    if (this.#sockets.delete(link)) this.#events.tell("linkClosed", link, detail);
  }

  #number(socket) {
    return Number(this.#ctx.getTags(socket)[0].slice(TAG.length));
  }
}

function tryTo(act) {
  try {
    act();
  } catch {
    // The socket is closing or closed already.
  }
}
