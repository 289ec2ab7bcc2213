// What comes back: results of one statement or many, errors, what breaks off; told by a coordinator
// that is scripted.

import assert from "node:assert/strict";
import { test } from "node:test";

import { connect, DatabaseError, PierheadError } from "../dist/index.js";
import { BOUND, NO_DATA, PARSED, answer, columns, done, failed, message, ready, row, u32 } from "./answers.mjs";

/** A database whose coordinator gives these answers, one after the other. */
function database(answers, options) {
  const asked = [];
  const coordinator = {
    asked,
    aborted: 0,
    watched: [],
    async exchange(request, alive) {
      asked.push(Buffer.from(request).toString("latin1"));
      const next = answers.shift();
      return typeof next === "function" ? next(alive) : next;
    },
    async abort() {
      coordinator.aborted += 1;
    },
    async watch(id, alive) {
      coordinator.watched.push([id.length, typeof alive]);
    },
  };
  class Namespace {
    idFromName() {}
    getByName = () => coordinator;
  }
  return { db: connect(new Namespace(), "main", options), coordinator };
}

const SELECTED = [
  PARSED, BOUND, columns(["id", 23], ["big", 20], ["at", 1184], ["doc", 3802], ["tags", 1009], ["ok", 16]),
  row("-12", "9007199254740993", "2026-11-22 01:02:03+00", '{"a":1}', "{x,NULL}", "t"),
  row(null, null, null, null, null, null), done("SELECT 2"), ready("I"),
];

test("rows are read as pg reads them", async () => {
  const { db, coordinator } = database([answer(SELECTED)]);
  const { rows, rowCount, command, fields } = await db.query("select 1");
  assert.deepEqual(rows[0], {
    id: -12, big: "9007199254740993", at: new Date("2026-11-22T01:02:03Z"), doc: { a: 1 }, tags: ["x", null], ok: true,
  });
  assert.deepEqual(rows[1], { id: null, big: null, at: null, doc: null, tags: null, ok: null });
  assert.deepEqual([rowCount, command, fields[1].name, fields[1].dataTypeID], [2, "SELECT", "big", 20]);
  assert.deepEqual(coordinator.watched, []);
});

test("types and the look of rows may be others", async () => {
  const { db } = database([answer(SELECTED), answer(SELECTED)], { types: { 20: BigInt } });
  const result = await db.query({ text: "select 1", rowMode: "array" });
  assert.deepEqual(result.rows[0].slice(0, 2), [-12, 9007199254740993n]);
  const asText = { getTypeParser: () => (text) => text };
  const { rows } = await db.query({ text: "select 1", types: asText });
  assert.deepEqual([rows[0].id, rows[0].ok], ["-12", "t"]);
});

test("a column may have any name", async () => {
  const odd = [PARSED, BOUND, columns(["__proto__", 3802]), row('{"evil":1}'), done("SELECT 1"), ready("I")];
  const { db } = database([answer(odd)]);
  const { rows } = await db.query("select 1");
  assert.equal(rows[0].evil, undefined);
  assert.deepEqual(rows[0]["__proto__"], { evil: 1 });
});

test("a batch gives each statement's result", async () => {
  const { db, coordinator } = database([answer([
    PARSED, BOUND, NO_DATA, done("INSERT 0 3"), PARSED, BOUND, NO_DATA, done("CREATE TABLE"),
    PARSED, BOUND, NO_DATA, message("I"), ready("I"),
  ])]);
  const results = await db.batch(["insert", db.sql`create ${1}`, { text: "" }]);
  assert.deepEqual(results.map(({ rowCount, command }) => [rowCount, command]), [[3, "INSERT"], [null, "CREATE"], [null, ""]]);
  assert.equal(coordinator.asked.length, 1);
  await assert.rejects(db.batch(["select 1", "commit"]), /statement 1 of the batch begins with commit/);
});

test("the database's error has its fields, and prints none that may quote data", async () => {
  const fields = { S: "ERROR", V: "ERROR", C: "23505", M: "twice", D: "Key (id)=(secret)", n: "pk", t: "berths", h: "x" };
  const { db } = database([answer([
    PARSED, BOUND, NO_DATA, done("INSERT 0 1"), failed(fields), ready("I"),
  ], { status: 4, code: "23505", blame: 4, retry: 2 })]);
  const error = await db.batch(["insert 1", "insert 2"]).catch((e) => e);
  assert.ok(error instanceof DatabaseError && error instanceof PierheadError);
  assert.deepEqual([error.code, error.constraint, error.table, error.statement], ["23505", "pk", "berths", 1]);
  assert.deepEqual([error.blame, error.retryable, error.outcomeUnknown], ["database", false, false]);
  assert.equal(error.detail, "Key (id)=(secret)");
  const { inspect } = await import("node:util");
  assert.doesNotMatch(inspect(error) + JSON.stringify(error), /secret/);
  const response = error.toResponse();
  assert.equal(response.status, 409);
  assert.equal(await response.text(), '{"error":"conflict","sqlstate":"23505"}');
});

test("a refusal says what to do", async () => {
  const refused = { status: 2, code: "53300", blame: 2, retry: 1, after: 1500, text: "full", hint: "raise max_waiters" };
  const { db } = database([answer([], refused)]);
  const error = await db.query("select 1").catch((e) => e);
  assert.deepEqual([error.message, error.hint, error.retryable, error.refused], ["full", "raise max_waiters", true, true]);
  const response = error.toResponse();
  assert.deepEqual([response.status, response.headers.get("retry-after")], [503, "2"]);
});

test("an answer that is none leaves the outcome unknown", async () => {
  const selected = answer(SELECTED);
  const bad = [
    selected.slice(0, -1), "text", undefined, answer([row("1")]), answer([message("R", u32(0))]),
    answer([PARSED, ready("I")]), answer([...SELECTED, ready("I")]), answer(SELECTED.slice(0, -1)),
  ];
  for (const one of bad) {
    const { db } = database([one]);
    const error = await db.query("select 1").catch((e) => e);
    assert.ok(error.outcomeUnknown, `${error.message}`);
    assert.equal(error.code, "08007");
  }
});

test("what the platform throws is told apart", async () => {
  const thrown = (properties) => () => Promise.reject(Object.assign(new Error("no"), properties));
  const { db } = database([thrown({}), thrown({ overloaded: true }), thrown({ retryable: true })]);
  const [lost, overloaded, transient] = [
    await db.query("a").catch((e) => e), await db.query("a").catch((e) => e), await db.query("a").catch((e) => e),
  ];
  assert.ok(lost.outcomeUnknown && transient.outcomeUnknown && !transient.retryable);
  assert.ok(overloaded.refused && !overloaded.retryable);
  assert.match(transient.message, /transient/);
});

test("queries of one tick share a call if they may, and fail alone", async () => {
  const one = (n) => [PARSED, BOUND, columns(["n", 23]), row(String(n)), done("SELECT 1"), ready("I")];
  const bad = [failed({ S: "ERROR", C: "42601", M: "syntax" }), ready("I")];
  const { db, coordinator } = database(
    [answer([...one(1), ...bad, ...one(3)], { status: 4, code: "42601", blame: 4, retry: 2 }), answer(one(4))],
    { shareCalls: true },
  );
  const three = await Promise.allSettled([db.query("1"), db.query("2"), db.sql`3`, db.query("a\0")]);
  assert.deepEqual(three.map(({ value, reason }) => (value?.rows ?? value)?.[0].n ?? reason.code ?? reason.message), [
    1, "42601", 3, "a statement contains a NUL character",
  ]);
  assert.equal(coordinator.asked.length, 1);
  assert.equal((await db.sql`select 4`)[0].n, 4);
  assert.equal(coordinator.asked.length, 2);
});

test("of those that share a call, what had ended before it broke off is known", async () => {
  const one = [PARSED, BOUND, columns(["n", 23]), row("1"), done("SELECT 1"), ready("I")];
  const lost = { status: 3, code: "08007", blame: 3, retry: 3, text: "the session was lost" };
  const { db } = database([answer([...one, PARSED, BOUND], lost)], { shareCalls: true });
  const [first, second] = await Promise.allSettled([db.query("1"), db.query("2")]);
  assert.equal(first.value.rows[0].n, 1);
  assert.ok(second.reason.outcomeUnknown);
});

test("a statement of sql`` runs once, when it is awaited", async () => {
  const { db, coordinator } = database([answer(SELECTED)]);
  const query = db.sql`select ${1}`;
  await null;
  assert.equal(coordinator.asked.length, 0);
  assert.equal((await query).length, 2);
  assert.equal((await query.result()).rowCount, 2);
  assert.equal(coordinator.asked.length, 1);
});

test("a deadline holds where the coordinator never answers, and an abort where it is asked for", async () => {
  const never = () => new Promise(() => {});
  const { db, coordinator } = database([never, never, answer(SELECTED)], { timeoutMs: 1 });
  const late = await db.query("a").catch((e) => e);
  assert.ok(late.timeout && late.outcomeUnknown);
  assert.equal(coordinator.aborted, 1);
  // It has waited for a while by then; what is answered sooner gives no callback.
  assert.deepEqual(coordinator.watched, [[16, "function"]]);

  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error("left")), 5);
  const aborted = await db.with({ timeoutMs: 60_000 }).query("a", [], { signal: controller.signal }).catch((e) => e);
  assert.deepEqual([aborted.name, aborted.cause.message, coordinator.aborted], ["AbortError", "left", 2]);
  const before = await db.query("a", [], { signal: controller.signal }).catch((e) => e);
  assert.deepEqual([before.name, before.refused, coordinator.asked.length], ["AbortError", true, 2]);
});

test("a binding that is missing, and a name that is none, are named", () => {
  assert.throws(() => connect(undefined, "main"), (e) => /no binding.*main/.test(e.message) && /wrangler/.test(e.hint));
  assert.throws(() => connect({ fetch() {} }, "Main"), (e) => /"Main" is no database name/.test(e.message));
});
