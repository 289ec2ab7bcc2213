// What every contender of the benchmark can do, however it reaches the database.

/** One invocation's way to the database. */
export interface Contender {
  /** A ship's name. */
  query(id: number): Promise<string>;
  /** Several ships' names, by one batch or pipeline where the way has one. */
  batch(ids: readonly number[]): Promise<string[]>;
  /** One statement behind the answer of the other, BEGIN and COMMIT around them as the way does it. */
  transaction(ids: readonly number[]): Promise<string[]>;
  /** Reads a result of so many KiB, a row each, without keeping it; gives the bytes of its values. */
  big(kib: number): Promise<number>;
  /** What remains to be done behind the answer. */
  end?(): Promise<unknown>;
}

export type Open = (context: ExecutionContext) => Promise<Contender> | Contender;

export const SHIP = "select name from ships where id = $1";
export const BIG = "select repeat(md5(i::text), 32) from generate_series(1, $1::int) i";
