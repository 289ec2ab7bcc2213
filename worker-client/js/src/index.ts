/**
 * Query a PostgreSQL database from a Cloudflare Worker through a Pierhead coordinator.
 *
 * @module
 */

import "./buffer.js";
import { type Binding, type Placement, opener } from "./binding.js";
import { Database, type DatabaseOptions } from "./database.js";
import { TIMEOUT_DEFAULT_MS } from "./limits.js";

export type { Binding, GatewayBinding, NamespaceBinding } from "./binding.js";
export { Database, type DatabaseOptions } from "./database.js";
export type { Blame, Retry, Status } from "./envelope.js";
export { AbortError, DatabaseError, PierheadError } from "./errors.js";
export type { CallOptions } from "./exchange.js";
export type { ToPostgres } from "./params.js";
export { Query, Queryable } from "./queryable.js";
export type { Field, QueryResult } from "./result.js";
export { Sql, sql } from "./sql.js";
export type { Statement, StatementLike } from "./statement.js";
export { Savepoint, Transaction, type TransactionOptions } from "./transaction.js";
export { asText, type Parse, type TypeOverrides, type TypeParsers } from "./types.js";

/** How to open a database. */
export interface ConnectOptions extends DatabaseOptions, Placement {}

/**
 * Opens a database: `const db = connect(env.PIERHEAD, "main")`. It connects nothing, so it may stand
 * at module scope, with `env` from `cloudflare:workers`.
 *
 * @param binding the namespace of the class `Pierhead`, or a service binding of its `Gateway`
 * @param name the word behind `PIERHEAD_DB_` in the coordinator's configuration, in lower case
 * @throws PierheadError when the binding is missing or the name is none
 */
export function connect(binding: Binding | undefined, name: string, options: ConnectOptions = {}): Database {
  const { timeoutMs, types, shareCalls, caller, freshPlans, reset } = options;
  return new Database({
    name,
    open: opener(binding, name, options),
    timeoutMs: timeoutMs ?? TIMEOUT_DEFAULT_MS,
    request: { caller, freshPlans, reset },
    types,
    settings: {},
    shareCalls: shareCalls ?? false,
  });
}
