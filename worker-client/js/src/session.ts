import type { Database } from "./database.js";
import { PierheadError } from "./errors.js";
import type { CallOptions } from "./exchange.js";
import type { QueryResult } from "./result.js";
import { type Statement, transactionControl } from "./statement.js";
import type { Transaction } from "./transaction.js";

/**
 * What a driver's connection is to those who speak SQL alone: `BEGIN` begins a transaction here, and
 * `COMMIT` ends it. It holds a session of the database only in between.
 */
export class Session {
  readonly #db: Database;
  #tx: Transaction | undefined;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Whether a transaction is open. */
  get inTransaction(): boolean {
    return this.#tx !== undefined;
  }

  async query(statement: Statement, options?: CallOptions): Promise<QueryResult<any>> {
    const keyword = transactionControl(statement.text);
    const back = keyword === "rollback" && /\bto\b/i.test(statement.text);
    const tx = this.#tx;
    switch (keyword) {
      case "begin": case "start":
        // In a transaction already, the database warns and goes on: so does this.
        this.#tx ??= this.#db.beginWith(statement.text);
        return commanded("BEGIN");
      case "commit": case "end":
        return this.#commit();
      case "rollback": case "abort":
        if (back) break;
        await this.close();
        return commanded("ROLLBACK");
    }
    if (tx !== undefined && (back || keyword === "savepoint" || keyword === "release")) {
      await tx.ahead(statement.text);
      return commanded(keyword.toUpperCase());
    }
    return (tx ?? this.#db).query(statement, undefined, options);
  }

  /** Rows as they arrive. */
  stream(statement: Statement, options?: CallOptions): AsyncGenerator<any, void, void> {
    return (this.#tx ?? this.#db).stream(statement, undefined, options);
  }

  /** Rolls back what is open. */
  async close(): Promise<void> {
    const tx = this.#tx;
    this.#tx = undefined;
    await tx?.rollback();
  }

  async #commit(): Promise<QueryResult<any>> {
    const tx = this.#tx;
    this.#tx = undefined;
    try {
      await tx?.commit();
      return commanded("COMMIT");
    } catch (error) {
      // As a database answers: with ROLLBACK, not with an error.
      if (error instanceof PierheadError && error.status === "rolledBack") return commanded("ROLLBACK");
      throw error;
    }
  }
}

function commanded(command: string): QueryResult<any> {
  return { command, rowCount: null, rows: [], fields: [] };
}
