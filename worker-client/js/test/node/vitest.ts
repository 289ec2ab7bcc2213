// What a test of one's own code does, in Vitest or any other runner that is Node.

import assert from "node:assert/strict";

import { connect } from "pierhead";

import { load } from "./page.js";

const db = connect(undefined, "main");

export async function a_page() {
  const { ships } = await load({ params: { least: "2" } });
  assert.deepEqual(ships.map(({ name }) => name), ["ship 2", "ship 3"]);
}

/** Nothing is left behind: what is not committed is rolled back. */
export async function a_test_of_its_own() {
  await db.sql`create table if not exists visits (page text)`;
  {
    await using tx = await db.begin();
    await tx.sql`insert into visits values (${"/"})`;
    assert.deepEqual(await tx.sql`select page from visits`, [{ page: "/" }]);
  }
  assert.deepEqual(await db.sql`select page from visits`, []);
}
