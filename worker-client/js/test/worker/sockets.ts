// The gateway: calls through it, and what drivers are told of it.

import assert from "node:assert/strict";

import { env } from "cloudflare:workers";
import { connect } from "pierhead";

import { bound } from "./entry.js";
import { gateway, through } from "./env.js";
import shop from "./shop.js";

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
