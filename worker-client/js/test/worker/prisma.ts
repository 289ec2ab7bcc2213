// Prisma's driver adapter over RPC, called as Prisma's client calls it.

import assert from "node:assert/strict";

import { PrismaPierhead } from "pierhead/prisma";

import { db } from "./env.js";

const factory = new PrismaPierhead(db);
const query = (sql: string, ...args: unknown[]) => ({ sql, args, argTypes: args.map(() => ({ scalarType: "unknown" as const, arity: "scalar" as const })) });

export async function queries() {
  const adapter = await factory.connect();
  const at = "timestamptz '2026-11-22 01:02:03+00'";
  const { columnNames, rows } = await adapter.queryRaw(query(`select $1::int as n, 2::int8 as big, ${at} as at, array['a'] as tags`, 7));
  assert.deepEqual([columnNames, rows], [["n", "big", "at", "tags"], [[7, "2", "2026-11-22T01:02:03+00:00", ["a"]]]]);
  await adapter.executeScript("drop table if exists pr_t; create table pr_t (n int primary key)");
  assert.equal(await adapter.executeRaw(query("insert into pr_t select generate_series(1, $1::int)", 3000)), 3000);
  assert.equal((await adapter.queryRaw(query("select n from pr_t"))).rows.length, 3000);
  await assert.rejects(adapter.executeRaw(query("insert into pr_t values (1)")), (error: any) =>
    error.cause.kind === "UniqueConstraintViolation" && error.cause.originalCode === "23505");
  await adapter.dispose();
}

export async function transactions() {
  const adapter = await factory.connect();
  await adapter.executeScript("drop table if exists pr_x; create table pr_x (n int primary key)");
  const tx = await adapter.startTransaction("SERIALIZABLE");
  await tx.executeRaw(query("insert into pr_x values (1)"));
  await tx.createSavepoint!("a");
  await assert.rejects(tx.executeRaw(query("insert into pr_x values (1)")));
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
