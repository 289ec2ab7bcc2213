/**
 * The shape of `pg`'s `Pool` and `Client`, for libraries that ask for one. Both are free to make:
 * a session of the database is held by transactions only, between `BEGIN` and `COMMIT`.
 *
 * One statement a call; several in one text, `COPY`, `LISTEN` and cursors need a socket (`pierhead/socket`).
 *
 * @module
 */

import { EventEmitter } from "node:events";

import pgTypes from "pg-types";

import type { Database } from "./database.js";
import type { QueryResult as Result } from "./result.js";
import { Session } from "./session.js";
import type { Statement } from "./statement.js";
import { parserOf } from "./types.js";

export { DatabaseError } from "./errors.js";
export type { Field } from "./result.js";
export const types = pgTypes;

/** A result as `pg` gives it. */
export interface QueryResult<R = any> extends Result<R> {
  oid: number;
}

/** A statement as `pg` takes it; `name` is of no use here, where texts name statements. */
export interface QueryConfig extends Statement {
  readonly name?: string;
}

type Callback<R> = (error: Error | null, result?: QueryResult<R>) => void;
type QueryArguments = [text: string | QueryConfig, values?: unknown, callback?: unknown];

abstract class Queries extends EventEmitter {
  protected abstract run(statement: Statement): Promise<Result<any>>;

  query<R = any>(text: string | QueryConfig, values?: readonly unknown[]): Promise<QueryResult<R>>;
  query<R = any>(text: string | QueryConfig, callback: Callback<R>): void;
  query<R = any>(text: string | QueryConfig, values: readonly unknown[], callback: Callback<R>): void;
  query(...[given, second, third]: QueryArguments): Promise<QueryResult> | void {
    const callback = (typeof second === "function" ? second : third) as Callback<any> | undefined;
    const values = Array.isArray(second) ? second : undefined;
    const config = typeof given === "string" ? { text: given } : given;
    if (config === null || typeof config !== "object" || typeof (config as any).submit === "function") {
      throw new TypeError("pierhead/pg runs texts and configurations; cursors and streams need a socket");
    }
    const statement = { ...config, values: values ?? config.values };
    const result = this.run(statement).then((result) => Object.assign(result, { oid: 0 }));
    if (callback === undefined) return result;
    result.then((value) => callback(null, value), (error) => callback(error));
  }

  /** Reads the text of a value, as in `pg`. */
  getTypeParser(oid: number): (text: string) => unknown {
    return parserOf(undefined, oid);
  }

  escapeIdentifier(name: string): string {
    return `"${name.replace(/"/g, '""')}"`;
  }

  escapeLiteral(text: string): string {
    const quoted = `'${text.replace(/'/g, "''").replace(/\\/g, "\\\\")}'`;
    return text.includes("\\") ? ` E${quoted}` : quoted;
  }
}

/** One connection in name; in fact a place where a transaction may be open. */
export class Client extends Queries {
  readonly #session: Session;
  #ended = false;

  /** @param db what `connect()` gives */
  constructor(db: Database) {
    super();
    this.#session = new Session(db);
  }

  async connect(): Promise<void> {}

  /** Rolls back what is open. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#session.close();
    this.emit("end");
  }

  /** Gives a client of a pool back; what is open is rolled back, as no socket would do it. */
  release(_error?: Error | boolean): void {
    this.#ended = true;
    void this.#session.close();
  }

  protected override async run(statement: Statement): Promise<Result<any>> {
    if (this.#ended) throw new Error("Client was closed and is not queryable");
    return this.#session.query(statement);
  }
}

/** Clients without end: the pool is in the coordinator. */
export class Pool extends Queries {
  readonly options = {};
  readonly totalCount = 0;
  readonly idleCount = 0;
  readonly waitingCount = 0;
  ended = false;
  readonly #db: Database;

  /** @param db what `connect()` gives; both may stand at module scope */
  constructor(db: Database) {
    super();
    this.#db = db;
  }

  connect(): Promise<Client>;
  connect(callback: (error: undefined, client: Client, release: () => void) => void): void;
  connect(callback?: (error: undefined, client: Client, release: () => void) => void): Promise<Client> | void {
    const client = new Client(this.#db);
    if (callback === undefined) return Promise.resolve(client);
    queueMicrotask(() => callback(undefined, client, () => client.release()));
  }

  async end(): Promise<void> {
    this.ended = true;
  }

  protected override run(statement: Statement): Promise<Result<any>> {
    // Outside a client there is no transaction to control.
    return new Session(this.#db).query(statement);
  }
}

export default { Client, Pool, types };
