/**
 * Kysely on a Pierhead database: `new Kysely<Tables>({ dialect: new PierheadDialect(db) })`.
 *
 * @module
 */

import {
  type CompiledQuery, type DatabaseConnection, type DatabaseIntrospector, type Dialect, type DialectAdapter,
  type Driver, type Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, type QueryCompiler,
  type QueryResult, type TransactionSettings,
} from "kysely";

import type { Database } from "./database.js";
import { Session } from "./session.js";
import { sql } from "./sql.js";

/** Commands that tell how many rows they touched. */
const COUNTING = ["INSERT", "UPDATE", "DELETE", "MERGE"];

export class PierheadDialect implements Dialect {
  readonly #db: Database;

  /** @param db what `connect()` gives; it may stand at module scope, and so may the Kysely on it */
  constructor(db: Database) {
    this.#db = db;
  }

  createDriver(): Driver {
    return new PierheadDriver(this.#db);
  }

  createQueryCompiler(): QueryCompiler {
    return new PostgresQueryCompiler();
  }

  createAdapter(): DialectAdapter {
    return new PostgresAdapter();
  }

  createIntrospector(db: Kysely<any>): DatabaseIntrospector {
    return new PostgresIntrospector(db);
  }
}

class PierheadDriver implements Driver {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async init(): Promise<void> {}

  /** Costs nothing: a session is held by transactions only. */
  async acquireConnection(): Promise<Connection> {
    return new Connection(new Session(this.#db));
  }

  async beginTransaction(connection: Connection, settings: TransactionSettings): Promise<void> {
    const { isolationLevel, accessMode } = settings;
    const modes = [isolationLevel && `isolation level ${isolationLevel}`, accessMode].filter(Boolean);
    await connection.command(`begin ${modes.join(", ")}`.trim());
  }

  async commitTransaction(connection: Connection): Promise<void> {
    await connection.command("commit");
  }

  async rollbackTransaction(connection: Connection): Promise<void> {
    await connection.command("rollback");
  }

  async savepoint(connection: Connection, name: string): Promise<void> {
    await connection.command(`savepoint ${sql.identifier(name).text}`);
  }

  async rollbackToSavepoint(connection: Connection, name: string): Promise<void> {
    await connection.command(`rollback to savepoint ${sql.identifier(name).text}`);
  }

  async releaseSavepoint(connection: Connection, name: string): Promise<void> {
    await connection.command(`release savepoint ${sql.identifier(name).text}`);
  }

  async releaseConnection(connection: Connection): Promise<void> {
    await connection.close();
  }

  async destroy(): Promise<void> {}
}

class Connection implements DatabaseConnection {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** A command of Kysely's own. What it committed or did not is told as an error. */
  async command(text: string): Promise<void> {
    const { command } = await this.#session.query({ text });
    if (text === "commit" && command === "ROLLBACK") {
      throw new Error("the transaction was rolled back: a statement in it had failed");
    }
  }

  async executeQuery<R>(query: CompiledQuery, options?: { signal?: AbortSignal }): Promise<QueryResult<R>> {
    const statement = { text: query.sql, values: query.parameters };
    const { command, rowCount, rows } = await this.#session.query(statement, { signal: options?.signal });
    if (!COUNTING.includes(command)) return { rows };
    return { rows, numAffectedRows: BigInt(rowCount ?? 0) };
  }

  async *streamQuery<R>(
    query: CompiledQuery,
    chunkSize: number,
    options?: { signal?: AbortSignal },
  ): AsyncGenerator<QueryResult<R>> {
    let rows: R[] = [];
    const statement = { text: query.sql, values: query.parameters };
    for await (const row of this.#session.stream(statement, { signal: options?.signal })) {
      if (rows.push(row) < chunkSize) continue;
      yield { rows };
      rows = [];
    }
    if (rows.length > 0) yield { rows };
  }

  close(): Promise<void> {
    return this.#session.close();
  }
}
