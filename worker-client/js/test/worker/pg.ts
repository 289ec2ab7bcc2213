// The shape of `pg`, over RPC: the habits of programs that were written for it.

import assert from "node:assert/strict";

import { Client, Pool } from "pierhead/pg";

import { db } from "./env.js";

const pool = new Pool(db);

export async function queries() {
  const { rows, rowCount, command, fields } = await pool.query("select $1::int as n, now() as at", [4]);
  assert.deepEqual([rows[0].n, rows[0].at instanceof Date, rowCount, command, fields[0]?.dataTypeID], [4, true, 1, "SELECT", 23]);
  const named = await pool.query({ name: "n", text: "select $1::text as t", values: ["x"], rowMode: "array" });
  assert.deepEqual(named.rows, [["x"]]);
  const called = await new Promise((resolve, reject) =>
    pool.query("select 1 as n", (error, result) => (error ? reject(error) : resolve(result?.rows))));
  assert.deepEqual(called, [{ n: 1 }]);
  await assert.rejects(pool.query("select nonsense"), { code: "42703", severity: "ERROR" });
}

export async function transactions() {
  await pool.query("create table if not exists pg_t (n int primary key)");
  await pool.query("truncate pg_t");
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("insert into pg_t values ($1)", [1]);
    await client.query("SAVEPOINT a");
    await assert.rejects(client.query("insert into pg_t values (1)"), { code: "23505" });
    await client.query("ROLLBACK TO SAVEPOINT a");
    await client.query("insert into pg_t values (2)");
    assert.equal((await client.query("COMMIT")).command, "COMMIT");
    await client.query("begin");
    await client.query("delete from pg_t");
    await assert.rejects(client.query("select 1 / 0"));
    assert.equal((await client.query("commit")).command, "ROLLBACK");
  } finally {
    client.release();
  }
  const left = new Client(db);
  await left.connect();
  await left.query("begin");
  await left.query("delete from pg_t");
  await left.end();
  assert.deepEqual((await pool.query("select n from pg_t order by n")).rows, [{ n: 1 }, { n: 2 }]);
}
