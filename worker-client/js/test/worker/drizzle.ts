// Drizzle, unmodified, over RPC.

import assert from "node:assert/strict";

import { eq, gt, relations, sql } from "drizzle-orm";
import { boolean, date, integer, jsonb, numeric, pgTable, serial, text, timestamp, bigint } from "drizzle-orm/pg-core";
import { drizzle } from "pierhead/drizzle";

import { db } from "./env.js";

const ports = pgTable("d_ports", { id: serial().primaryKey(), name: text().notNull().unique() });
const ships = pgTable("d_ships", {
  id: serial().primaryKey(),
  port: integer().references(() => ports.id),
  name: text().notNull(),
  crew: bigint({ mode: "bigint" }),
  price: numeric(),
  afloat: boolean().default(true),
  tags: text().array(),
  papers: jsonb(),
  built: date(),
  seen: timestamp({ withTimezone: true }),
});
const portRelations = relations(ports, ({ many }) => ({ ships: many(ships) }));
const shipRelations = relations(ships, ({ one }) => ({ port: one(ports, { fields: [ships.port], references: [ports.id] }) }));

const orm = drizzle(db, { schema: { ports, ships, portRelations, shipRelations } });

async function fresh() {
  await db.batch([
    "drop table if exists d_ships, d_ports",
    "create table d_ports (id serial primary key, name text not null unique)",
    `create table d_ships (id serial primary key, port int references d_ports, name text not null, crew bigint,
     price numeric, afloat bool default true, tags text[], papers jsonb, built date, seen timestamptz)`,
  ]);
}

export async function values_and_relations() {
  await fresh();
  const [port] = await orm.insert(ports).values({ name: "Kiel" }).returning();
  const ship = {
    port: port!.id, name: "Möwe", crew: 9007199254740993n, price: "12.50", tags: ["a b", '"c"'], papers: { ok: [1] },
    built: "1969-07-20", seen: new Date("2026-11-22T01:02:03.004Z"),
  };
  await orm.insert(ships).values(ship);
  const [read] = await orm.select().from(ships).where(eq(ships.name, "Möwe"));
  assert.deepEqual(read, { id: 1, afloat: true, ...ship });
  const whole = await orm.query.ports.findMany({ with: { ships: { columns: { name: true } } } });
  assert.deepEqual(whole, [{ id: 1, name: "Kiel", ships: [{ name: "Möwe" }] }]);
  const joined = await orm.select({ port: ports.name, ship: ships.name }).from(ships).leftJoin(ports, eq(ports.id, ships.port));
  assert.deepEqual(joined, [{ port: "Kiel", ship: "Möwe" }]);
  assert.equal(await orm.$count(ships), 1);
  const raw = await orm.execute<{ n: number }>(sql`select ${7}::int as n`);
  assert.deepEqual(raw.rows, [{ n: 7 }]);
}

export async function prepared_and_many() {
  await fresh();
  await orm.insert(ports).values(Array.from({ length: 5000 }, (_, i) => ({ name: `port ${i}` })));
  const above = orm.select().from(ports).where(gt(ports.id, sql.placeholder("id"))).prepare("above");
  assert.equal((await above.execute({ id: 4990 })).length, 10);
  assert.equal((await above.execute({ id: 0 })).length, 5000);
}

export async function transactions() {
  await fresh();
  await orm.transaction(async (tx) => {
    await tx.insert(ports).values({ name: "kept" });
    const inner = tx.transaction(async (nested) => {
      await nested.insert(ports).values({ name: "undone" });
      await nested.insert(ports).values({ name: "kept" });
    });
    await assert.rejects(inner, (error: Error) => (error.cause as { code?: string }).code === "23505");
    await tx.insert(ports).values({ name: "also kept" });
  }, { isolationLevel: "repeatable read" });
  const failing = orm.transaction(async (tx) => {
    await tx.insert(ports).values({ name: "never" });
    tx.rollback();
  });
  await assert.rejects(failing, /Rollback/);
  const names = (await orm.select().from(ports).orderBy(ports.id)).map(({ name }) => name);
  assert.deepEqual(names, ["kept", "also kept"]);
}

export async function two_at_once() {
  await fresh();
  const add = (name: string) =>
    orm.transaction(async (tx) => {
      await tx.insert(ports).values({ name });
      return tx.$count(ports);
    });
  await Promise.all(["a", "b", "c", "d"].map(add));
  assert.equal(await orm.$count(ports), 4);
}
