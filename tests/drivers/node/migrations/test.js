// The application's tests, on the database that was just migrated.

import assert from "node:assert/strict";

import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";

import { ships } from "./schema.js";

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
const orm = drizzle(pool);
await orm.transaction(async (tx) => {
  await tx.insert(ships).values({ name: "Möwe" });
  assert.equal((await tx.select().from(ships)).length, 1);
});
await pool.end();
