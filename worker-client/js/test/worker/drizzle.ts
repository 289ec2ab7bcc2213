// Drizzle, unmodified: over calls, and on a pool of `pg`.

import assert from "node:assert/strict";

import { eq, gt, relations, sql } from "drizzle-orm";
import { boolean, date, integer, jsonb, numeric, pgTable, serial, text, timestamp, bigint } from "drizzle-orm/pg-core";
import { drizzle as drizzleOnPg } from "drizzle-orm/node-postgres";
import pg from "pg";
import { type PierheadDrizzle, drizzle } from "pierhead/drizzle";

import { type Entry, bound } from "./entry.js";
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

const schema = { ports, ships, portRelations, shipRelations };
type Orm = PierheadDrizzle<typeof schema>;

const orm = drizzle(db, { schema });

async function fresh() {
  await db.batch([
    "drop table if exists d_ships, d_ports",
    "create table d_ports (id serial primary key, name text not null unique)",
    `create table d_ships (id serial primary key, port int references d_ports, name text not null, crew bigint,
     price numeric, afloat bool default true, tags text[], papers jsonb, built date, seen timestamptz)`,
  ]);
}

async function types(orm: Orm) {
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

async function prepared(orm: Orm) {
  await fresh();
  await orm.insert(ports).values(Array.from({ length: 50 }, (_, i) => ({ name: `port ${i}` })));
  const above = orm.select().from(ports).where(gt(ports.id, sql.placeholder("id"))).prepare("above");
  for (const id of [0, 10, 20, 30, 40, 50]) assert.equal((await above.execute({ id })).length, 50 - id);
  await assert.rejects(above.execute({ id: "x" }), (error: Error) => codeOf(error) === "22P02");
  assert.equal((await above.execute({ id: 40 })).length, 10);
}

async function big_result(orm: Orm) {
  await fresh();
  const name = (i: number) => `port ${i} ${"x".repeat(500)}`;
  await orm.insert(ports).values(Array.from({ length: 5000 }, (_, i) => ({ name: name(i) })));
  const rows = await orm.select().from(ports).orderBy(ports.id);
  assert.deepEqual([rows.length, rows[4999]?.name], [5000, name(4999)]);
}

/** Drizzle has no cancel: a timeout of the transaction ends the statement. */
async function cancel(orm: Orm) {
  await fresh();
  const slow = orm.transaction(async (tx) => {
    await tx.insert(ports).values({ name: "never" });
    await tx.execute("set local statement_timeout = 200");
    await tx.execute("select pg_sleep(60)");
  });
  await assert.rejects(slow, (error: Error) => codeOf(error) === "57014");
  assert.equal(await orm.$count(ports), 0);
}

async function transactions(orm: Orm) {
  await fresh();
  await orm.transaction(async (tx) => {
    await tx.insert(ports).values({ name: "kept" });
    const inner = tx.transaction(async (nested) => {
      await nested.insert(ports).values({ name: "undone" });
      await nested.insert(ports).values({ name: "kept" });
    });
    await assert.rejects(inner, (error: Error) => codeOf(error) === "23505");
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

async function two_clients(orm: Orm) {
  await fresh();
  const add = (name: string) =>
    orm.transaction(async (tx) => {
      await tx.execute(sql`select set_config('app.name', ${name}, true)`);
      await tx.insert(ports).values({ name });
      const { rows } = await tx.execute<{ own: string }>(sql`select current_setting('app.name') as own`);
      return rows[0]?.own;
    });
  assert.deepEqual(await Promise.all(["a", "b", "c", "d"].map(add)), ["a", "b", "c", "d"]);
  assert.equal(await orm.$count(ports), 4);
}

const codeOf = (error: Error) => (error.cause as { code?: string }).code;

const CHAPTERS = { types, prepared, transactions, big_result, cancel, two_clients };

function entry(tell: (context: ExecutionContext, story: (orm: Orm) => Promise<void>) => Promise<void>): Entry {
  const told = Object.entries(CHAPTERS).map(([name, story]) => [name, (context: ExecutionContext) => tell(context, story)]);
  return Object.fromEntries(told);
}

export const byCalls = entry((_, story) => story(orm));

export const onPg = entry(async (context, story) => {
  const pool = new pg.Pool({ connectionString: bound(context).connectionString, max: 2 });
  try {
    await story(drizzleOnPg(pool, { schema }) as unknown as Orm);
  } finally {
    await pool.end();
  }
});
