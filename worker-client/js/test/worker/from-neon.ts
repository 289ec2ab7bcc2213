// The Worker of docs/guides/from-neon.md, as its reader has it.

import { env } from "cloudflare:workers";
import { connect } from "pierhead";
import { Pool } from "pierhead/pg";

const db = connect(env.PIERHEAD, "main");
const sql: typeof db.sql = (strings, ...values) => db.sql(strings, ...values);
const pool = new Pool(db);

export default {
  async fetch(request: Request): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const from = searchParams.get("from") ?? "", to = searchParams.get("to") ?? "";
    if (from !== "") await move(from, to, Number(searchParams.get("amount")));
    return Response.json(await sql`select name, amount from n_accounts order by name`);
  },
};

/** A transaction over several trips: what is written depends on what was read. */
async function move(from: string, to: string, amount: number): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    const { rows } = await client.query("select amount from n_accounts where name = $1 for update", [from]);
    if (rows[0].amount < amount) throw new Error(`${from} has only ${rows[0].amount}`);
    await client.query("update n_accounts set amount = amount - $1 where name = $2", [amount, from]);
    await client.query("update n_accounts set amount = amount + $1 where name = $2", [amount, to]);
    await client.query("COMMIT");
  } finally {
    client.release();
  }
}

/** Several statements that do not depend on each other: one trip, all of them or none. */
export async function open(names: readonly string[]): Promise<number[]> {
  const [, added, counted] = await db.batch([
    sql`create table if not exists n_accounts (name text primary key, amount int not null)`,
    sql`insert into n_accounts select unnest(${names}::text[]), 100 on conflict (name) do nothing`,
    sql`select count(*)::int as n from n_accounts`,
  ]);
  return [added?.rowCount ?? 0, counted?.rows[0].n];
}

/** The same with an isolation level, and as a function. */
export async function total(): Promise<number> {
  return db.begin({ isolation: "repeatable read", readOnly: true }, async (tx) => {
    const [row] = await tx.sql`select sum(amount)::int as total from n_accounts`;
    return row.total;
  });
}

/** What Neon's `sql.query`, `fullResults` and `arrayMode` are for. */
export async function shapes() {
  const one = await db.query("select amount from n_accounts where name = $1", ["ada"]);
  const whole = await sql`select amount from n_accounts`.result();
  const arrays = await db.query({ text: "select name, amount from n_accounts", rowMode: "array" });
  return [one.rows, whole.rowCount, arrays.rows.length];
}
