/**
 * Drizzle on a Pierhead database: `const orm = drizzle(connect(env.PIERHEAD, "main"), { schema })`.
 *
 * @module
 */

import { type DrizzleConfig, DefaultLogger, type Logger, NoopLogger, type SQL, entityKind, fillPlaceholders, type Query, sql } from "drizzle-orm";
import { createTableRelationsHelpers, extractTablesRelationalConfig, type RelationalSchemaConfig, type TablesRelationalConfig } from "drizzle-orm";
import {
  PgDatabase, PgDialect, PgPreparedQuery, type PgQueryResultHKT, PgSession, PgTransaction, type PgTransactionConfig,
  type PreparedQueryConfig, type SelectedFieldsOrdered,
} from "drizzle-orm/pg-core";
import * as utils from "drizzle-orm/utils";

import type { Database } from "./database.js";
import type { QueryResult } from "./result.js";
import { Session } from "./session.js";
import type { Statement } from "./statement.js";
import { type TypeParsers, parserOf } from "./types.js";

/** What `execute()` of raw SQL gives. */
export interface PierheadQueryResultHKT extends PgQueryResultHKT {
  type: QueryResult<this["row"]>;
}

/** A Drizzle database over Pierhead. `$client` is what `connect()` gave. */
export type PierheadDrizzle<TSchema extends Record<string, unknown>> = PgDatabase<PierheadQueryResultHKT, TSchema> & {
  $client: Database;
};

/** Drizzle reads dates, times and intervals itself: oids of these types and of their arrays. */
const READ_BY_DRIZZLE = [1082, 1114, 1184, 1186, 1115, 1182, 1185, 1187, 1231];
const types: TypeParsers = {
  getTypeParser: (oid) => (READ_BY_DRIZZLE.includes(oid) ? (text) => text : parserOf(undefined, oid)),
};

/** A member that Drizzle's own drivers use, and its types leave out. */
const { mapResultRow } = utils as unknown as {
  mapResultRow(fields: SelectedFieldsOrdered, row: unknown[], joins: unknown): unknown;
};

/** Runs what Drizzle made: a database for one statement, a session for a transaction. */
type Runner = { query(statement: Statement): Promise<QueryResult<any>> };

class Prepared<T extends PreparedQueryConfig> extends PgPreparedQuery<T> {
  static override readonly [entityKind]: string = "PierheadPreparedQuery";
  readonly #runner: Runner;
  readonly #logger: Logger;
  readonly #fields: SelectedFieldsOrdered | undefined;
  readonly #map: ((rows: unknown[][]) => T["execute"]) | undefined;

  constructor(
    runner: Runner, query: Query, logger: Logger, cache: any, metadata: any, cacheConfig: any,
    fields: SelectedFieldsOrdered | undefined, map: ((rows: unknown[][]) => T["execute"]) | undefined,
    private readonly arrayMode: boolean,
  ) {
    super(query, cache, metadata, cacheConfig);
    this.#runner = runner;
    this.#logger = logger;
    this.#fields = fields;
    this.#map = map;
  }

  async execute(placeholders: Record<string, unknown> = {}): Promise<T["execute"]> {
    const [fields, map] = [this.#fields, this.#map];
    if (fields === undefined && map === undefined) return this.#run(placeholders, "object");
    const { rows } = await this.#run(placeholders, "array");
    if (map !== undefined) return map(rows);
    const { joinsNotNullableMap } = this as unknown as { joinsNotNullableMap: unknown };
    return rows.map((row: unknown[]) => mapResultRow(fields!, row, joinsNotNullableMap));
  }

  async all(placeholders: Record<string, unknown> = {}): Promise<T["all"]> {
    return (await this.#run(placeholders, "object")).rows;
  }

  isResponseInArrayMode(): boolean {
    return this.arrayMode;
  }

  #run(placeholders: Record<string, unknown>, rowMode: "array" | "object"): Promise<QueryResult<any>> {
    const values = fillPlaceholders(this.query.params, placeholders);
    const text = this.query.sql;
    this.#logger.logQuery(text, values);
    const cached = this as unknown as {
      queryWithCache<R>(text: string, values: unknown[], run: () => Promise<R>): Promise<R>;
    };
    return cached.queryWithCache(text, values, () => this.#runner.query({ text, values, rowMode, types }));
  }
}

class DrizzleSession<F extends Record<string, unknown>, S extends TablesRelationalConfig> extends PgSession<PierheadQueryResultHKT, F, S> {
  static override readonly [entityKind]: string = "PierheadSession";

  constructor(
    private readonly db: Database, private readonly runner: Runner, dialect: PgDialect,
    private readonly schema: RelationalSchemaConfig<S> | undefined, private readonly logger: Logger, private readonly cache: any,
  ) {
    super(dialect);
  }

  prepareQuery<T extends PreparedQueryConfig = PreparedQueryConfig>(
    query: Query, fields: SelectedFieldsOrdered | undefined, _name: string | undefined, arrayMode: boolean,
    map?: (rows: unknown[][]) => T["execute"], metadata?: any, cacheConfig?: any,
  ): PgPreparedQuery<T> {
    // A name of the client's is of no use: the coordinator knows statements by their texts.
    return new Prepared<T>(this.runner, query, this.logger, this.cache, metadata, cacheConfig, fields, map, arrayMode);
  }

  override async transaction<T>(
    body: (tx: DrizzleTransaction<F, S>) => Promise<T>,
    config?: PgTransactionConfig,
  ): Promise<T> {
    const session = new Session(this.db);
    const { dialect, schema } = this;
    const inner = new DrizzleSession<F, S>(this.db, session, dialect, schema, this.logger, this.cache);
    const tx = new DrizzleTransaction<F, S>(dialect, inner, schema);
    await tx.execute(sql.raw(`begin ${config === undefined ? "" : modes(config)}`.trim()));
    try {
      const value = await body(tx);
      const { command } = await tx.execute(sql.raw("commit"));
      if (command === "ROLLBACK") throw new Error("the transaction was rolled back: a statement in it had failed");
      return value;
    } finally {
      await session.close();
    }
  }

  override async count(query: SQL): Promise<number> {
    const { rows } = await this.execute<QueryResult<{ count: string }>>(query);
    return Number(rows[0]?.count);
  }
}

class DrizzleTransaction<F extends Record<string, unknown>, S extends TablesRelationalConfig> extends PgTransaction<PierheadQueryResultHKT, F, S> {
  static override readonly [entityKind]: string = "PierheadTransaction";

  override async transaction<T>(body: (tx: DrizzleTransaction<F, S>) => Promise<T>): Promise<T> {
    const { dialect, session } = this as unknown as { dialect: PgDialect; session: PgSession<any, any, any> };
    const name = `sp${this.nestedIndex + 1}`;
    const tx = new DrizzleTransaction<F, S>(dialect, session, this.schema as any, this.nestedIndex + 1);
    await tx.execute(sql.raw(`savepoint ${name}`));
    try {
      const value = await body(tx);
      await tx.execute(sql.raw(`release savepoint ${name}`));
      return value;
    } catch (error) {
      await tx.execute(sql.raw(`rollback to savepoint ${name}`));
      throw error;
    }
  }
}

function modes({ isolationLevel, accessMode, deferrable }: PgTransactionConfig): string {
  return [
    isolationLevel && `isolation level ${isolationLevel}`,
    accessMode,
    deferrable !== undefined && (deferrable ? "deferrable" : "not deferrable"),
  ].filter(Boolean).join(", ");
}

/**
 * A Drizzle database. It may stand at module scope.
 *
 * @param db what `connect()` gives
 */
export function drizzle<TSchema extends Record<string, unknown> = Record<string, never>>(
  db: Database,
  config: DrizzleConfig<TSchema> = {},
): PierheadDrizzle<TSchema> {
  const dialect = new PgDialect(config.casing === undefined ? {} : { casing: config.casing });
  const logger = config.logger === true ? new DefaultLogger() : config.logger || new NoopLogger();
  let schema: RelationalSchemaConfig<any> | undefined;
  if (config.schema !== undefined) {
    const { tables, tableNamesMap } = extractTablesRelationalConfig(config.schema, createTableRelationsHelpers);
    schema = { fullSchema: config.schema, schema: tables, tableNamesMap };
  }
  const session = new DrizzleSession<any, any>(db, db, dialect, schema, logger, config.cache);
  return Object.assign(new PgDatabase(dialect, session, schema as any), { $client: db }) as any;
}
