/**
 * Sockets for unmodified drivers: `pg`, `postgres`, Sequelize and others speak PostgreSQL's own
 * protocol to the gateway, as they would to Hyperdrive.
 *
 * @module
 */

import { Duplex } from "node:stream";

import { configError } from "./errors.js";
import { READ_BYTES } from "./limits.js";

/** The platform wants an address; the gateway reads the database's name from what the driver says. */
const ADDRESS = "pierhead:5432";
const PORT = 5432;
/** Where there is no virtual host: drivers need the name of one, and the shim does not dial it. */
const NO_HOST = "pierhead.invalid";
/** Sent where no password is asked for: some drivers refuse to have none. */
const NO_PASSWORD = "none";

/** A service binding of the gateway. */
export interface SocketGateway {
  connect(address: any, options?: any): any;
}

/** Who a driver says it is. */
export interface BindOptions {
  /** The role in the coordinator's `PIERHEAD_DB_<NAME>`: another one is refused. */
  readonly user: string;
  /** The secret `PIERHEAD_DB_<NAME>_SOCKET_PASSWORD`, if the coordinator has one. */
  readonly password?: string | undefined;
}

/**
 * A database as drivers are told of one. The fields are those of a Hyperdrive binding, so that code for
 * that works with this in its place; three more are for drivers that take a socket. Hyperdrive's `ip` is
 * not among them: the platform gives virtual hosts a name alone.
 */
export interface BoundDatabase {
  readonly connectionString: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Whether `host` can be dialled; otherwise use `stream` or `socket`. */
  readonly dialable: boolean;
  /** A socket of the platform. */
  connect(): Socket;
  /** For `pg`, and for Sequelize's `dialectOptions`: `new Client({ ...bound, stream: bound.stream })`. */
  stream(): Duplex;
  /** For `postgres`: `postgres({ ...bound, socket: bound.socket })`. */
  socket(): Promise<Duplex>;
}

/** What is asked of an invocation's context. */
export interface VirtualHosts {
  waitUntil(promise: Promise<any>): void;
  /** Not every runtime has it. */
  mapVirtualHost?(fetcher: any, port: number): string;
}

/**
 * Binds a database for drivers. Call it in the invocation that uses it, and make a client there: a
 * socket does not outlive an invocation. It costs next to nothing.
 *
 * @param ctx the invocation's context
 * @param gateway a service binding of the entrypoint `Gateway`
 * @param database the word behind `PIERHEAD_DB_`, in lower case
 */
export function bind(ctx: VirtualHosts, gateway: SocketGateway | undefined, database: string, options: BindOptions): BoundDatabase {
  if (gateway === undefined || gateway === null) {
    throw configError(
      `there is no gateway for the database "${database}": bind() was given ${gateway}`,
      'add [[services]] with binding = "GATEWAY", service = "pierhead" and entrypoint = "Gateway" to wrangler.toml',
    );
  }
  const { user, password = NO_PASSWORD } = options;
  const mapped = ctx.mapVirtualHost?.(gateway, PORT);
  const [host = NO_HOST, port = String(PORT)] = mapped?.split(":") ?? [];
  const [name, secret, path] = [user, password, database].map(encodeURIComponent);
  const open = () => gateway.connect(ADDRESS) as Socket;
  return {
    connectionString: `postgres://${name}:${secret}@${host}:${port}/${path}?sslmode=disable`,
    host, port: Number(port), user, password, database,
    dialable: mapped !== undefined,
    connect: open,
    stream: () => new SocketStream(open),
    async socket() {
      const stream = new SocketStream(open);
      stream.connect();
      return stream;
    },
  };
}

/** A socket of the platform with the manners of Node's, as far as drivers look at them. */
export class SocketStream extends Duplex {
  readonly #open: () => Socket;
  #socket: Socket | undefined;
  #reader: ReadableStreamBYOBReader | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #reading = false;
  /** Whether somebody reads already, before there is anything to read. */
  #wanted = false;
  #view: ArrayBuffer = new ArrayBuffer(READ_BYTES);

  constructor(open: () => Socket) {
    super({ emitClose: true, allowHalfOpen: false });
    this.#open = open;
  }

  /** Opens it, wherever it is told to go; then emits `connect`. */
  connect(..._address: unknown[]): this {
    if (this.#socket !== undefined) return this;
    this.#socket = this.#open();
    this.#reader = this.#socket.readable.getReader({ mode: "byob" });
    this.#writer = this.#socket.writable.getWriter();
    this.#socket.opened.then(
      () => {
        this.emit("connect");
        this.emit("ready");
      },
      (error) => this.destroy(error),
    );
    this.#socket.closed.catch(() => {});
    if (this.#wanted) void this.#pump();
    return this;
  }

  get readyState(): "open" | "opening" | "closed" {
    if (this.destroyed || this.writableEnded) return "closed";
    return this.#socket === undefined ? "opening" : "open";
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setTimeout(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {
    this.#wanted = true;
    void this.#pump();
  }

  /** Reads until the consumer has enough; it asks again when it has not. */
  async #pump(): Promise<void> {
    if (this.#reading || this.#reader === undefined) return;
    this.#reading = true;
    try {
      for (let wanted = true; wanted; ) {
        const { value } = await this.#reader.read(new Uint8Array(this.#view));
        if (value === undefined || value.length === 0) {
          this.push(null);
          break;
        }
        // The buffer is lent to the next read, so what is handed on is a copy.
        const bytes = Buffer.from(value);
        this.#view = value.buffer as ArrayBuffer;
        wanted = this.push(bytes);
      }
    } catch (error) {
      this.destroy(error as Error);
    } finally {
      this.#reading = false;
    }
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.connect();
    this.#writer!.write(chunk).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#writer === undefined) return done();
    this.#writer.close().then(() => done(), () => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#reader?.cancel().catch(() => {});
    this.#socket?.close().catch(() => {});
    done(error);
  }
}
