// Kysely, unmodified, over RPC.

import assert from "node:assert/strict";

import { type Generated, Kysely, sql } from "kysely";
import { PierheadDialect } from "pierhead/kysely";

import { db } from "./env.js";

interface Tables {
  k_ports: { id: Generated<number>; name: string; seen: Date | null; papers: unknown };
}

const orm = new Kysely<Tables>({ dialect: new PierheadDialect(db) });

async function fresh() {
  await orm.schema.dropTable("k_ports").ifExists().execute();
  await orm.schema.createTable("k_ports").addColumn("id", "serial", (c) => c.primaryKey())
    .addColumn("name", "text", (c) => c.notNull().unique()).addColumn("seen", "timestamptz").addColumn("papers", "jsonb").execute();
}

const port = (name: string) => ({ name, seen: null, papers: null });

export async function values() {
  await fresh();
  const seen = new Date("2026-11-22T01:02:03.004Z");
  const inserted = await orm.insertInto("k_ports").values({ name: "Kiel", seen, papers: { a: [1] } }).returningAll().executeTakeFirst();
  assert.deepEqual(inserted, { id: 1, name: "Kiel", seen, papers: { a: [1] } });
  const updated = await orm.updateTable("k_ports").set({ name: "Kiel 2" }).where("id", "=", 1).executeTakeFirst();
  assert.equal(updated.numUpdatedRows, 1n);
  const tables = await orm.introspection.getTables();
  assert.ok(tables.some(({ name }) => name === "k_ports"));
}

export async function many_and_streamed() {
  await fresh();
  await orm.insertInto("k_ports").columns(["name"]).expression(sql`select 'p' || n from generate_series(1, 20000) n` as any).execute();
  assert.equal((await orm.selectFrom("k_ports").selectAll().execute()).length, 20_000);
  let seen = 0;
  for await (const { id } of orm.selectFrom("k_ports").select("id").orderBy("id").stream(100)) assert.equal(id, (seen += 1));
  assert.equal(seen, 20_000);
}

export async function transactions() {
  await fresh();
  const body = orm.transaction().setIsolationLevel("serializable").execute(async (tx) => {
    await tx.insertInto("k_ports").values(port("never")).execute();
    await sql`select 1 / 0`.execute(tx);
  });
  await assert.rejects(body, { code: "22012" });
  const tx = await orm.startTransaction().execute();
  await tx.insertInto("k_ports").values(port("kept")).execute();
  const saved = await tx.savepoint("twice").execute();
  await assert.rejects(saved.insertInto("k_ports").values(port("kept")).execute(), { code: "23505" });
  const back = await saved.rollbackToSavepoint("twice").execute();
  await back.insertInto("k_ports").values(port("also kept")).execute();
  await tx.commit().execute();
  const rows = await orm.selectFrom("k_ports").select("name").orderBy("id").execute();
  assert.deepEqual(rows, [{ name: "kept" }, { name: "also kept" }]);
}

export async function two_at_once() {
  await fresh();
  const add = (name: string) => orm.transaction().execute((tx) => tx.insertInto("k_ports").values(port(name)).execute());
  await Promise.all(["a", "b", "c", "d"].map(add));
  assert.equal((await orm.selectFrom("k_ports").select("id").execute()).length, 4);
}
