// The Worker of the live tests of the npm package: `GET /<module>/<story>` runs a story and answers
// "ok", or what it found instead.

import * as core from "./core.js";
import type { Story } from "./entry.js";
import * as guides from "./guides.js";
import { MATRIX } from "./matrix.js";
import * as pg from "./pg.js";
import * as sockets from "./sockets.js";
import * as transactions from "./transactions.js";

const MODULES: Record<string, Record<string, Story>> = { core, guides, pg, sockets, transactions, ...MATRIX };

export default {
  async fetch(request: Request, _env: unknown, context: ExecutionContext): Promise<Response> {
    const url = new URL(request.url);
    const [, module = "", name = ""] = url.pathname.split("/");
    const story = MODULES[module]?.[name];
    if (story === undefined) return new Response(`no story ${url.pathname}\n`, { status: 404 });
    try {
      const told = await story(context);
      return new Response(told === undefined ? "ok" : JSON.stringify(told));
    } catch (error) {
      const { stack, code, hint, detail } = error as Record<string, unknown>;
      const cause = (error as Error).cause as Error | undefined;
      const text = [stack, code && `code ${code}`, hint, detail, cause?.stack].filter(Boolean).join("\n");
      return new Response(text, { status: 500 });
    }
  },
};
