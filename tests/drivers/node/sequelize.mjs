// Sequelize, unmodified: fifty connections at once, each of which sends SETs when it is opened.

import { DataTypes, QueryTypes, Sequelize, Transaction } from "sequelize";
import { BIG_ROWS, chapter, refused, tell } from "./tell.mjs";

const log = false;
const sequelize = new Sequelize(process.env.DATABASE_URL, { logging: log, pool: { max: 50, acquire: 60000 } });
// A model's rows with nothing that the time decides.
const plain = (rows) => [rows].flat().map((row) => {
  const { createdAt, updatedAt, ...rest } = row.get({ plain: true });
  return rest;
});

chapter("types");
const Ship = sequelize.define("ship", {
  name: { type: DataTypes.STRING, unique: true, allowNull: false }, length: DataTypes.DECIMAL(8, 2),
  mood: DataTypes.ENUM("sad", "happy"), tags: DataTypes.ARRAY(DataTypes.TEXT), details: DataTypes.JSONB,
  built: DataTypes.DATEONLY, seen: DataTypes.DATE, raw: DataTypes.BLOB, key: DataTypes.UUID, big: DataTypes.BIGINT,
  span: DataTypes.RANGE(DataTypes.INTEGER), armed: DataTypes.BOOLEAN, ratio: DataTypes.DOUBLE,
});
const Call = sequelize.define("call", { note: DataTypes.TEXT });
Ship.hasMany(Call);
Call.belongsTo(Ship);
await sequelize.sync({ force: true });
await Ship.create({
  name: "Möwe", length: "12.50", mood: "happy", tags: ["a", "b,"], details: { a: [1, null] }, built: "1999-12-31",
  seen: new Date("2026-11-22T10:00:00.123Z"), raw: Buffer.from([0, 255]), key: "5f0c1d7e-0000-4000-8000-0123456789ab",
  big: "9223372036854775807", span: [1, 5], armed: true, ratio: 0.1,
});
tell("row", plain(await Ship.findAll()));
tell("tables", (await sequelize.getQueryInterface().showAllTables()).sort());
tell("columns", Object.keys(await sequelize.getQueryInterface().describeTable("ships")));

chapter("prepared");
for (const n of [1, 2, 3]) {
  tell("bind", await sequelize.query("select $1::int * 2 as n", { bind: [n], type: QueryTypes.SELECT }));
  tell("replacements", await sequelize.query("select :n * 3 as n", { replacements: { n }, type: QueryTypes.SELECT }));
}
await refused("unique", Ship.create({ name: "Möwe" }));
await refused("null", Ship.create({ name: null }));
await refused("enum", Ship.create({ name: "x", mood: "angry" }));
tell("upsert", (await Ship.upsert({ id: 1, name: "Möwe", armed: false }))[1]);
await Ship.bulkCreate(Array.from({ length: 20 }, (_, n) => ({ name: `ship ${n}`, length: n })));
tell("include", plain(await Ship.findAll({ include: Call, where: { name: "Möwe" } })));
tell("count", await Ship.count({ where: { length: { [Symbol.for("gt")]: 5 } } }));

chapter("transactions");
tell("committed", await sequelize.transaction(async (transaction) => {
  const ship = await Ship.create({ name: "Falke" }, { transaction });
  await ship.createCall({ note: "first" }, { transaction });
  await refused("savepoint", sequelize.transaction({ transaction }, (inner) =>
    Ship.create({ name: "Möwe" }, { transaction: inner })));
  return Call.count({ transaction });
}));
await refused("rolled back", sequelize.transaction(async (transaction) => {
  await Ship.destroy({ where: {}, transaction });
  throw new Error("never mind");
}));
const isolationLevel = Transaction.ISOLATION_LEVELS.SERIALIZABLE;
tell("serializable", await sequelize.transaction({ isolationLevel }, (transaction) =>
  sequelize.query("show transaction_isolation", { transaction, type: QueryTypes.SELECT })));
tell("left", await Ship.count());

chapter("big result");
const big = await sequelize.query(`select g, repeat('x', 500) as x from generate_series(1, ${BIG_ROWS}) g`, { type: QueryTypes.SELECT });
tell("rows", big.length, big.reduce((sum, row) => sum + row.g + row.x.length, 0));

chapter("cancel");
// It has no cancel of its own; what ends a statement early is a timeout, which it sets at the database.
const hasty = new Sequelize(process.env.DATABASE_URL, { logging: log, dialectOptions: { statement_timeout: 300 }, pool: { max: 1 } });
for (const time of ["first", "second"]) await refused(time, hasty.query("select pg_sleep(60)"));
tell("goes on", await hasty.query("select 1 as one", { type: QueryTypes.SELECT }));
await refused("in a transaction", sequelize.transaction(async (transaction) => {
  await sequelize.query("set local statement_timeout = 300", { transaction });
  await sequelize.query("select pg_sleep(60)", { transaction });
}));
await hasty.close();

chapter("two clients");
const seen = await Promise.all(Array.from({ length: 300 }, (_, n) => sequelize.transaction(async (transaction) => {
  const run = (sql) => sequelize.query(sql, { transaction, type: QueryTypes.SELECT });
  await run(`select set_config('app.n', '${n}', true)`);
  await Ship.increment("length", { where: { name: "Möwe" }, transaction });
  return (await run("select current_setting('app.n') as n, current_setting('timezone') as z"))[0];
})));
tell("each its own", seen.every(({ n }, at) => n === String(at)), [...new Set(seen.map(({ z }) => z))]);
tell("nothing lost", plain(await Ship.findAll({ where: { name: "Möwe" }, attributes: ["length"] })));
const zoned = new Sequelize(process.env.DATABASE_URL, { logging: log, timezone: "+09:00" });
const noon = "select '2026-11-22 12:00:00+00'::timestamptz::text as t";
tell("a", await zoned.query(noon, { type: QueryTypes.SELECT }));
tell("b", await sequelize.query(noon, { type: QueryTypes.SELECT }));
tell("a again", await zoned.query(noon, { type: QueryTypes.SELECT }));

await zoned.close();
await sequelize.close();
tell("done");
