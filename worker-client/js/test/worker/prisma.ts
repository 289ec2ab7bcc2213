// Prisma's driver adapter, called as Prisma's client calls it: over calls, and on `pg`.

import assert from "node:assert/strict";

import { PrismaPg } from "@prisma/adapter-pg";
import { PrismaPierhead } from "pierhead/prisma";

import { type Entry, bound } from "./entry.js";
import { db } from "./env.js";

type Adapter = Awaited<ReturnType<PrismaPg["connect"]>>;

const query = (sql: string, ...args: unknown[]) => ({ sql, args, argTypes: args.map(() => ({ scalarType: "unknown" as const, arity: "scalar" as const })) });

async function types(adapter: Adapter) {
  const at = "timestamptz '2026-11-22 01:02:03+00'";
  const { columnNames, rows } = await adapter.queryRaw(query(`select $1::int as n, 2::int8 as big, ${at} as at, array['a'] as tags`, 7));
  assert.deepEqual([columnNames, rows], [["n", "big", "at", "tags"], [[7, "2", "2026-11-22T01:02:03+00:00", ["a"]]]]);
  const values = ["ü\n'", true, 0.5, null, "1.50", '{"a": [1]}'];
  const back = query("select $1::text t, $2::bool b, $3::float8 f, $4::text n, $5::numeric m, $6::jsonb j", ...values);
  assert.deepEqual((await adapter.queryRaw(back)).rows, [values]);
}

/** The adapter names no statements: the same text with other values. */
async function prepared(adapter: Adapter) {
  const twice = (n: unknown) => adapter.queryRaw(query("select $1::int * 2 as n", n));
  for (const n of [1, 2, 3, 4, 5, 6]) assert.deepEqual((await twice(n)).rows, [[n * 2]]);
  await assert.rejects(twice("x"), (error: any) => error.cause.originalCode === "22P02");
  assert.deepEqual((await twice(7)).rows, [[14]]);
}

async function transactions(adapter: Adapter) {
  await adapter.executeScript("drop table if exists pr_x; create table pr_x (n int primary key)");
  const tx = await adapter.startTransaction("SERIALIZABLE");
  await tx.executeRaw(query("insert into pr_x values (1)"));
  await tx.createSavepoint!("a");
  await assert.rejects(tx.executeRaw(query("insert into pr_x values (1)")), (error: any) =>
    error.cause.kind === "UniqueConstraintViolation" && error.cause.originalCode === "23505");
  await tx.rollbackToSavepoint!("a");
  await tx.executeRaw(query("insert into pr_x values (2)"));
  // Prisma's client says COMMIT itself, and then tells the adapter.
  await tx.executeRaw(query("COMMIT"));
  await tx.commit();
  const other = await adapter.startTransaction();
  await other.executeRaw(query("delete from pr_x"));
  await other.executeRaw(query("ROLLBACK"));
  await other.rollback();
  assert.deepEqual((await adapter.queryRaw(query("select n from pr_x order by n"))).rows, [[1], [2]]);
}

async function big_result(adapter: Adapter) {
  await adapter.executeScript("drop table if exists pr_t; create table pr_t (n int primary key, filler text)");
  const insert = query("insert into pr_t select n, repeat('x', 1000) from generate_series(1, $1::int) n", 5000);
  assert.equal(await adapter.executeRaw(insert), 5000);
  const { rows } = await adapter.queryRaw(query("select n, filler from pr_t order by n"));
  assert.deepEqual([rows.length, rows[4999]], [5000, [5000, "x".repeat(1000)]]);
}

/** The adapter has no cancel: a timeout of the transaction ends the statement. */
async function cancel(adapter: Adapter) {
  const tx = await adapter.startTransaction();
  await tx.executeRaw(query("set local statement_timeout = 200"));
  await assert.rejects(tx.queryRaw(query("select pg_sleep(60)::text")), (error: any) => error.cause.originalCode === "57014");
  await tx.executeRaw(query("ROLLBACK"));
  await tx.rollback();
  assert.deepEqual((await adapter.queryRaw(query("select 1 as n"))).rows, [[1]]);
}

async function two_clients(adapter: Adapter) {
  await adapter.executeScript("drop table if exists pr_two; create table pr_two (name text)");
  const own = async (name: string) => {
    const tx = await adapter.startTransaction();
    await tx.executeRaw(query("select set_config('app.name', $1, true)", name));
    await tx.executeRaw(query("insert into pr_two values ($1)", name));
    const { rows } = await tx.queryRaw(query("select current_setting('app.name'), string_agg(name, ',') from pr_two"));
    await tx.executeRaw(query("COMMIT"));
    await tx.commit();
    return rows[0];
  };
  const [first, second] = await Promise.all([own("a"), own("b")]);
  assert.deepEqual([first![0], second![0]], ["a", "b"]);
  assert.deepEqual((await adapter.queryRaw(query("select name from pr_two order by name"))).rows, [["a"], ["b"]]);
}

const CHAPTERS = { types, prepared, transactions, big_result, cancel, two_clients };

function entry(open: (context: ExecutionContext) => { connect(): Promise<Adapter> }): Entry {
  const told = Object.entries(CHAPTERS).map(([name, story]) => [name, async (context: ExecutionContext) => {
    const adapter = await open(context).connect();
    try {
      await story(adapter);
    } finally {
      await adapter.dispose();
    }
  }]);
  return Object.fromEntries(told);
}

const factory = new PrismaPierhead(db);

export const byCalls = entry(() => factory);
export const onPg = entry((context) => new PrismaPg({ connectionString: bound(context).connectionString, max: 2 }));
