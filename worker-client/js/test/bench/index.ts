// The Worker of the benchmark: `GET /<contender>/<what>?n=…` does it in one invocation, as a user's
// Worker would, and answers what it read. Times are taken by who calls.

import { exchange } from "./calls.js";
import type { Contender, Open } from "./contender.js";
import { pgOn, pgOnSocket, postgresOn } from "./drivers.js";
import { bindings } from "./env.js";
import { floor } from "./floors.js";

const CONTENDERS: Record<string, Open> = {
  rpc: floor(() => bindings.EMPTY),
  forward: floor(() => bindings.FORWARD),
  "exchange-agent": exchange("agent"),
  "exchange-cloudflared": exchange("cloudflared"),
  "exchange-direct": exchange("direct"),
  "socket-pg": pgOnSocket("cloudflared"),
  "direct-pg": pgOn(bindings.DIRECT_URL),
  "direct-postgres": postgresOn(bindings.DIRECT_URL),
  "pgbouncer-pg": pgOn(bindings.PGBOUNCER_URL),
};

/** Ships that are there, in no order that anything could foresee. */
const ids = (n: number, from: number) => Array.from({ length: n }, (_, at) => ((from + at * 7) % 40) + 1);

const WORK: Record<string, (contender: Contender, n: number, from: number) => Promise<unknown>> = {
  async query(contender, n, from) {
    const names: string[] = [];
    for (const id of ids(n, from)) names.push(await contender.query(id));
    return names;
  },
  batch: (contender, n, from) => contender.batch(ids(n, from)),
  transaction: (contender, n, from) => contender.transaction(ids(n, from)),
  big: (contender, n) => contender.big(n),
};

export default {
  async fetch(request: Request, _env: unknown, context: ExecutionContext): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [, who = "", what = ""] = pathname.split("/");
    const [open, work] = [CONTENDERS[who], WORK[what]];
    if (open === undefined || work === undefined) return new Response(`no ${pathname}\n`, { status: 404 });
    let contender: Contender | undefined;
    try {
      contender = await open(context);
      const told = await work(contender, Number(searchParams.get("n") ?? 1), Number(searchParams.get("from") ?? 0));
      return Response.json(told);
    } catch (error) {
      const { code, message } = error as { code?: string; message?: string };
      return Response.json({ code, message }, { status: 500 });
    } finally {
      const ended = contender?.end?.();
      if (ended !== undefined) context.waitUntil(ended.catch(() => {}));
    }
  },
};
