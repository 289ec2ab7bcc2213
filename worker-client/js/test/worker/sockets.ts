// Unmodified drivers, by the gateway's sockets; and the package's own calls through the gateway.

import assert from "node:assert/strict";

import { env } from "cloudflare:workers";
import pg from "pg";
import { connect } from "pierhead";
import { type BoundDatabase, bind } from "pierhead/socket";
import postgres from "postgres";
import { DataTypes, Sequelize } from "sequelize";

import { gateway, through } from "./env.js";
import shop from "./shop.js";

const bound = (context: ExecutionContext) => bind(context, gateway, "main", { user: "scram_user" });

export async function calls_through_the_gateway() {
  assert.deepEqual(await through.sql`select ${1}::int as n`, [{ n: 1 }]);
  const body = through.begin(async (tx) => [...(await tx.sql`select 1 as n`), ...(await tx.sql`select 2 as n`)]);
  assert.deepEqual(await body, [{ n: 1 }, { n: 2 }]);
  let rows = 0;
  for await (const _ of through.stream("select repeat('x', 1000) from generate_series(1, 5000)")) rows += 1;
  assert.equal(rows, 5000);
  const other = connect(gateway, "other");
  const refused = { message: /other/, code: "3D000", status: "refused", retry: "doNot", retryable: false, outcomeUnknown: false };
  await assert.rejects(other.query("select 1"), refused);
  await assert.rejects(other.begin((tx) => tx.query("select 1")), refused);
  await assert.rejects(other.stream("select 1").next(), refused);
}

export async function looks_like_hyperdrive(context: ExecutionContext) {
  const { connectionString, host, port, user, password, database, dialable } = bound(context);
  assert.ok(dialable, "this runtime has no virtual hosts");
  const url = new URL(connectionString);
  assert.deepEqual([url.hostname, url.port, url.username, url.pathname], [host, String(port), user, `/${database}`]);
  assert.ok(password);
}

export async function the_example_of_the_page(context: ExecutionContext) {
  const ships = await through.sql`select id, name from ships order by id limit 10`;
  assert.equal(ships.length, 10);
  const response = await shop.fetch(new Request("https://shop/"), env as any, context);
  assert.deepEqual(await response.json(), [...ships]);
}

async function with_pg(config: pg.ClientConfig) {
  const client = new pg.Client(config);
  await client.connect();
  try {
    await client.query("begin");
    await client.query("create temporary table s_pg (n int primary key) on commit drop");
    await client.query({ name: "put", text: "insert into s_pg values ($1)", values: [1] });
    await client.query("savepoint a");
    await assert.rejects(client.query({ name: "put", text: "insert into s_pg values ($1)", values: [1] }), { code: "23505" });
    await client.query("rollback to savepoint a");
    assert.deepEqual((await client.query("select n from s_pg")).rows, [{ n: 1 }]);
    await client.query("commit");
    const big = await client.query("select n, repeat('x', 1000) as filler from generate_series(1, $1) n", [3000]);
    assert.deepEqual([big.rows.length, big.rows[2999].n], [3000, 3000]);
  } finally {
    await client.end();
  }
}

export async function pg_by_host(context: ExecutionContext) {
  await with_pg({ connectionString: bound(context).connectionString });
}

export async function pg_by_stream(context: ExecutionContext) {
  const { host, port, user, password, database, stream } = bound(context);
  await with_pg({ host, port, user, password, database, stream: stream as any });
}

async function with_postgres(sql: postgres.Sql) {
  try {
    assert.deepEqual([...(await sql`select ${[1, 2]}::int[] as n, ${"ü"} as t`)], [{ n: [1, 2], t: "ü" }]);
    const sum = await sql.begin(async (tx) => {
      await tx`create temporary table s_postgres (n int) on commit drop`;
      await tx`insert into s_postgres ${tx([{ n: 1 }, { n: 2 }])}`;
      await assert.rejects(tx.savepoint((inner) => inner`select 1 / 0`), { code: "22012" });
      return tx`select sum(n)::int as sum from s_postgres`;
    });
    assert.deepEqual([...sum], [{ sum: 3 }]);
    const both = await Promise.all([sql`select pg_sleep(0.05), 1 as n`, sql`select 2 as n`]);
    assert.deepEqual(both.map(([row]) => row!["n"]), [1, 2]);
    assert.equal((await sql`select repeat('x', 1000) from generate_series(1, 3000)`).length, 3000);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

export async function postgres_by_host(context: ExecutionContext) {
  await with_postgres(postgres(bound(context).connectionString, { max: 2 }));
}

export async function postgres_by_socket(context: ExecutionContext) {
  const { user, password, database, socket } = bound(context);
  await with_postgres(postgres({ user, password, database, max: 2, socket } as any));
}

async function with_sequelize(choose: (bound: BoundDatabase) => object, context: ExecutionContext) {
  const { user, password, database, ...rest } = bound(context);
  const sequelize = new Sequelize(database, user, password, {
    dialect: "postgres", dialectModule: pg, logging: false, pool: { max: 2 }, ...choose({ user, password, database, ...rest }),
  });
  try {
    const Ship = sequelize.define("s_ship", { name: { type: DataTypes.STRING, unique: true } }, { timestamps: false });
    await Ship.sync({ force: true });
    await Ship.create({ name: "Möwe" });
    const failing = sequelize.transaction(async (transaction) => {
      await Ship.create({ name: "never" }, { transaction });
      await Ship.create({ name: "Möwe" }, { transaction });
    });
    await assert.rejects(failing, { name: "SequelizeUniqueConstraintError" });
    await sequelize.transaction((transaction) => Ship.create({ name: "kept" }, { transaction }));
    assert.deepEqual((await Ship.findAll({ order: ["id"] })).map((ship) => ship.get("name")), ["Möwe", "kept"]);
  } finally {
    await sequelize.close();
  }
}

export async function sequelize_by_host(context: ExecutionContext) {
  await with_sequelize(({ host, port }) => ({ host, port }), context);
}

export async function sequelize_by_stream(context: ExecutionContext) {
  await with_sequelize(({ stream }) => ({ dialectOptions: { stream } }), context);
}
