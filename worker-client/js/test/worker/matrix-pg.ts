// What has the shape of `pg`: the driver itself on sockets, and the package's own over calls.

import assert from "node:assert/strict";

import pg from "pg";
import Cursor from "pg-cursor";
import { Client } from "pierhead/pg";
import QueryStream from "pg-query-stream";

import { type Entry, type Story, all, bound, untilOver } from "./entry.js";
import { db } from "./env.js";

/** What both shapes have. */
interface Queries {
  query(text: any, values?: any): Promise<{ rows: any[]; rowCount: number | null; command: string }>;
}

/** Runs a story with clients that are ended behind it. */
type Open = (context: ExecutionContext, story: (client: () => Promise<Queries>) => Promise<void>) => Promise<void>;

async function types(a: Queries) {
  const at = new Date("2026-11-22T10:00:00.123Z");
  const values = [
    -7, "9223372036854775807", 0.1, "12345678901234567890.123", true, "ü\n'\\", Buffer.from([0, 255, 10]), at,
    { a: [1, null] }, "5f0c1d7e-0000-4000-8000-0123456789ab", [1, null, 3], [["a", "b,"], ['c"', null]], "[1,5)", null,
  ];
  const kinds = "int4 int8 float8 numeric bool text bytea timestamptz jsonb uuid int4[] text[] int4range text".split(" ");
  const columns = kinds.map((kind, at) => `$${at + 1}::${kind} as c${at}`).join(", ");
  const { rows } = await a.query(`select ${columns}`, values);
  assert.deepEqual(Object.values(rows[0]), values);
}

async function prepared(a: Queries) {
  const add = { name: "add", text: "select $1::int + $2::int as sum" };
  for (const n of [1, 2, 3, 4, 5, 6]) assert.deepEqual((await a.query({ ...add, values: [n, n] })).rows, [{ sum: 2 * n }]);
  await assert.rejects(a.query({ ...add, values: ["x", 1] }), { code: "22P02" });
  assert.deepEqual((await a.query({ ...add, values: [1, 1] })).rows, [{ sum: 2 }]);
  await assert.rejects(a.query({ name: "bad", text: "selec 1" }), { code: "42601" });
  const many = Array.from({ length: 40 }, (_, n) => a.query({ name: `many-${n % 20}`, text: `select ${n % 20} + $1::int as n`, values: [n] }));
  assert.deepEqual((await Promise.all(many)).map(({ rows }) => rows[0].n), many.map((_, n) => (n % 20) + n));
}

async function transactions(a: Queries) {
  await a.query("drop table if exists m_pg");
  await a.query("create table m_pg (n int primary key)");
  await a.query("begin isolation level repeatable read");
  await a.query("insert into m_pg values ($1)", [1]);
  await a.query("savepoint s");
  await assert.rejects(a.query("insert into m_pg values ($1)", [1]), { code: "23505" });
  await assert.rejects(a.query("select 1"), { code: "25P02" });
  await a.query("rollback to savepoint s");
  await a.query("insert into m_pg values (2)");
  assert.equal((await a.query("commit")).command, "COMMIT");
  await a.query("begin");
  await a.query("delete from m_pg");
  await assert.rejects(a.query("select 1 / 0"), { code: "22012" });
  assert.equal((await a.query("commit")).command, "ROLLBACK");
  assert.deepEqual((await a.query("select n from m_pg order by n")).rows, [{ n: 1 }, { n: 2 }]);
}

async function big_result(a: Queries) {
  const { rows } = await a.query("select n, repeat('x', 1000) as filler from generate_series(1, $1::int) n", [5000]);
  assert.deepEqual([rows.length, rows[4999]], [5000, { n: 5000, filler: "x".repeat(1000) }]);
}

/** A timeout at the database: what there is without sockets. */
async function timeout(a: Queries) {
  await a.query("begin");
  await a.query("set local statement_timeout = 200");
  await assert.rejects(a.query("select pg_sleep(60)"), { code: "57014" });
  await a.query("rollback");
  assert.deepEqual((await a.query("select 1 as n")).rows, [{ n: 1 }]);
}

async function two_clients(a: Queries, b: Queries) {
  await a.query("drop table if exists m_two");
  await a.query("create table m_two (whose text)");
  const own = { name: "own", text: "select current_setting('app.own') as own, array_agg(whose) as seen from m_two" };
  for (const [client, name] of [[a, "a"], [b, "b"]] as const) {
    await client.query("begin");
    await client.query("select set_config('app.own', $1, true)", [name]);
    await client.query("insert into m_two values ($1)", [name]);
  }
  for (const [client, name] of [[a, "a"], [b, "b"], [a, "a"]] as const) {
    assert.deepEqual((await client.query(own)).rows, [{ own: name, seen: [name] }]);
  }
  await a.query("commit");
  await b.query("rollback");
  assert.deepEqual((await b.query("select whose from m_two")).rows, [{ whose: "a" }]);
}

function entry(open: Open, cancel: Story): Entry {
  const one = (story: (client: Queries) => Promise<void>): Story => (context) => open(context, async (client) => story(await client()));
  const two: Story = (context) => open(context, async (client) => two_clients(await client(), await client()));
  return { types: one(types), prepared: one(prepared), transactions: one(transactions), big_result: one(big_result),
    cancel: all(one(timeout), cancel), two_clients: two };
}

// Sockets.

type Config = (context: ExecutionContext) => pg.ClientConfig;

const byHost: Config = (context) => ({ connectionString: bound(context).connectionString });
const byStream: Config = (context) => {
  const { host, port, user, password, database, stream } = bound(context);
  return { host, port, user, password, database, stream: stream as any };
};

async function withClients(config: pg.ClientConfig, story: (client: () => Promise<pg.Client>) => Promise<void>) {
  const clients: pg.Client[] = [];
  try {
    await story(async () => {
      const client = new pg.Client(config);
      clients.push(client);
      await client.connect();
      return client;
    });
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

const onSocket = (config: Config): Entry => entry(
  (context, story) => withClients(config(context), story),
  (context) => withClients(config(context), async (client) => {
    const a = await client();
    const slow = a.query("select pg_sleep(60)");
    const refused = assert.rejects(slow, { code: "57014" });
    await untilOver(slow, async () => {
      // As the driver does it: another connection, with the key of the first. What comes later than its
      // end would meet the next statement.
      const other: any = new pg.Client(config(context));
      other.connection.on("error", () => {});
      const ended = new Promise((resolve) => other.connection.once("end", resolve));
      other.cancel(a, (a as any).activeQuery);
      await Promise.race([ended, scheduler.wait(5000)]);
    });
    await refused;
    assert.deepEqual((await a.query("select 1 as n")).rows, [{ n: 1 }]);
  }),
);

export const onHost = onSocket(byHost);
export const onStream = onSocket(byStream);

// Calls.

export const byCalls = entry(async (_, story) => {
  const clients: Client[] = [];
  try {
    await story(async () => {
      const client = new Client(db);
      clients.push(client);
      return client as Queries;
    });
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}, async () => {});

// Cursors and streams of rows, which both hold a portal between their reads.

const reading = (story: (client: () => Promise<pg.Client>) => Promise<void>): Story => (context) => withClients(byHost(context), story);

export const cursors: Entry = {
  types: reading(async (client) => {
    const cursor = (await client()).query(new Cursor("select g as n, g::numeric / 2 as half, array[g] as all from generate_series(1, $1::int) g", [3]));
    assert.deepEqual(await cursor.read(2), [{ n: 1, half: "0.50000000000000000000", all: [1] }, { n: 2, half: "1.00000000000000000000", all: [2] }]);
    assert.deepEqual([(await cursor.read(2)).length, (await cursor.read(2)).length], [1, 0]);
  }),
  prepared: reading(async (client) => {
    const a = await client();
    for (const n of [1, 2, 3, 4, 5, 6]) {
      const cursor = a.query(new Cursor("select generate_series(1, $1::int) as n", [n]));
      assert.equal((await cursor.read(10)).length, n);
      await cursor.close();
    }
    await assert.rejects(a.query(new Cursor("select $1::int", ["x"])).read(1), { code: "22P02" });
    assert.deepEqual((await a.query("select 1 as n")).rows, [{ n: 1 }]);
  }),
  transactions: reading(async (client) => {
    const a = await client();
    await a.query("begin");
    await a.query("savepoint s");
    const failing = a.query(new Cursor("select 1 / (3 - g) as n from generate_series(1, 5) g"));
    assert.equal((await failing.read(2)).length, 2);
    await assert.rejects(failing.read(2), { code: "22012" });
    await a.query("rollback to savepoint s");
    const cursor = a.query(new Cursor("select generate_series(1, 5) as n"));
    assert.deepEqual(await cursor.read(1), [{ n: 1 }]);
    await cursor.close();
    assert.equal((await a.query("commit")).command, "COMMIT");
  }),
  big_result: reading(async (client) => {
    let sum = 0;
    const stream = new QueryStream("select g, repeat('x', 500) as filler from generate_series(1, 10000) g", [], { batchSize: 100 });
    for await (const { g, filler } of (await client()).query(stream)) sum += g + filler.length;
    assert.equal(sum, 55_005_000);
  }),
  cancel: reading(async (client) => {
    const a = await client();
    const stream = a.query(new QueryStream("select g from generate_series(1, 1000000) g", [], { batchSize: 10 }));
    for await (const { g } of stream) if (g === 25) break;
    assert.deepEqual((await a.query("select 1 as n")).rows, [{ n: 1 }]);
  }),
  two_clients: reading(async (client) => {
    const [a, b] = [await client(), await client()];
    const [first, second] = [a, b].map((one, at) => one.query(new Cursor("select $1 || g as n from generate_series(1, 3) g", ["ab"[at]])));
    for (const n of [1, 2, 3]) {
      assert.deepEqual([await first!.read(1), await second!.read(1)], [[{ n: `a${n}` }], [{ n: `b${n}` }]]);
    }
    await Promise.all([first!.close(), second!.close()]);
  }),
};
