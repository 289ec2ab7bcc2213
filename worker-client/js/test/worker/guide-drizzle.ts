// The Worker of docs/guides/typescript-drizzle.md.

import { env } from "cloudflare:workers";
import { asc, sql } from "drizzle-orm";
import { integer, pgTable, text } from "drizzle-orm/pg-core";
import { connect } from "pierhead";
import { drizzle } from "pierhead/drizzle";

const moorings = pgTable("moorings", { berth: text().primaryKey(), ships: integer().notNull().default(1) });

const db = connect(env.PIERHEAD, "main");
const orm = drizzle(db, { schema: { moorings } });

export default {
  async fetch(request: Request): Promise<Response> {
    const berth = new URL(request.url).searchParams.get("moor");
    if (berth === null) return Response.json(await orm.select().from(moorings).orderBy(asc(moorings.berth)));
    const [moored] = await orm.insert(moorings).values({ berth })
      .onConflictDoUpdate({ target: moorings.berth, set: { ships: sql`${moorings.ships} + 1` } })
      .returning();
    return Response.json(moored);
  },
};
