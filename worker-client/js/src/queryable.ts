import { callError } from "./errors.js";
import type { CallOptions } from "./exchange.js";
import type { QueryResult } from "./result.js";
import { Sql } from "./sql.js";
import { type Planned, type StatementLike, toStatement, transactionControl } from "./statement.js";

/** What both a database and a transaction do with statements. */
export abstract class Queryable {
  /** Runs a statement; its values are never part of its text. */
  async query<Row = any>(
    statement: StatementLike,
    values?: readonly unknown[],
    options: CallOptions = {},
  ): Promise<QueryResult<Row>> {
    return this.runOne(toStatement(statement, values), options);
  }

  /**
   * `` await db.sql`select * from items where id = ${id}` `` gives the rows. It runs when it is
   * awaited, at most once; until then it may be handed to `batch`, `stream` or `commit`, or stand
   * inside another.
   */
  sql<Row = any>(strings: TemplateStringsArray, ...values: unknown[]): Query<Row> {
    return new Query<Row>(strings, values, (statement) => this.query<Row>(statement));
  }

  /**
   * Runs several statements in one trip, and outside a transaction in one of their own: all of them
   * have an effect or none.
   */
  async batch(statements: readonly StatementLike[], options: CallOptions = {}): Promise<QueryResult<any>[]> {
    if (statements.length === 0) return [];
    const planned = statements.map((statement) => toStatement(statement));
    planned.forEach(({ text }, index) => {
      const keyword = transactionControl(text);
      if (keyword === undefined) return;
      const message = `statement ${index} of the batch begins with ${keyword}`;
      throw callError(message, "a batch is one transaction by itself: remove the statement");
    });
    return this.runAll(planned, options);
  }

  /**
   * Gives rows as they arrive, for results that do not fit into memory. A loop that is slower than
   * the database holds it up. Only when it ends has the statement completed; left earlier, it is
   * aborted.
   */
  abstract stream<Row = any>(
    statement: StatementLike, values?: readonly unknown[], options?: CallOptions,
  ): AsyncGenerator<Row, void, void>;

  protected abstract runAll(statements: readonly Planned[], options: CallOptions): Promise<QueryResult<any>[]>;

  protected async runOne(statement: Planned, options: CallOptions): Promise<QueryResult<any>> {
    return (await this.runAll([statement], options))[0]!;
  }
}

/** A statement that runs when it is awaited, at most once. */
export class Query<Row> extends Sql implements PromiseLike<Row[]> {
  readonly #run: (statement: Sql) => Promise<QueryResult<Row>>;
  #running: Promise<QueryResult<Row>> | undefined;

  constructor(strings: readonly string[], values: readonly unknown[], run: (statement: Sql) => Promise<QueryResult<Row>>) {
    super(strings, values);
    this.#run = run;
  }

  /** The whole result, with `rowCount`, `command` and `fields`. */
  result(): Promise<QueryResult<Row>> {
    return (this.#running ??= this.#run(this));
  }

  then<A = Row[], B = never>(
    fulfilled?: ((rows: Row[]) => A | PromiseLike<A>) | null,
    rejected?: ((reason: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.result().then((result) => result.rows).then(fulfilled, rejected);
  }

  catch<B = never>(rejected?: ((reason: any) => B | PromiseLike<B>) | null): Promise<Row[] | B> {
    return this.then(undefined, rejected);
  }

  finally(settled?: (() => void) | null): Promise<Row[]> {
    return this.then().finally(settled);
  }
}
