// The Worker of docs/guides/from-hyperdrive.md, as its reader has it.

import pg from "pg";
import { bind } from "pierhead/socket";

export interface Env {
  GATEWAY: Fetcher;
  DB_USER: string;
}

export default {
  async fetch(_request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const hyperdrive = bind(ctx, env.GATEWAY, "main", { user: env.DB_USER });
    const client = new pg.Client({ connectionString: hyperdrive.connectionString });
    await client.connect();
    try {
      const { rows } = await client.query("select id, name from berths order by id limit $1", [2]);
      return Response.json(rows);
    } finally {
      ctx.waitUntil(client.end());
    }
  },
};

/** For a runtime without virtual hosts: the driver is handed a connection. */
export async function byStream(env: Env, ctx: ExecutionContext): Promise<number> {
  const { host, port, user, password, database, stream } = bind(ctx, env.GATEWAY, "main", { user: env.DB_USER });
  const client = new pg.Client({ host, port, user, password, database, stream });
  await client.connect();
  try {
    return (await client.query("select count(*)::int as n from berths")).rows[0].n;
  } finally {
    ctx.waitUntil(client.end());
  }
}
