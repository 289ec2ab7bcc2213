/**
 * Prisma on a Pierhead database: `new PrismaClient({ adapter: new PrismaPierhead(db) })`.
 *
 * Prisma's own adapter for `pg` does the work; here it is given a pool that needs no socket.
 *
 * @module
 */

import { PrismaPg } from "@prisma/adapter-pg";
import pg from "pg";

import type { Database } from "./database.js";
import { Client, Pool } from "./pg.js";

/** What Prisma's adapter takes for a pool of `pg`, and asks for nothing but `query` and `connect`. */
class PrismaPool extends pg.Pool {
  readonly #pool: Pool;
  readonly #db: Database;

  constructor(db: Database) {
    super();
    this.#db = db;
    this.#pool = new Pool(db);
  }

  override connect(): any {
    return Promise.resolve(new Client(this.#db));
  }

  override query(...statement: any[]): any {
    return this.#pool.query(...(statement as Parameters<Pool["query"]>));
  }

  override async end(): Promise<void> {}
}

/** The adapter. A client on it may stand at module scope: it holds nothing of an invocation. */
export class PrismaPierhead extends PrismaPg {
  /**
   * @param db what `connect()` gives
   * @param options those of `PrismaPg`, such as `{ schema: "app" }`
   */
  constructor(db: Database, options?: ConstructorParameters<typeof PrismaPg>[1]) {
    super(new PrismaPool(db), options);
  }
}
