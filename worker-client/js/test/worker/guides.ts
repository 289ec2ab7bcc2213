// The Workers of the guides are asked, as their readers' Workers are.

import assert from "node:assert/strict";

import { connect } from "pierhead";

import { db, gateway } from "./env.js";
import hyperdrive, { type Env, byStream } from "./from-hyperdrive.js";
import drizzle from "./guide-drizzle.js";
import pg from "./guide-pg.js";
import neon, { open, shapes, total } from "./from-neon.js";

export async function from_hyperdrive(context: ExecutionContext) {
  const env = { GATEWAY: gateway as unknown as Fetcher, DB_USER: "scram_user" };
  const answer = await hyperdrive.fetch(new Request("http://shop/"), env, context);
  assert.deepEqual(await answer.json(), [{ id: 1, name: "Pier 1" }, { id: 2, name: "Pier 2" }]);
  const [streamed, called] = [await byStream(env, context), await byCall(env)];
  assert.ok(streamed > 2 && called === streamed, `${streamed} by a stream, ${called} by a call`);
}

export async function from_neon() {
  assert.deepEqual(await open(["ada", "bob"]), [2, 2]);
  assert.deepEqual(await asked(neon, "from=ada&to=bob&amount=30"), [{ name: "ada", amount: 70 }, { name: "bob", amount: 130 }]);
  await assert.rejects(asked(neon, "from=ada&to=bob&amount=71"), /ada has only 70/);
  assert.deepEqual(await asked(neon, ""), [{ name: "ada", amount: 70 }, { name: "bob", amount: 130 }]);
  assert.deepEqual(await open(["ada", "eve"]), [1, 3]);
  assert.equal(await total(), 300);
  assert.deepEqual(await shapes(), [[{ amount: 70 }], 3, 3]);
}

/** What a Worker answers to a query string. */
const asked = async (worker: { fetch(request: Request): Promise<Response> }, query: string) =>
  (await worker.fetch(new Request(`http://shop/?${query}`))).json();

export async function typescript_drizzle() {
  await db.sql`create table if not exists moorings (berth text primary key, ships int not null default 1)`;
  assert.deepEqual(await asked(drizzle, "moor=Pier 2"), { berth: "Pier 2", ships: 1 });
  assert.deepEqual(await asked(drizzle, "moor=Pier 2"), { berth: "Pier 2", ships: 2 });
  await asked(drizzle, "moor=Pier 1");
  assert.deepEqual(await asked(drizzle, ""), [{ berth: "Pier 1", ships: 1 }, { berth: "Pier 2", ships: 2 }]);
}

export async function typescript_pg() {
  assert.deepEqual(await asked(pg, ""), [{ id: 1, name: "Pier 1" }, { id: 2, name: "Pier 2" }]);
  assert.deepEqual(await asked(pg, "from=2"), [{ id: 2, name: "Pier 2" }, { id: 3, name: "Pier 3" }]);
}

/** The same binding by calls: one trip each, and nothing to open or end. */
async function byCall(env: Env): Promise<number> {
  const db = connect(env.GATEWAY, "main");
  const [row] = await db.sql`select count(*)::int as n from berths`;
  return row.n;
}
