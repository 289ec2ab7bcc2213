// Sequelize on sockets: each connection sends SETs when it opens.

import assert from "node:assert/strict";

import pg from "pg";
import { DataTypes, QueryTypes, Sequelize, Transaction } from "sequelize";
import type { BoundDatabase } from "pierhead/socket";

import { type Entry, bound } from "./entry.js";

const define = (sequelize: Sequelize) => sequelize.define("m_ship", {
  name: { type: DataTypes.STRING, unique: true }, length: DataTypes.DECIMAL(8, 2), tags: DataTypes.ARRAY(DataTypes.TEXT),
  details: DataTypes.JSONB, built: DataTypes.DATEONLY, seen: DataTypes.DATE, raw: DataTypes.BLOB, big: DataTypes.BIGINT,
  armed: DataTypes.BOOLEAN, ratio: DataTypes.DOUBLE,
}, { timestamps: false });

async function fresh(sequelize: Sequelize) {
  const Ship = define(sequelize);
  await Ship.sync({ force: true });
  return Ship;
}

async function types(sequelize: Sequelize) {
  const Ship = await fresh(sequelize);
  const ship = {
    name: "Möwe", length: "12.50", tags: ["a", "b,"], details: { a: [1, null] }, built: "1999-12-31", seen: new Date("2026-11-22T10:00:00.123Z"),
    raw: Buffer.from([0, 255]), big: "9223372036854775807", armed: true, ratio: 0.1,
  };
  await Ship.create(ship);
  assert.deepEqual((await Ship.findAll()).map((row) => row.get({ plain: true })), [{ id: 1, ...ship }]);
}

async function prepared(sequelize: Sequelize) {
  const ask = (n: unknown) => sequelize.query("select $1::int * 2 as n", { bind: [n], type: QueryTypes.SELECT });
  for (const n of [1, 2, 3, 4, 5, 6]) assert.deepEqual(await ask(n), [{ n: 2 * n }]);
  await assert.rejects(ask("x"), (error: any) => error.parent.code === "22P02");
  assert.deepEqual(await ask(7), [{ n: 14 }]);
}

async function transactions(sequelize: Sequelize) {
  const Ship = await fresh(sequelize);
  await Ship.create({ name: "Möwe" });
  const failing = sequelize.transaction(async (transaction) => {
    await Ship.create({ name: "never" }, { transaction });
    await Ship.create({ name: "Möwe" }, { transaction });
  });
  await assert.rejects(failing, { name: "SequelizeUniqueConstraintError" });
  const isolationLevel = Transaction.ISOLATION_LEVELS.SERIALIZABLE;
  await sequelize.transaction({ isolationLevel }, async (transaction) => {
    await Ship.create({ name: "kept" }, { transaction });
    // A transaction in it is a savepoint.
    const inner = sequelize.transaction({ transaction }, (saved) => Ship.create({ name: "Möwe" }, { transaction: saved }));
    await assert.rejects(inner, { name: "SequelizeUniqueConstraintError" });
  });
  assert.deepEqual((await Ship.findAll({ order: ["id"] })).map((ship) => ship.get("name")), ["Möwe", "kept"]);
}

async function big_result(sequelize: Sequelize) {
  const rows: any[] = await sequelize.query("select g, repeat('x', 500) as x from generate_series(1, 5000) g", { type: QueryTypes.SELECT });
  assert.deepEqual([rows.length, rows[4999].g, rows[4999].x.length], [5000, 5000, 500]);
}

/** Sequelize has no cancel: a timeout of the transaction ends the statement. */
async function cancel(sequelize: Sequelize) {
  const slow = sequelize.transaction(async (transaction) => {
    await sequelize.query("set local statement_timeout = 200", { transaction });
    await sequelize.query("select pg_sleep(60)", { transaction });
  });
  await assert.rejects(slow, (error: any) => error.parent.code === "57014");
  assert.deepEqual(await sequelize.query("select 1 as n", { type: QueryTypes.SELECT }), [{ n: 1 }]);
}

async function two_clients(sequelize: Sequelize) {
  const own = (name: string) => sequelize.transaction(async (transaction) => {
    const run = (sql: string) => sequelize.query(sql, { transaction, type: QueryTypes.SELECT });
    await run(`select set_config('app.own', '${name}', true)`);
    await run("select pg_sleep(0.05)");
    return ((await run("select current_setting('app.own') as own"))[0] as any).own;
  });
  assert.deepEqual(await Promise.all(["a", "b", "c", "d"].map(own)), ["a", "b", "c", "d"]);
}

const CHAPTERS = { types, prepared, transactions, big_result, cancel, two_clients };

function entry(choose: (bound: BoundDatabase) => object): Entry {
  const told = Object.entries(CHAPTERS).map(([name, story]) => [name, async (context: ExecutionContext) => {
    const given = bound(context);
    const sequelize = new Sequelize(given.database, given.user, given.password, {
      dialect: "postgres", dialectModule: pg, logging: false, pool: { max: 2 }, ...choose(given),
    });
    try {
      await story(sequelize);
    } finally {
      await sequelize.close();
    }
  }]);
  return Object.fromEntries(told);
}

export const onHost = entry(({ host, port }) => ({ host, port }));
export const onStream = entry(({ stream }) => ({ dialectOptions: { stream } }));
