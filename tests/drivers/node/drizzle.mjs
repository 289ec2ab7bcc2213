// Drizzle: its tool makes migrations and applies them, twice; then its ORM uses the tables.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { eq, gt, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import { ships } from "./drizzle/schema.mjs";
import { cancelByPg, cancelled, chapter, refused, tell } from "./tell.mjs";

const out = mkdtempSync(join(tmpdir(), "drizzle-"));
process.on("exit", () => rmSync(out, { recursive: true }));
// The tool takes a path from where it is only.
const DRIZZLE_OUT = relative(".", out);
function kit(...args) {
  const options = { env: { ...process.env, DRIZZLE_OUT, CI: "1" }, stdio: ["ignore", "pipe", "inherit"] };
  try {
    return execFileSync(process.execPath, ["node_modules/drizzle-kit/bin.cjs", ...args], options).toString();
  } catch (error) {
    console.log(error.stdout?.toString());
    throw error;
  }
}

chapter("migrations");
kit("generate", "--config", "drizzle.config.mjs", "--name", "first");
tell("generated", readdirSync(out).filter((name) => name.endsWith(".sql")));
for (const time of ["first", "second"]) tell(time, kit("migrate", "--config", "drizzle.config.mjs").includes("applied"));

const pool = new pg.Pool({ max: 20 });
const db = drizzle(pool);
tell("recorded", (await db.execute("select count(*) from drizzle.__drizzle_migrations")).rows);

chapter("types");
const ship = { name: "Möwe", length: "12.50", mood: "happy", tags: ["a", "b,"], details: { a: [1, null] },
  seen: new Date("2026-11-22T10:00:00.123Z") };
tell("inserted", await db.insert(ships).values(ship).returning());
tell("selected", await db.select().from(ships).where(eq(ships.name, "Möwe")));
const words = (attempt) => attempt.catch((error) => Promise.reject(error.cause ?? error));
await refused("unique", words(db.insert(ships).values({ name: "Möwe" }).execute()));

chapter("prepared");
const named = db.select({ n: ships.name }).from(ships).where(eq(ships.id, sql.placeholder("id"))).prepare("by_id");
for (let n = 0; n < 5; n++) tell("by id", await named.execute({ id: 1 }));

chapter("transactions");
await refused("rolled back", db.transaction(async (tx) => {
  await tx.insert(ships).values({ name: "Falke" });
  await refused("savepoint", words(tx.transaction((inner) => inner.insert(ships).values({ name: "Möwe" }).execute())));
  tell("in it", await tx.$count(ships));
  tx.rollback();
}));
tell("left", await db.$count(ships));

chapter("big result");
const many = Array.from({ length: 2000 }, (_, n) => ({ name: `ship ${n}`, details: { filler: "x".repeat(1000) } }));
for (let n = 0; n < many.length; n += 500) await db.insert(ships).values(many.slice(n, n + 500));
const big = await db.select().from(ships).where(gt(ships.id, 1));
tell("rows", big.length, big.reduce((sum, { details }) => sum + details.filler.length, 0));

chapter("cancel");
// It has no cancel of its own: a timeout of the transaction, and the driver's cancel beneath it.
await refused("by a timeout", words(db.transaction(async (tx) => {
  await tx.execute("set local statement_timeout = 300");
  await tx.execute("select pg_sleep(60)");
})));
const client = await pool.connect();
const slow = words(drizzle(client).execute("select pg_sleep(60)"));
await cancelled("by the driver", slow, () => cancelByPg(pg, client));
tell("goes on", (await drizzle(client).execute("select 1 as one")).rows);
client.release();

chapter("two clients");
await Promise.all(Array.from({ length: 100 }, () => db.transaction((tx) =>
  tx.update(ships).set({ calls: sql`${ships.calls} + 1` }).where(eq(ships.id, 1)))));
tell("nothing lost", await db.select({ calls: ships.calls }).from(ships).where(eq(ships.id, 1)));
await pool.end();
tell("done");
