// The envelope, held against the golden bytes of wire/.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { AnswerReader, encodeRequest, parseOutcome } from "../dist/envelope.js";
import { encodeGroups } from "../dist/statement.js";

const file = new URL("../../../wire/golden/envelope.txt", import.meta.url);
const golden = Object.fromEntries(
  readFileSync(file, "utf8").split("\n").filter((line) => /^[a-z]/.test(line)).map((line) => line.split(" ")),
);
const bytes = (name) => Uint8Array.from(Buffer.from(golden[name], "hex"));
const hex = (array) => Buffer.from(array).toString("hex");
const ID = Uint8Array.from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff]);
const SYNC = Uint8Array.from([0x53, 0, 0, 0, 4]);
const REFUSED = {
  status: "refused", sqlstate: "53300", blame: "pierhead", retry: "safe",
  retryAfterMs: 500, waitedMs: 7, ranMs: 0, message: "füll!", hint: "wait",
};

test("requests are those that wire/ makes", () => {
  assert.equal(hex(encodeRequest(10_000, ID, { caller: "app", reset: true }, [SYNC])), golden.request);
  assert.equal(hex(encodeRequest(0, new Uint8Array(16).fill(0xab), {}, [])), golden["request-plain"]);
  assert.equal(hex(encodeRequest(1, ID, { freshPlans: true }, [SYNC])), golden["request-fresh-plans"]);
});

test("a statement is Parse, Bind, Describe, Execute, and what belongs together has one Sync", () => {
  const statement = { text: "select $1,$2", values: [12, null] };
  const commit = { text: "commit", hidden: true };
  const text = Buffer.concat(encodeGroups([[statement, commit]])).toString("latin1");
  const letters = [...text.matchAll(/([A-Z])\0\0\0./gs)].map((match) => match[1]).join("");
  assert.equal(letters, "PBDEPBES");
  assert.ok(text.startsWith("P\0\0\0\x14\0select $1,$2\0\0\0B\0\0\0"), text);
  assert.ok(text.includes("\0\0\0\x0212\xff\xff\xff\xff"), text);
});

test("a long caller is cut between characters", () => {
  const request = encodeRequest(0, ID, { caller: `${"x".repeat(63)}ä` }, []);
  assert.deepEqual([...request.slice(21, 26)], [0, 66, 1, 0, 63]);
});

/** Data and outcome of an answer that arrives in these pieces. */
function read(pieces) {
  const reader = new AnswerReader();
  const data = [];
  let outcome;
  for (const piece of pieces) {
    reader.push(piece);
    for (let record; (record = reader.next()) !== undefined; ) {
      if ("data" in record) data.push(...record.data);
      else outcome = record.outcome;
    }
  }
  reader.finish();
  return { text: Buffer.from(data).toString(), outcome };
}

test("an answer may be cut anywhere", () => {
  const answer = bytes("answer");
  const expected = { text: "abcde", outcome: REFUSED };
  for (let cut = 0; cut <= answer.length; cut++) {
    assert.deepEqual(read([answer.subarray(0, cut), answer.subarray(cut)]), expected, `cut at ${cut}`);
  }
  assert.deepEqual(read([...answer].map((byte) => Uint8Array.of(byte))), expected);
});

test("an answer that breaks off has no outcome", () => {
  const answer = bytes("answer");
  for (let length = 0; length < answer.length; length++) {
    assert.throws(() => read([answer.subarray(0, length)]), /without an outcome/, `${length}`);
  }
});

test("what is no answer is refused", () => {
  const ascii = (text) => Uint8Array.from(Buffer.from(text, "latin1"));
  assert.throws(() => read([ascii("\x02")]), /envelope version 2.*this package speaks 1/);
  assert.throws(() => read([ascii("\x01X\0\0\0\0")]), /unknown kind 88/);
  assert.throws(() => read([ascii("\x01O\0\0\x40\x01")]), /16385 bytes, at most 16384/);
  assert.throws(() => read([bytes("answer"), Uint8Array.of(0)]), /follow the answer's outcome/);
});

test("outcomes are read, and what a later version adds is left alone", () => {
  const completed = bytes("outcome-completed");
  assert.deepEqual(parseOutcome(completed), {
    status: "completed", sqlstate: "00000", blame: "nobody", retry: "notNeeded",
    retryAfterMs: 0, waitedMs: 3, ranMs: 0x01020304, message: "", hint: "",
  });
  assert.equal(parseOutcome(Uint8Array.from([...completed, 1, 2, 3])).ranMs, 0x01020304);
  for (let length = 0; length < completed.length; length++) {
    assert.throws(() => parseOutcome(completed.subarray(0, length)), /malformed/);
  }
  for (const [at, field] of [[0, "status"], [1, "sqlstate"], [6, "blame"], [7, "retry"]]) {
    const odd = completed.slice();
    odd[at] = 9;
    assert.throws(() => parseOutcome(odd), new RegExp(field));
  }
});
