import { type Lease, type Open, dispose } from "./binding.js";
import { type RequestOptions, encodeOptions } from "./envelope.js";
import { PierheadError, callError } from "./errors.js";
import type { CallOptions } from "./exchange.js";
import { SAVEPOINTS_MAX } from "./limits.js";
import { Queryable } from "./queryable.js";
import type { QueryResult } from "./result.js";
import { type Call, type Ran, resultsOf, run, streamRows } from "./run.js";
import { type Planned, type StatementLike, hidden, toStatement } from "./statement.js";
import type { TypeOverrides } from "./types.js";

/** How a transaction begins. */
export interface TransactionOptions {
  readonly isolation?: "read committed" | "repeatable read" | "serializable" | undefined;
  readonly readOnly?: boolean | undefined;
  /** With `serializable` and `readOnly`: wait for a snapshot that cannot fail. */
  readonly deferrable?: boolean | undefined;
  /** Milliseconds of each of its calls. */
  readonly timeoutMs?: number | undefined;
  /** Ends whichever of its calls is under way, and with it the transaction. */
  readonly signal?: AbortSignal | undefined;
}

/** What a transaction has from its database. */
export interface TransactionParts {
  readonly open: Open;
  readonly request: RequestOptions;
  readonly timeoutMs: number;
  readonly types: TypeOverrides | undefined;
  /** Runs behind `BEGIN`. */
  readonly before: readonly Planned[];
  /** Instead of what the options make. */
  readonly begin?: string | undefined;
}

const ISOLATIONS = ["read committed", "repeatable read", "serializable"];

/** The command that begins a transaction. */
export function beginText(options: TransactionOptions): string {
  const { isolation, readOnly, deferrable } = options;
  if (isolation !== undefined && !ISOLATIONS.includes(isolation)) {
    throw callError(`"${isolation}" is no isolation level`, `use one of ${ISOLATIONS.join(", ")}`);
  }
  const modes = [
    isolation && `isolation level ${isolation}`,
    readOnly !== undefined && (readOnly ? "read only" : "read write"),
    deferrable !== undefined && (deferrable ? "deferrable" : "not deferrable"),
  ].filter(Boolean);
  return ["begin", modes.join(", ")].join(" ").trim();
}

/**
 * A transaction that is held over several calls. Its statements run one after the other, in the
 * order they were asked for.
 *
 * ```text
 * new ──first statement──▶ open ──commit, rollback, loss──▶ over
 *  └────commit, rollback──────────────────────────────────▲
 * ```
 */
export class Transaction extends Queryable implements AsyncDisposable {
  readonly #parts: TransactionParts;
  readonly #options: TransactionOptions;
  /** Commands that ride in front of the next statement. */
  #ahead: Planned[];
  #lease: Lease | undefined;
  #over: "committed" | "rolled back" | "lost" | undefined;
  /** Whether the database has taken it as failed. */
  #failed = false;
  /** Ends when all that was asked for has. */
  #queue: Promise<unknown> = Promise.resolve();
  #savepoints: string[] = [];
  #named = 0;

  /** @internal Use `db.begin()`. */
  constructor(parts: TransactionParts, options: TransactionOptions) {
    super();
    this.#parts = parts;
    this.#options = options;
    this.#ahead = [hidden(parts.begin ?? beginText(options)), ...parts.before];
  }

  /**
   * Commits, together with a last statement if one is given: that saves a trip. When the statement
   * fails nothing is committed.
   *
   * @returns the result of the last statement
   */
  async commit<Row = any>(last?: StatementLike, values?: readonly unknown[]): Promise<QueryResult<Row> | undefined> {
    const statements = last === undefined ? [] : [toStatement(last, values)];
    return this.#inTurn(async () => {
      this.#check("commit()");
      if (statements.length === 0 && this.#lease === undefined) {
        this.#end("committed");
        return undefined;
      }
      const group = [...this.#takeAhead(), ...statements, hidden("commit")];
      const ran = await this.#send(group, {});
      const results = resultsOf(ran, [group], 0);
      if (this.#over !== "committed") {
        throw new PierheadError("the transaction was rolled back: a statement in it had failed", {
          code: "25P02", status: "rolledBack", blame: "caller", retry: "doNot",
          hint: "let the error of a statement pass, or use a savepoint around what may fail",
        });
      }
      return results[0];
    });
  }

  /** Rolls back, unless it is over already. Never throws: what cannot be told is rolled back anyway. */
  async rollback(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#over !== undefined) return;
      try {
        // Nothing but the end: what rides ahead has no effect any more.
        if (this.#lease !== undefined) await this.#send([hidden("rollback")], {});
      } catch {
        // Disposed of below, which the coordinator takes for the same.
      }
      this.#end("rolled back");
    });
  }

  /**
   * Sets a savepoint, which rides with the next statement. With a function, it is released when that
   * returns; when it throws, what was done since is undone and the transaction goes on.
   */
  savepoint(): Promise<Savepoint>;
  savepoint<T>(body: (tx: this) => PromiseLike<T>): Promise<T>;
  async savepoint<T>(body?: (tx: this) => PromiseLike<T>): Promise<Savepoint | T> {
    this.#check("savepoint()");
    if (this.#savepoints.length >= SAVEPOINTS_MAX) {
      throw callError(`${SAVEPOINTS_MAX} savepoints are open`, "release() or rollback() some of them");
    }
    const name = `pierhead_${(this.#named += 1)}`;
    this.#savepoints.push(name);
    await this.#inTurn(async () => this.#ahead.push(hidden(`savepoint ${name}`)));
    const savepoint = new Savepoint(
      () => this.#endSavepoint(name, [`release savepoint ${name}`]),
      () => this.#endSavepoint(name, [`rollback to savepoint ${name}`, `release savepoint ${name}`]),
    );
    if (body === undefined) return savepoint;
    try {
      const value = await body(this);
      await savepoint.release();
      return value;
    } finally {
      await savepoint.rollback();
    }
  }

  /** @internal A command whose result nobody wants: it rides with the next statement. */
  ahead(command: string): Promise<void> {
    return this.#inTurn(async () => {
      this.#check("a command");
      this.#ahead.push(hidden(command));
    });
  }

  /** Rolls back what was not committed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.rollback();
  }

  override async *stream<Row = any>(
    statement: StatementLike,
    values?: readonly unknown[],
    options: CallOptions = {},
  ): AsyncGenerator<Row, void, void> {
    let leave!: () => void;
    const before = this.#queue;
    this.#queue = new Promise<void>((resolve) => (leave = resolve));
    await before;
    let ended = false;
    try {
      this.#check("a statement");
      const group = [...this.#takeAhead(), toStatement(statement, values)];
      const done = (transaction: string) => {
        ended = true;
        this.#note(transaction);
      };
      yield* streamRows(this.#call(options), group, done);
    } finally {
      // What is aborted in the middle takes its session along.
      if (!ended && this.#over === undefined) this.#end("lost");
      leave();
    }
  }

  protected override runAll(statements: readonly Planned[], options: CallOptions): Promise<QueryResult<any>[]> {
    return this.#inTurn(async () => {
      this.#check("a statement");
      const group = [...this.#takeAhead(), ...statements];
      return resultsOf(await this.#send(group, options), [group], 0);
    });
  }

  async #endSavepoint(name: string, commands: readonly string[]): Promise<void> {
    return this.#inTurn(async () => {
      const index = this.#savepoints.indexOf(name);
      if (index < 0 || this.#over !== undefined) return;
      // Those inside it end with it.
      this.#savepoints.length = index;
      const unsent = this.#ahead.findIndex(({ text }) => text === `savepoint ${name}`);
      if (unsent >= 0) this.#ahead.length = unsent;
      else this.#ahead.push(...commands.map((command) => hidden(command)));
    });
  }

  /** One after the other: a statement must not overtake the BEGIN that rides with an earlier one. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => {});
    return result;
  }

  #check(what: string): void {
    if (this.#over === undefined) return;
    throw callError(`${what} came after the transaction was ${this.#over}`, "begin another one");
  }

  #takeAhead(): Planned[] {
    return this.#ahead.splice(0);
  }

  async #send(group: readonly Planned[], options: CallOptions): Promise<Ran> {
    try {
      const ran = await run(this.#call(options), [group]);
      const [result] = ran.groups;
      if (!result?.ended) this.#end("lost");
      else this.#note(ran.transaction, result.results.at(-1)?.command);
      return ran;
    } catch (error) {
      // The request was not sent, or nobody knows what became of it.
      this.#end("lost");
      throw error;
    }
  }

  #note(transaction: string, command?: string): void {
    this.#failed = transaction === "E";
    // In a failed transaction the database answers COMMIT with ROLLBACK.
    if (transaction === "I") this.#end(command === "COMMIT" ? "committed" : "rolled back");
  }

  /** Whether a statement has failed, so that only a rollback, or one to a savepoint, goes on. */
  get failed(): boolean {
    return this.#failed;
  }

  #call(options: CallOptions): Call {
    const { request, types } = this.#parts;
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs ?? this.#parts.timeoutMs;
    const signal = options.signal ?? this.#options.signal;
    return { target: this.#leased(), options: request, timeoutMs, signal, types };
  }

  #leased(): Lease {
    // Not awaited: the first request rides with it.
    return (this.#lease ??= this.#parts.open().begin(encodeOptions({ caller: this.#parts.request.caller })));
  }

  #end(how: "committed" | "rolled back" | "lost"): void {
    this.#over ??= how;
    this.#ahead = [];
    dispose(this.#lease);
  }
}

/** A point in a transaction to which it can return. */
export class Savepoint implements AsyncDisposable {
  readonly #release: () => Promise<void>;
  readonly #rollback: () => Promise<void>;

  /** @internal Use `tx.savepoint()`. */
  constructor(release: () => Promise<void>, rollback: () => Promise<void>) {
    this.#release = release;
    this.#rollback = rollback;
  }

  /** Keeps what was done since. */
  release(): Promise<void> {
    return this.#release();
  }

  /** Undoes what was done since, unless it was released. The transaction goes on. */
  rollback(): Promise<void> {
    return this.#rollback();
  }

  /** Undoes what was not released. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.rollback();
  }
}
