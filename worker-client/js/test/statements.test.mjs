// What goes out: parameters as `pg` writes them, texts with their values apart, refusals.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

import { toParam } from "../dist/params.js";
import { sql } from "../dist/index.js";
import { encodeGroups, transactionControl } from "../dist/statement.js";
import { beginText } from "../dist/transaction.js";

const { prepareValue } = createRequire(import.meta.url)("pg/lib/utils");

test("parameters are written as pg writes them", () => {
  const point = { toPostgres: (prepare) => `(${prepare(1)},${prepare(2.5)})` };
  const values = [
    null, undefined, "text", "", 1, -0.5, 1e21, NaN, 12345678901234567890n, true, false, Symbol.iterator.toString(),
    Buffer.from([1, 2]), Uint8Array.of(3, 255), new DataView(new ArrayBuffer(2)),
    new Date(0), new Date("2026-11-22T01:02:03.004Z"), new Date(-62198755200000), new Date(253402300800000),
    { a: [1, "ü"], b: null }, point,
    [], [1, null, "a,b"], ['say "hi"', "back\\slash", "{}"], [[1, 2], [3, 4]], [new Date(0)], [{ a: 1 }],
    [Buffer.from([0xde, 0xad])], [point],
  ];
  for (const value of values) {
    const [ours, theirs] = [toParam(value), prepareValue(value)].map((v) => (v === "" ? "''" : v));
    const same = Array.isArray(value) && value.some(Buffer.isBuffer);
    // pg leaves a bytea element without quotes, which the database reads alike.
    if (same) assert.equal(ours.replaceAll('"', ""), theirs);
    else assert.deepEqual(ours, theirs);
  }
});

test("dates of any zone are written as pg writes them", () => {
  const zone = process.env.TZ;
  try {
    for (process.env.TZ of ["Asia/Kolkata", "America/St_Johns", "UTC"]) {
      const date = new Date("2026-07-01T12:34:56.789Z");
      assert.equal(toParam(date), prepareValue(date), process.env.TZ);
    }
  } finally {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  }
});

test("pieces of SQL keep their values apart", () => {
  const where = sql`name = ${"x'; drop"} and ${sql.identifier("Odd\"name")} > ${2}`;
  const ids = sql.join([7, 8, 9]);
  const whole = sql`select * from t where ${where} and id in (${ids}) ${sql.raw("limit 1")}`;
  assert.equal(whole.text, 'select * from t where name = $1 and "Odd""name" > $2 and id in ($3, $4, $5) limit 1');
  assert.deepEqual(whole.values, ["x'; drop", 2, 7, 8, 9]);
  assert.equal(sql.join([]).text, "");
  assert.equal(sql.join([sql`a`]).text, "a");
});

test("what cannot be sent is refused before it is sent, without its values", () => {
  const refused = (text, values) => {
    try {
      encodeGroups([[{ text, values }]]);
    } catch (error) {
      assert.equal(error.status, "refused");
      assert.equal(error.retry, "doNot");
      return `${error.message} ${error.hint}`;
    }
    return assert.fail("not refused");
  };
  assert.match(refused("a\0b"), /NUL/);
  assert.match(refused("a", Array(65_536).fill(1)), /65536 parameters, at most 65535.*unnest/);
  assert.match(refused("a", ["x".repeat(16 * 1024 * 1024)]), /send them in several calls/);
  assert.match(refused("a", [1, "secret\0"]), /parameter \$2 contains a NUL/);
  const secret = { toJSON() { throw new Error("secret"); } };
  const circle = { toPostgres: () => circle };
  for (const bad of [secret, circle, new Date(NaN)]) {
    const message = refused("a", [bad]);
    assert.match(message, /parameter \$1 .*cannot be sent/);
    assert.doesNotMatch(message, /secret/);
  }
});

test("transaction control is found behind comments", () => {
  const found = [
    "begin", "BEGIN;", "Start Transaction", " \t\n;; commit", "end", "-- x\nROLLBACK TO a",
    "/* a /* b */ c */abort", "--x\r--y\nsavepoint a", "release a", "prepare  transaction 'x'",
  ];
  for (const text of found) assert.ok(transactionControl(text), text);
  const others = [
    "", "select 1", "beginning", "prepare x as select 1", "/* unfinished commit", "-- commit", "end_ of",
    "insert into t values ('commit')", "/*", "ü",
  ];
  for (const text of others) assert.equal(transactionControl(text), undefined, text);
});

test("transactions begin as their options say", () => {
  assert.equal(beginText({}), "begin");
  const options = { isolation: "serializable", readOnly: true, deferrable: true };
  assert.equal(beginText(options), "begin isolation level serializable, read only, deferrable");
  assert.equal(beginText({ readOnly: false }), "begin read write");
  assert.throws(() => beginText({ isolation: "serializable; drop" }), /no isolation level/);
});
