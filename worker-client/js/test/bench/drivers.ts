// Drivers on a connection or socket of this invocation: `pg` and `postgres`, unmodified.

import pg from "pg";
import { bind } from "pierhead/socket";
import postgres from "postgres";

import type { Contender, Open } from "./contender.js";
import { BIG, SHIP } from "./contender.js";
import { bindings } from "./env.js";

/** `pg` by a connection string. */
export const pgOn = (connectionString: string): Open => () => withPg({ connectionString, application_name: "bench" });

/** `pg` on a socket to the object. */
export const pgOnSocket = (database: string): Open => (context) => {
  const { connectionString } = bind(context, bindings.GATEWAY, database, { user: "scram_user" });
  return withPg({ connectionString });
};

async function withPg(config: pg.ClientConfig): Promise<Contender> {
  const client = new pg.Client(config);
  // The connection may end with an error behind the answer; nobody is left to care.
  client.on("error", () => {});
  await client.connect();
  const query = async (id: number): Promise<string> => (await client.query(SHIP, [id])).rows[0].name;
  return {
    query,
    batch: (ids) => Promise.all(ids.map(query)),
    async transaction(ids) {
      await client.query("begin");
      const names: string[] = [];
      for (const id of ids) names.push(await query(id));
      await client.query("commit");
      return names;
    },
    big: (kib) => new Promise((resolve, reject) => {
      let bytes = 0;
      const read = client.query(new pg.Query<{ repeat: string }>(BIG, [kib]));
      read.on("row", ({ repeat }) => { bytes += repeat.length; });
      read.on("end", () => resolve(bytes));
      read.on("error", reject);
    }),
    end: () => client.end(),
  };
}

/** `postgres` by a connection string. */
export const postgresOn = (connectionString: string): Open => () => {
  const sql = postgres(connectionString, { max: 1, fetch_types: false, connection: { application_name: "bench" } });
  const query = async (id: number): Promise<string> => (await sql`select name from ships where id = ${id}`)[0]!["name"];
  return {
    query,
    batch: (ids) => Promise.all(ids.map(query)),
    transaction: (ids) => sql.begin(async (tx) => {
      const names: string[] = [];
      for (const id of ids) names.push((await tx`select name from ships where id = ${id}`)[0]!["name"]);
      return names;
    }) as Promise<string[]>,
    async big(kib) {
      let bytes = 0;
      await sql`select repeat(md5(i::text), 32) from generate_series(1, ${kib}::int) i`.forEach(({ repeat }) => { bytes += repeat.length; });
      return bytes;
    },
    end: () => sql.end(),
  };
};
