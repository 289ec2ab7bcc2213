// A Worker that does what people do without a pool: for each request it connects to the database
// by itself (npm `pg` over `cloudflare:sockets`), asks, and hangs up behind the answer. The
// comparison for the benchmark and the demo.
//
//   GET /query?sql=…&p=…&p=…   rows as JSON; the parameters `p` are $1, $2, … as text
//
// Variable DATABASE_URL: postgres://user:password@host:port/database?sslmode=disable
import pg from "pg";

export default {
  async fetch(request, env, context) {
    const url = new URL(request.url);
    const sql = url.searchParams.get("sql");
    if (url.pathname !== "/query" || sql === null) {
      return new Response("GET /query?sql=…&p=…\n", { status: 404 });
    }
    const client = new pg.Client({ connectionString: env.DATABASE_URL, application_name: "direct" });
    // The socket may report an error after the answer; nobody is left to care.
    client.on("error", () => {});
    try {
      await client.connect();
      const result = await client.query(sql, url.searchParams.getAll("p"));
      return Response.json({ rows: result.rows });
    } catch (error) {
      return Response.json({ sqlstate: error.code, message: error.message }, { status: 500 });
    } finally {
      context.waitUntil(client.end().catch(() => {}));
    }
  },
};
