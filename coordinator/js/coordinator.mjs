// The Durable Object class, and the shell around the core (Rust, wasm) that does what the core
// says: it holds the streams to the database, a timer and an alarm; callers, sockets and
// links have files of their own.
//
// The core is one object with synchronous methods. Every event becomes one call, and during that
// call the core calls back what is to be done. Nothing here decides anything about pools.

import { DurableObject } from "cloudflare:workers";

/** Objects whose lives are counted; later ones are not. */
const OBJECTS_MAX = 1_024;
/** By an object's id, how often this isolate made it: it sleeps and wakes in one isolate, mostly. */
const instances = new Map();

/**
 * The class to export from a Worker's entry.
 *
 * @param Core the exported class `PierheadCore` of the built module, as that module exports it
 * @param parts the classes `Calls`, `Links` and `Sockets` of the files of those names
 */
export function coordinatorClass(Core, parts) {
  // Whatever is public here can be called by every Worker that is bound to the namespace.
  return class Pierhead extends DurableObject {
    #shell;

    constructor(ctx, env) {
      super(ctx, env);
      this.#shell = new Shell(ctx, env, Core, parts);
    }

    /**
     * One request, one answer.
     *
     * @param {Uint8Array} request an envelope, `docs/protocol.md` section 1.1
     * @param {() => unknown} [alive] called now and then while the caller waits; throws when it
     *   is gone
     * @returns {Promise<Uint8Array | ReadableStream>} an answer, section 1.3
     */
    exchange(request, alive) {
      return this.#shell.calls.exchange(request, alive);
    }

    /** Ends the request whose envelope holds this id, if it is still here. */
    abort(requestId) {
      this.#shell.calls.abort(requestId);
    }

    /**
     * Gives `alive` for the request whose envelope holds this id, if it is still here: what a
     * caller does that has waited for a while, for most are answered sooner.
     */
    watch(requestId, alive) {
      this.#shell.calls.watch(requestId, alive);
    }

    /**
     * A transaction over several requests, `docs/protocol.md` section 1.5: it has `exchange` and
     * `abort` of its own, and ends when it is disposed of.
     *
     * @param {Uint8Array} [options] a run of options as in an envelope
     */
    begin(options) {
      return this.#shell.begin(options);
    }

    /** A client that speaks PostgreSQL's own protocol, section 1.6. Resolves when it is gone. */
    connect(socket) {
      return this.#shell.sockets.connect(socket);
    }

    alarm() {
      this.#shell.tell("alarmFired");
    }

    webSocketMessage(socket, message) {
      this.#shell.links.message(socket, message);
    }

    webSocketClose(socket, code, reason) {
      this.#shell.links.closed(socket, `close ${code} ${reason}`.trim());
    }

    webSocketError(socket, error) {
      this.#shell.links.closed(socket, String(error));
    }

    /**
     * For whoever is bound to the namespace. `/status`: counters as JSON. `/socket`: what
     * `connect` carries, in messages of a WebSocket. `/link`: the upgrade request of an agent
     * whose token was checked.
     */
    fetch(request) {
      switch (new URL(request.url).pathname) {
        case "/status":
          return Response.json(this.#shell.status());
        case "/socket":
          return this.#shell.sockets.accept(request);
        case "/link":
          return this.#shell.links.accept(request);
        default:
          return new Response("This object answers exchange(), begin(), connect(), and GET /status.\n", { status: 404 });
      }
    }
  };
}

/** The methods of Shell for the core, and for the streams it opens. */
const CALLED_BY_CORE = [
  "born", "carry", "write", "grant", "startTls", "close",
  "wakeIn", "wakeLater", "log",
  "opened", "refused", "secured", "data", "took", "closed",
];
/** The methods of Calls for the core. */
const CALLS_CALLED_BY_CORE = ["answer", "beginAnswer", "writeAnswer", "probe"];
/** The methods of Sockets for the core. */
const SOCKETS_CALLED_BY_CORE = ["writeSocket", "grantSocket", "closeSocket"];
/** The methods of Links for the core. */
const LINKS_CALLED_BY_CORE = ["sendLink", "closeLink", "attach", "raiseEpoch"];

class Shell {
  /** Callers over RPC, and their leases. */
  calls;
  /** Clients that speak the database's own protocol. */
  sockets;
  /** The WebSockets that agents dialled. */
  links;
  #life = newLife();
  #ctx;
  #core;
  /** What the core calls; nobody else holds it. */
  #lent;
  #born = false;
  #failure = null;
  #dead = false;
  #telling = false;
  #untold = [];
  #clients = 0;
  #streams = new Map();
  #timer = null;

  constructor(ctx, env, Core, { Calls, Links, Sockets }) {
    this.#ctx = ctx;
    count(ctx.id.toString());
    this.calls = new Calls(this);
    this.sockets = new Sockets(this);
    this.links = new Links(this, ctx);
    const seed = crypto.getRandomValues(new Uint8Array(32));
    this.#lent = this.#host();
    this.#core = new Core(weakly(this.#lent), ctx.id.name ?? "", env, seed);
    this.links.restore();
  }

  begin(options = new Uint8Array(0)) {
    if (!(options instanceof Uint8Array)) throw new TypeError("begin: options must be a Uint8Array");
    const problem = this.#ask("leaseProblem", options);
    if (problem) throw new TypeError(`begin: ${problem}`);
    return this.calls.begin(options);
  }

  status() {
    const lives = { life: this.#life, instances: instances.get(this.#ctx.id.toString()) ?? null };
    return { ...JSON.parse(this.#ask("status") ?? "{}"), ...this.sockets.status(), ...lives };
  }

  /** Whose request has this id; 0 if nobody's. */
  clientOf(requestId) {
    return this.#ask("clientOf", requestId) ?? 0;
  }

  /** The number of the next client: exchanges, leases and sockets share one sequence. */
  nextClient() {
    return ++this.#clients;
  }

  // ---- Into the core ---------------------------------------------------------------------

  /** The only door into the core: one event at a time, in order, never from inside another. */
  tell(method, ...args) {
    if (this.#dead) return;
    this.#untold.push([method, args]);
    if (this.#telling) return;
    this.#telling = true;
    try {
      for (let event; !this.#dead && (event = this.#untold.shift()) !== undefined; ) {
        this.#core[event[0]](...event[1]);
        if (this.#failure !== null) this.#die();
      }
    } catch (error) {
      this.#failure ??= error;
      this.#die();
    } finally {
      this.#telling = false;
    }
  }

  /** What the core answers to a question, which changes nothing. */
  #ask(method, ...args) {
    try {
      return this.#core[method](...args);
    } catch (error) {
      this.#failure ??= error;
    } finally {
      if (this.#failure !== null) this.#die();
    }
  }

  opened(stream) {
    this.tell("streamOpened", stream);
  }

  refused(stream, kind, detail) {
    this.#streams.delete(stream);
    this.tell("streamRefused", stream, kind, detail);
  }

  secured(stream) {
    this.tell("streamSecured", stream);
  }

  data(stream, bytes) {
    this.tell("streamData", stream, bytes);
  }

  took(stream, bytes) {
    this.tell("streamTook", stream, bytes);
  }

  closed(stream, orderly, accepted, detail) {
    this.#streams.delete(stream);
    this.tell("streamClosed", stream, orderly, accepted, detail);
  }

  /** Something failed outside of a call into the core. */
  fail(error) {
    if (this.#dead) return;
    this.#failure ??= error;
    this.#die();
  }

  /**
   * Ends this object after a failure, so that the next call starts a fresh one.
   *
   * All objects of a script share one wasm instance. When it traps, in whichever object, a new
   * one takes its place and every core is made again, without its sessions and callers. Nothing
   * can be repaired then, only reported.
   */
  #die() {
    this.#dead = true;
    const reason = `Pierhead's coordinator was reset: ${this.#failure}`;
    console.error(reason);
    this.calls.fail(new Error(reason));
    this.sockets.fail();
    for (const stream of this.#streams.values()) stream.close();
    this.#ctx.abort(reason);
  }

  // ---- Out of the core: none of these calls it back before it has returned ----------------

  /**
   * What the core may call. An exception must not pass through wasm: it would end the instance
   * that this object shares with others.
   */
  #host() {
    const host = {};
    const lend = (owner, methods) => {
      for (const method of methods) {
        host[method] = (...args) => {
          try {
            return owner[method](...args);
          } catch (error) {
            this.#failure ??= error;
          }
        };
      }
    };
    lend(this, CALLED_BY_CORE);
    lend(this.calls, CALLS_CALLED_BY_CORE);
    lend(this.sockets, SOCKETS_CALLED_BY_CORE);
    lend(this.links, LINKS_CALLED_BY_CORE);
    return host;
  }

  /** True for the first core of this object; another one replaces one that was lost. */
  born() {
    if (this.#born) this.#failure ??= new Error("the wasm instance was replaced after a trap");
    const first = !this.#born;
    this.#born = true;
    return first;
  }

  carry(stream, transport) {
    this.#streams.set(stream, transport);
  }

  write(stream, bytes) {
    this.#streams.get(stream)?.write(bytes);
  }

  grant(stream, bytes) {
    this.#streams.get(stream)?.grant(bytes);
  }

  startTls(stream) {
    this.#streams.get(stream)?.startTls();
  }

  close(stream) {
    this.#streams.get(stream)?.close();
  }

  /** One timer at most; a new one replaces it. Negative: none. */
  wakeIn(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = milliseconds < 0 ? null : setTimeout(() => this.tell("timerFired"), milliseconds);
  }

  /** Unconfirmed, so that no traffic of this object waits for the write. */
  wakeLater(epochMilliseconds) {
    this.#ctx.storage
      .setAlarm(epochMilliseconds, { allowUnconfirmed: true })
      .catch((error) => console.warn(`pierhead: the alarm was not set: ${error}`));
  }

  log(level, text) {
    console[level](`pierhead: ${text}`);
  }
}

/**
 * The methods of `host`, without a hold on it.
 *
 * Wasm keeps what it calls for as long as there is a core, and the core is freed when JavaScript has
 * forgotten it: nobody says when an object was evicted. If this led back to the object, and so to its
 * core, what an evicted object held would never be given back.
 */
function weakly(host) {
  // Before the compatibility date 2025-05-05 there is none, and nothing is ever freed.
  if (typeof WeakRef === "undefined") return host;
  const weak = new WeakRef(host);
  const methods = Object.keys(host).map((name) => [name, (...args) => weak.deref()?.[name](...args)]);
  return Object.fromEntries(methods);
}

/** Counts one more life of an object. */
function count(object) {
  if (instances.has(object) || instances.size < OBJECTS_MAX) {
    instances.set(object, (instances.get(object) ?? 0) + 1);
  }
}

/** Sixteen random digits that tell one life of an object from the next. */
function newLife() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
