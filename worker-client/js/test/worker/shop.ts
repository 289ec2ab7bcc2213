// The example of docs/sockets.md.

import { Client } from "pg";
import { bind } from "pierhead/socket";

interface Env {
  GATEWAY: Fetcher;
  DB_USER: string;
}

export default {
  async fetch(_request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const bound = bind(ctx, env.GATEWAY, "main", { user: env.DB_USER });
    const client = new Client({ ...bound, stream: bound.stream });
    await client.connect();
    try {
      const { rows } = await client.query("select id, name from ships order by id limit $1", [10]);
      return Response.json(rows);
    } finally {
      ctx.waitUntil(client.end());
    }
  },
};
