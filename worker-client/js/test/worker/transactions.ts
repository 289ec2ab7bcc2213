// Transactions over several calls.

import assert from "node:assert/strict";

import { type Transaction, sql } from "pierhead";

import { db } from "./env.js";

const TABLE = sql.identifier("accounts");

async function fresh(): Promise<void> {
  await db.batch([
    sql`create table if not exists ${TABLE} (id int primary key, amount int check (amount >= 0))`,
    sql`truncate ${TABLE}`,
    sql`insert into ${TABLE} values (1, 100), (2, 0)`,
  ]);
}

async function amounts(): Promise<number[]> {
  return (await db.sql<{ amount: number }>`select amount from ${TABLE} order by id`).map(({ amount }) => amount);
}

const give = (tx: Transaction, from: number, to: number, amount: number) =>
  tx.batch([
    sql`update ${TABLE} set amount = amount - ${amount} where id = ${from}`,
    sql`update ${TABLE} set amount = amount + ${amount} where id = ${to}`,
  ]);

export async function commits() {
  await fresh();
  const sum = await db.begin(async (tx) => {
    const [row] = await tx.sql`select amount from ${TABLE} where id = 1 for update`;
    await give(tx, 1, 2, row.amount / 2);
    // Nobody else sees it yet.
    assert.deepEqual(await amounts(), [100, 0]);
    return (await tx.sql`select sum(amount)::int as sum from ${TABLE}`)[0].sum;
  });
  assert.equal(sum, 100);
  assert.deepEqual(await amounts(), [50, 50]);
}

export async function rolls_back() {
  await fresh();
  const body = db.begin(async (tx) => {
    await give(tx, 1, 2, 10);
    throw new Error("changed my mind");
  });
  await assert.rejects(body, /changed my mind/);
  await assert.rejects(db.begin((tx) => give(tx, 1, 2, 1000)), { code: "23514" });
  {
    await using tx = await db.begin();
    await give(tx, 1, 2, 10);
  }
  assert.deepEqual(await amounts(), [100, 0]);
}

export async function commit_rides_with_the_last_statement() {
  await fresh();
  await using tx = await db.begin({ isolation: "serializable" });
  assert.deepEqual(await tx.sql`show transaction_isolation`, [{ transaction_isolation: "serializable" }]);
  const last = await tx.commit(sql`update ${TABLE} set amount = 7 returning id`);
  assert.equal(last?.rowCount, 2);
  assert.deepEqual(await amounts(), [7, 7]);
  await assert.rejects(tx.query("select 1"), /after the transaction was committed/);

  await using failing = await db.begin();
  await failing.sql`update ${TABLE} set amount = 8`;
  await assert.rejects(failing.commit(sql`select 1 / 0`), { code: "22012" });
  assert.deepEqual(await amounts(), [7, 7]);
}

export async function a_swallowed_error_does_not_look_like_success() {
  await fresh();
  const body = db.begin(async (tx) => {
    await give(tx, 1, 2, 10);
    await tx.query("select 1 / 0").catch(() => {});
    assert.ok(tx.failed);
  });
  await assert.rejects(body, { code: "25P02", status: "rolledBack" });
  assert.deepEqual(await amounts(), [100, 0]);
}

export async function savepoints() {
  await fresh();
  await db.begin(async (tx) => {
    await give(tx, 1, 2, 10);
    await assert.rejects(tx.savepoint(async () => give(tx, 1, 2, 1000)), { code: "23514" });
    await tx.savepoint(async () => {
      await give(tx, 1, 2, 10);
      await assert.rejects(tx.savepoint(() => tx.query("select 1 / 0")), { code: "22012" });
    });
    // Neither of them says a word to the database.
    await tx.savepoint(async () => {});
    await (await tx.savepoint()).rollback();
    {
      await using _undone = await tx.savepoint();
      await give(tx, 1, 2, 30);
    }
  });
  assert.deepEqual(await amounts(), [80, 20]);
}

export async function options() {
  const seen = await db.begin({ isolation: "serializable", readOnly: true, deferrable: true }, (tx) =>
    tx.sql`select current_setting('transaction_isolation') as i, current_setting('transaction_read_only') as r,
           current_setting('transaction_deferrable') as d`);
  assert.deepEqual(seen, [{ i: "serializable", r: "on", d: "on" }]);
  await assert.rejects(db.begin({ readOnly: true }, (tx) => tx.sql`create table never (n int)`), { code: "25006" });
  const tenant = db.withSettings({ "app.tenant": "red" });
  const read = sql`select current_setting('app.tenant', true) as tenant`;
  assert.deepEqual(await tenant.begin(async (tx) => [...(await tx.query(read)).rows, ...(await tx.query(read)).rows]), [
    { tenant: "red" }, { tenant: "red" },
  ]);
}

export async function several_at_once() {
  await fresh();
  await db.sql`update ${TABLE} set amount = 0`;
  const add = () =>
    db.begin(async (tx) => {
      const [row] = await tx.sql`select amount from ${TABLE} where id = 1 for update`;
      await tx.sql`update ${TABLE} set amount = ${row.amount + 1} where id = 1`;
    });
  await Promise.all(Array.from({ length: 8 }, add));
  assert.deepEqual(await amounts(), [8, 0]);
}

export async function statements_of_one_tick_keep_their_order() {
  const rows = await db.begin(async (tx) => {
    await tx.sql`create temporary table order_of (n serial, what text) on commit drop`;
    await Promise.all(["a", "b", "c"].map((what) => tx.sql`insert into order_of (what) values (${what})`));
    return tx.sql<{ what: string }>`select what from order_of order by n`;
  });
  assert.deepEqual(rows.map(({ what }) => what), ["a", "b", "c"]);
}

export async function streams() {
  await db.begin(async (tx) => {
    await tx.sql`create temporary table big on commit drop as select generate_series(1, 30000) as n, repeat('x', 100) as filler`;
    let sum = 0;
    for await (const { n } of tx.stream<{ n: number }>("select n, filler from big")) sum += n;
    assert.equal(sum, 450_015_000);
    assert.deepEqual(await tx.sql`select count(*)::int as n from big`, [{ n: 30_000 }]);
  });
}

export async function an_abort_ends_it() {
  await fresh();
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 150);
  const body = db.begin({ signal: controller.signal }, async (tx) => {
    await give(tx, 1, 2, 10);
    await tx.sql`select pg_sleep(60)`;
  });
  await assert.rejects(body, { name: "AbortError" });
  assert.deepEqual(await amounts(), [100, 0]);
}
