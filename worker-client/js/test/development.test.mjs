// `connect()` without a binding, in Node: it finds the running `npx pierhead dev`, which is played by a
// server here, and says so where there is none.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { AbortError, connect, PierheadError } from "pierhead";

import { answer, BOUND, columns, done, NO_DATA, PARSED, ready, row } from "./answers.mjs";

const TOKEN = "ab".repeat(32);
const ONE = answer([PARSED, BOUND, columns(["n", 23]), row("1"), done("SELECT 1"), ready("I")]);

function frame(kind, payload = "") {
  const head = Buffer.alloc(5);
  head.write(kind);
  head.writeUInt32BE(payload.length, 1);
  return Buffer.concat([head, Buffer.from(payload)]);
}

/** What has arrived, frame by frame. */
async function* frames(socket) {
  let bytes = Buffer.alloc(0);
  for await (const more of socket) {
    bytes = Buffer.concat([bytes, more]);
    for (let end; bytes.length >= 5 && bytes.length >= (end = 5 + bytes.readUInt32BE(1)); bytes = bytes.subarray(end)) {
      yield { kind: String.fromCharCode(bytes[0]), payload: bytes.subarray(5, end) };
    }
  }
}

/** Runs a body beside a `pierhead dev` whose connections are served by `serve`, with what it leaves in its file. */
async function beside(serve, body, file = {}) {
  const project = mkdtempSync(join(tmpdir(), "pierhead-dev-test-"));
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    serve(frames(socket), socket).catch(() => {});
  });
  try {
    await once(server.listen(0, "127.0.0.1"), "listening");
    const running = { port: server.address().port, token: TOKEN, databases: ["main"], pid: process.pid, ...file };
    mkdirSync(join(project, ".pierhead"));
    writeFileSync(join(project, ".pierhead/dev.json"), JSON.stringify(running));
    process.env.PIERHEAD_DEV = project;
    await body(connect(undefined, "main"), project);
  } finally {
    delete process.env.PIERHEAD_DEV;
    for (const socket of sockets) socket.destroy();
    server.close();
    rmSync(project, { recursive: true });
  }
}

/** Answers each request so. */
const answering = (...replies) => async (asked, socket) => {
  for await (const { kind } of asked) if (kind === "E") socket.write(replies.shift()());
};

test("a call is a connection: hello with the token, the request, the answer", async () => {
  const heard = [];
  const serve = async (asked, socket) => {
    for await (const { kind, payload } of asked) {
      heard.push(kind === "H" ? JSON.parse(payload) : kind);
      // Cut anywhere.
      if (kind === "E") for (const byte of frame("W", ONE)) socket.write(Buffer.of(byte));
    }
    heard.push("gone");
  };
  await beside(serve, async (db) => {
    assert.deepEqual(await db.sql`select 1`, [{ n: 1 }]);
    while (heard.at(-1) !== "gone") await new Promise(setImmediate);
    assert.deepEqual(heard, [{ token: TOKEN, database: "main" }, "E", "gone"]);
  });
});

test("the requests of a transaction go over one connection of their own", async () => {
  const heard = [];
  const said = (tag, status) => answer([PARSED, BOUND, columns(["n", 23]), row("1"), done(tag), ready(status)]);
  const began = answer([
    PARSED, BOUND, NO_DATA, done("BEGIN"), PARSED, BOUND, columns(["n", 23]), row("1"), done("SELECT 1"), ready("T"),
  ]);
  const ended = answer([PARSED, BOUND, NO_DATA, done("COMMIT"), ready("I")]);
  const replies = [began, said("SELECT 1", "T"), ended];
  const serve = async (asked, socket) => {
    heard.push([]);
    const mine = heard.at(-1);
    for await (const { kind, payload } of asked) {
      mine.push(kind === "H" ? JSON.parse(payload).lease : kind);
      if (kind === "E") socket.write(frame("W", replies.shift()));
    }
  };
  await beside(serve, async (db) => {
    await db.begin(async (tx) => {
      assert.deepEqual(await tx.sql`select 1`, [{ n: 1 }]);
      assert.deepEqual(await tx.sql`select 1`, [{ n: 1 }]);
    });
    assert.deepEqual(heard, [[[], "E", "E", "E"]]);
  });
});

test("a slow reader holds a stream back", async () => {
  const many = 2_000;
  const wide = answer([PARSED, BOUND, columns(["n", 25]), ...Array(many).fill(row("x".repeat(8_192))), done(`SELECT ${many}`), ready("I")]);
  let [written, all] = [0, false];
  const serve = async (asked, socket) => {
    for await (const { kind } of asked) {
      if (kind !== "E") continue;
      for (let at = 0; at < wide.length; at += 65_536) {
        const chunk = frame("C", wide.subarray(at, at + 65_536));
        written += chunk.length;
        if (!socket.write(chunk)) await once(socket, "drain");
      }
      all = true;
      socket.write(frame("Z"));
    }
  };
  await beside(serve, async (db) => {
    let rows = 0;
    for await (const { n } of db.stream("select")) {
      if (rows === 0) {
        // Until nothing more is taken.
        for (let before = -1; before !== written; await new Promise((wake) => setTimeout(wake, 100))) before = written;
        assert.ok(!all && written < wide.length, `${written} of ${wide.length} bytes were taken ahead of the reader`);
      }
      assert.equal(n.length, 8_192);
      rows += 1;
    }
    assert.ok(all);
    assert.equal(rows, many);
  });
});

test("an abort is sent behind its request", async () => {
  const heard = [];
  const serve = async (asked) => {
    for await (const { kind, payload } of asked) {
      heard.push({ kind, id: payload.subarray(kind === "E" ? 5 : 0, kind === "E" ? 21 : 16).toString("hex") });
      if (kind === "E") controller.abort();
    }
  };
  const controller = new AbortController();
  await beside(serve, async (db) => {
    const error = await db.query("select 1", [], { signal: controller.signal }).catch((e) => e);
    assert.ok(error instanceof AbortError && error.outcomeUnknown, `${error}`);
    const [, asked, aborted] = heard;
    assert.deepEqual([asked.kind, aborted.kind, aborted.id], ["E", "A", asked.id]);
  });
});

test("what goes wrong on the way is told apart", async () => {
  const fails = async (serve) => {
    let error;
    await beside(serve, async (db) => (error = await db.sql`select 1`.then(() => assert.fail("answered"), (e) => e)));
    assert.ok(error instanceof PierheadError, error.stack);
    return error;
  };
  const refused = await fails(async (asked, socket) => {
    for await (const _ of asked) socket.write(frame("R", "its token is another's"));
  });
  assert.ok(refused.refused && /refused: its token is another's/.test(refused.message), `${refused}`);
  const thrown = await fails(answering(() => frame("X", JSON.stringify({ message: "no database", overloaded: true }))));
  assert.ok(thrown.refused && thrown.code === "53300", `${thrown}`);
  const broken = await fails(async (asked, socket) => {
    for await (const { kind } of asked) if (kind === "E") socket.end(frame("C", ONE.subarray(0, 9)));
  });
  assert.ok(broken.outcomeUnknown, `${broken}`);
});

test("where nothing runs, an error says what to start", async () => {
  const says = async (file, problem, name = "main") => {
    await beside(answering(), async () => {
      const error = await connect(undefined, name).sql`select 1`.catch((e) => e);
      assert.ok(error instanceof PierheadError && error.refused && problem.test(`${error.message}: ${error.hint}`), `${error}`);
      assert.doesNotMatch(`${error.stack}${error.hint}`, new RegExp(TOKEN));
    }, file);
  };
  // Listens no more; 1 is nobody's.
  await says({ port: 1 }, /nothing was sent: .* does not listen.*start `npx pierhead dev`/);
  await says({ pid: 2 ** 22 + 1 }, /runs no more: start `npx pierhead dev`/);
  await says({ databases: ["other"] }, /no database "main"; it has other: start it with --name main/);
  await says({ token: 7 }, /dev.json is not what `npx pierhead dev` writes/);
  assert.throws(() => connect(undefined, "Main"), /no database name/);
  process.env.PIERHEAD_DEV = join(tmpdir(), "nowhere");
  await assert.rejects(connect(undefined, "main").sql`select 1`, /no `npx pierhead dev` runs: no .pierhead.dev.json in PIERHEAD_DEV/);
  delete process.env.PIERHEAD_DEV;
});

test("production knows nothing of it", () => {
  const script = 'import { connect } from "pierhead"; try { connect(undefined, "main") } catch (error) { console.log(error.message) }';
  const run = (conditions, env) => {
    const cwd = new URL("..", import.meta.url);
    const { stdout, stderr } = spawnSync(process.execPath, [...conditions, "--input-type=module", "-e", script], { cwd, env: { ...process.env, ...env } });
    assert.equal(`${stderr}`, "");
    return `${stdout}`;
  };
  assert.equal(run([], {}), "");
  assert.match(run([], { NODE_ENV: "production" }), /no binding for the database "main": connect\(\) was given undefined/);
  assert.match(run(["--conditions=workerd"], {}), /connect\(\) was given undefined/);
  // What Workers are given does not lead to the code at all.
  const seen = new Set();
  const follow = (file) => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(new URL(`../dist/${file}`, import.meta.url), "utf8");
    for (const [, next] of text.matchAll(/from "\.\/([^"]+)"/g)) follow(next);
  };
  for (const entry of ["index.js", "pg.js", "drizzle.js", "kysely.js", "prisma.js", "socket.js"]) follow(entry);
  assert.ok(seen.has("exchange.js") && !seen.has("development.js") && !seen.has("node.js"), [...seen].join(" "));
});
