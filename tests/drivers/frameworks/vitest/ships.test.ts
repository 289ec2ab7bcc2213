// A test of one's own code, on a database of its own.

import { expect, test } from "vitest";

import { connect } from "pierhead";

import { load } from "../vite/src/load.ts";

const db = connect(undefined, "main");

test("a page", async () => {
  const { ships } = await load({ params: { least: "2" } });
  expect(ships.map(({ name }) => name)).toEqual(["ship 2", "ship 3"]);
});

test("what is not committed is rolled back", async () => {
  await db.sql`create table if not exists visits (page text)`;
  {
    await using tx = await db.begin();
    await tx.sql`insert into visits values (${"/"})`;
    expect(await tx.sql`select page from visits`).toEqual([{ page: "/" }]);
  }
  expect(await db.sql`select page from visits`).toEqual([]);
});
