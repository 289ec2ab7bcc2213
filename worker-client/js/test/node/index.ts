// The stories of the Worker once more, in Node beside `npx pierhead dev`: `node node.mjs core/types …` prints
// each that failed. What cannot be told by a story is here.

import assert from "node:assert/strict";

import { PierheadError } from "pierhead";

import * as core from "../worker/core.js";
import * as drizzle from "../worker/drizzle.js";
import { db } from "../worker/env.js";
import * as kysely from "../worker/kysely.js";
import * as pg from "../worker/pg.js";
import * as prisma from "../worker/prisma.js";
import * as transactions from "../worker/transactions.js";

/** How calls fail, by code and message. */
const failure = async () => {
  const error: PierheadError = await db.sql`select 1`.then(() => assert.fail("it was answered"), (e) => e);
  assert.ok(error instanceof PierheadError && error.refused && error.code === "F0000", `${error.stack}`);
  return `${error.message}\n${error.hint}`;
};

const itself = {
  async nothing_runs() {
    assert.match(await failure(), /no `npx pierhead dev` runs: no .pierhead.dev.json in .*\n.*start `npx pierhead dev`.*PIERHEAD_DEV/);
  },
  async another_token() {
    assert.match(await failure(), /refused: its token is that of another run/);
    await assert.rejects(db.begin((tx) => tx.sql`select 1`), /refused: its token/);
  },
  async cost() {
    await db.sql`select 1`;
    const start = performance.now();
    for (let i = 0; i < 200; i += 1) await db.sql`select 1`;
    console.log(`${((performance.now() - start) / 200).toFixed(2)} ms a call`);
  },
  /** Dies in the middle of a transaction, without a word. */
  async dies() {
    const tx = await db.begin();
    await tx.sql`select pg_advisory_lock(4711)`;
    process.kill(process.pid, "SIGKILL");
  },
  async is_free_again() {
    await db.sql`select pg_advisory_lock(4711), pg_advisory_unlock(4711)`;
  },
};

const MODULES: Record<string, Record<string, (context: any) => Promise<unknown>>> = {
  core, pg, transactions, itself,
  "drizzle-calls": { ...drizzle.byCalls }, "kysely-calls": { ...kysely.byCalls }, "prisma-calls": { ...prisma.byCalls },
};

for (const story of process.argv.slice(2)) {
  const [module = "", name = ""] = story.split("/");
  try {
    await (MODULES[module]?.[name] ?? (() => assert.fail("there is no such story")))(undefined);
  } catch (error) {
    process.exitCode = 1;
    console.log(`--- ${story}:`, error);
  }
}
