// The Worker of docs/guides/typescript-pg.md.

import { env } from "cloudflare:workers";
import { connect } from "pierhead";
import { Pool } from "pierhead/pg";

const pool = new Pool(connect(env.PIERHEAD, "main"));

export default {
  async fetch(request: Request): Promise<Response> {
    const from = new URL(request.url).searchParams.get("from") ?? "1";
    const { rows } = await pool.query("select id, name from berths where id >= $1 order by id limit 2", [from]);
    return Response.json(rows);
  },
};
