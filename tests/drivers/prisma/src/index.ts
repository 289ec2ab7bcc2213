// Prisma's generated client in a Worker: `GET /<story>` runs a story and answers "ok", or what it found.

import assert from "node:assert/strict";

import { env } from "cloudflare:workers";
import { connect } from "pierhead";
import { PrismaPierhead } from "pierhead/prisma";

import { Prisma, PrismaClient, Rig } from "../generated/client.ts";

export { Gateway, Pierhead } from "pierhead/coordinator";

const db = connect(env.PIERHEAD, "main");
const prisma = new PrismaClient({ adapter: new PrismaPierhead(db) });

/** What `prisma migrate` would make of the schema; its engine is a download. */
async function tables() {
  await db.batch([
    "drop table if exists p_sailors, p_ships",
    'drop type if exists "Rig"',
    `create type "Rig" as enum ('sloop', 'schooner')`,
    `create table p_ships (id serial primary key, name text not null unique, rig "Rig" not null default 'sloop',
       tonnage bigint, price numeric, built timestamptz, papers jsonb, photo bytea, ports text[])`,
    `create table p_sailors (id serial primary key, name text not null, "shipId" int not null references p_ships (id))`,
  ].map((text) => ({ text })));
}

async function types() {
  const data = {
    name: "Möwe", rig: Rig.schooner, tonnage: 2n ** 62n, price: new Prisma.Decimal("1234.5600"),
    built: new Date("2026-11-22T01:02:03.004Z"), papers: { masts: [1, 2, null] }, photo: Uint8Array.of(0, 1, 255),
    ports: ["Kiel", "a,\"b\""],
  };
  const { id } = await prisma.ship.create({ data: { ...data, crew: { create: [{ name: "Ada" }, { name: "Bob" }] } } });
  const read = await prisma.ship.findUniqueOrThrow({ where: { name: "Möwe" }, include: { crew: { orderBy: { id: "asc" } } } });
  assert.deepEqual(read.crew.map(({ name, shipId }) => [name, shipId]), [["Ada", id], ["Bob", id]]);
  const { crew: _, id: __, ...plain } = read;
  assert.deepEqual({ ...plain, price: `${plain.price}`, photo: [...plain.photo!] }, { ...data, price: "1234.56", photo: [0, 1, 255] });
  assert.equal(await prisma.ship.count({ where: { rig: "schooner", tonnage: { gt: 1n }, ports: { has: "Kiel" } } }), 1);
  const [raw] = await prisma.$queryRaw<{ n: number }[]>`select ${7}::int as n`;
  assert.equal(raw!.n, 7);
}

async function transactions() {
  await prisma.ship.create({ data: { name: "kept" } });
  const twice = prisma.$transaction(async (tx) => {
    await tx.ship.create({ data: { name: "undone" } });
    await tx.ship.create({ data: { name: "kept" } });
  });
  await assert.rejects(twice, (error: any) => error.code === "P2002");
  await prisma.$transaction(async (tx) => {
    const { id } = await tx.ship.findUniqueOrThrow({ where: { name: "kept" } });
    await tx.sailor.create({ data: { name: "Ada", shipId: id } });
  }, { isolationLevel: "Serializable" });
  const both = [prisma.ship.create({ data: { name: "one" } }), prisma.ship.create({ data: { name: "kept" } })];
  await assert.rejects(prisma.$transaction(both), (error: any) => error.code === "P2002");
  const names = (await prisma.ship.findMany({ include: { crew: true } })).map(({ name, crew }) => [name, crew.length]);
  assert.deepEqual(names, [["kept", 1]]);
}

async function big() {
  const data = Array.from({ length: 5_000 }, (_, n) => ({ name: `ship ${n}`, papers: { text: "x".repeat(500) } }));
  assert.equal((await prisma.ship.createMany({ data })).count, 5_000);
  const ships = await prisma.ship.findMany({ orderBy: { id: "asc" } });
  assert.equal(ships.length, 5_000);
  assert.deepEqual([ships[4_999]!.name, (ships[4_999]!.papers as any).text.length], ["ship 4999", 500]);
}

/** Goes on when two have come. */
function meeting(): () => Promise<void> {
  let missing = 2;
  const { promise, resolve } = Promise.withResolvers<void>();
  return () => {
    missing -= 1;
    if (missing === 0) resolve();
    return promise;
  };
}

/** Each sees its own writes and settings, and not the other's. */
async function two() {
  const [written, looked] = [meeting(), meeting()];
  const alone = (name: string) => prisma.$transaction(async (tx) => {
    await tx.$executeRawUnsafe(`set local application_name = '${name}'`);
    await tx.ship.create({ data: { name } });
    await written();
    const [set] = await tx.$queryRaw<{ application_name: string }[]>`show application_name`;
    const names = (await tx.ship.findMany()).map((ship) => ship.name);
    await looked();
    return [set!.application_name, ...names];
  }, { maxWait: 30_000, timeout: 60_000 });
  assert.deepEqual(await Promise.all([alone("a"), alone("b")]), [["a", "a"], ["b", "b"]]);
  assert.equal(await prisma.ship.count(), 2);
}

const STORIES: Record<string, () => Promise<void>> = { types, transactions, big, two };

export default {
  async fetch(request: Request): Promise<Response> {
    const story = STORIES[new URL(request.url).pathname.slice(1)];
    if (story === undefined) return new Response("no such story", { status: 404 });
    try {
      await tables();
      await story();
      return new Response("ok");
    } catch (error) {
      return new Response((error as Error).stack, { status: 500 });
    }
  },
};
