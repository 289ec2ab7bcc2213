import { type Coordinator, type Open, dispose } from "./binding.js";
import type { RequestOptions } from "./envelope.js";
import { configError } from "./errors.js";
import type { CallOptions } from "./exchange.js";
import type { QueryResult } from "./result.js";
import { type Call, resultsOf, run, streamRows } from "./run.js";
import { Queryable } from "./queryable.js";
import { SharedCalls } from "./shared.js";
import { type Group, type Planned, type StatementLike, settingsStatement, toStatement } from "./statement.js";
import { Transaction, type TransactionOptions } from "./transaction.js";
import type { TypeOverrides } from "./types.js";

/** What a {@link Database} is made of. */
export interface DatabaseParts {
  readonly name: string;
  readonly open: Open;
  readonly timeoutMs: number;
  readonly request: RequestOptions;
  readonly types: TypeOverrides | undefined;
  readonly settings: Readonly<Record<string, string>>;
  readonly shareCalls: boolean;
}

/** What {@link Database.with} may change. */
export interface DatabaseOptions {
  /** Milliseconds of each call: waiting for a session, running and reading the answer together. */
  readonly timeoutMs?: number;
  /** This Worker's name, at most 64 bytes: its class in the pool, and its name in logs and status. */
  readonly caller?: string;
  /** How values are read; `pg`'s way unless given. */
  readonly types?: TypeOverrides;
  /** Plan each call's statements anew for its values: for data so skewed that one plan is a bad one. */
  readonly freshPlans?: boolean;
  /** Clear all session state behind each call, whatever the database's setting. */
  readonly reset?: boolean;
  /**
   * Send the queries of one tick in one call. They run one after the other on one session, each in a
   * transaction of its own. Saves trips where many are started at once; a slow one delays the rest.
   */
  readonly shareCalls?: boolean;
}

/**
 * A database behind its coordinator. It connects nothing and holds nothing of an invocation: keep it
 * at module scope.
 *
 * Each call of `query`, `sql` and `batch` is one trip to the coordinator and one transaction.
 */
export class Database extends Queryable {
  readonly #parts: DatabaseParts;
  readonly #shared: SharedCalls | undefined;

  /** @internal Use `connect()`. */
  constructor(parts: DatabaseParts) {
    super();
    if (!(parts.timeoutMs > 0)) throw configError("timeoutMs must be above 0", "leave it out for 30 s");
    this.#parts = parts;
    const send = (groups: readonly Group[]) => this.#exchange((call) => run(call, groups), {});
    if (parts.shareCalls) this.#shared = new SharedCalls(send);
  }

  /** Its name. */
  get name(): string {
    return this.#parts.name;
  }

  /** The same database with other options for each call. */
  with(options: DatabaseOptions): Database {
    const { timeoutMs, types, shareCalls, caller, freshPlans, reset } = options;
    const { request, ...parts } = this.#parts;
    return new Database({
      ...parts,
      timeoutMs: timeoutMs ?? parts.timeoutMs,
      types: types ?? parts.types,
      shareCalls: shareCalls ?? parts.shareCalls,
      request: {
        caller: caller ?? request.caller,
        freshPlans: freshPlans ?? request.freshPlans,
        reset: reset ?? request.reset,
      },
    });
  }

  /**
   * The same database with settings for each call or transaction, made in its own trip and gone with
   * its end: `search_path`, or `app.tenant` for policies of row-level security.
   */
  withSettings(settings: Readonly<Record<string, string | number | boolean>>): Database {
    const texts = Object.entries(settings).map(([name, value]) => [name, String(value)]);
    return new Database({ ...this.#parts, settings: { ...this.#parts.settings, ...Object.fromEntries(texts) } });
  }

  override async *stream<Row = any>(
    statement: StatementLike,
    values?: readonly unknown[],
    options: CallOptions = {},
  ): AsyncGenerator<Row, void, void> {
    const group = [...this.#before(), toStatement(statement, values)];
    const target = this.#parts.open();
    try {
      yield* streamRows(this.#call(target, options), group);
    } finally {
      dispose(target);
    }
  }

  /**
   * Begins a transaction. With a function, it is committed when that returns and rolled back when it
   * throws. Without, it is `await using tx = await db.begin()`, then `tx.commit()`; what is not
   * committed is rolled back.
   *
   * `BEGIN` rides with the first statement: a transaction of three statements is four trips, or three
   * with `tx.commit(lastStatement)`.
   */
  begin(options?: TransactionOptions): Promise<Transaction>;
  begin<T>(body: (tx: Transaction) => PromiseLike<T>): Promise<T>;
  begin<T>(options: TransactionOptions, body: (tx: Transaction) => PromiseLike<T>): Promise<T>;
  async begin<T>(
    first?: TransactionOptions | ((tx: Transaction) => PromiseLike<T>),
    second?: (tx: Transaction) => PromiseLike<T>,
  ): Promise<Transaction | T> {
    const body = typeof first === "function" ? first : second;
    const options = typeof first === "function" ? {} : (first ?? {});
    const tx = this.#transaction(options);
    if (body === undefined) return tx;
    try {
      const value = await body(tx);
      await tx.commit();
      return value;
    } finally {
      await tx.rollback();
    }
  }

  /** @internal For what brings a BEGIN of its own. */
  beginWith(begin: string): Transaction {
    return this.#transaction({}, begin);
  }

  #transaction(options: TransactionOptions, begin?: string): Transaction {
    const { open, request, timeoutMs, types } = this.#parts;
    return new Transaction({ open, request, timeoutMs, types, before: this.#before(), begin }, options);
  }

  protected override async runAll(statements: readonly Planned[], options: CallOptions): Promise<QueryResult<any>[]> {
    const group = [...this.#before(), ...statements];
    if (this.#shared !== undefined && options.signal === undefined && options.timeoutMs === undefined) {
      return this.#shared.add(group);
    }
    const ran = await this.#exchange((call) => run(call, [group]), options);
    return resultsOf(ran, [group], 0);
  }

  async #exchange<T>(use: (call: Call) => Promise<T>, options: CallOptions): Promise<T> {
    const target = this.#parts.open();
    try {
      return await use(this.#call(target, options));
    } finally {
      dispose(target);
    }
  }

  #call(target: Coordinator, options: CallOptions): Call {
    const { request, timeoutMs, types } = this.#parts;
    return { target, options: request, timeoutMs: options.timeoutMs ?? timeoutMs, signal: options.signal, types };
  }

  #before(): Planned[] {
    const { settings } = this.#parts;
    return Object.keys(settings).length === 0 ? [] : [settingsStatement(settings)];
  }
}
