// `pierhead init` and `pierhead check` on projects as people have them.

import assert from "node:assert/strict";
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { check } from "../dist/cli/check.js";
import { init } from "../dist/cli/init.js";
import { parse } from "../dist/cli/parser.js";
import { readProject } from "../dist/cli/project.js";
import { scaffold } from "../dist/cli/scaffold.js";
import { secretsOf, target } from "../dist/cli/target.js";

const URL_ = "postgres://app@db.example.com:5432/app?tunnel=direct";

/** Runs a body in a project of these files. */
function project(files, body) {
  const directory = mkdtempSync(join(tmpdir(), "pierhead-cli-"));
  try {
    mkdirSync(join(directory, "src"));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    body({
      init: (options = {}) => init(readProject(directory), { name: "main", url: URL_, ...options }).join("\n"),
      scaffold: (name = "main") => scaffold(directory, name),
      check: () => check(readProject(directory)).join("\n"),
      read: (name) => readFileSync(join(directory, name), "utf8"),
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const ENTRY = "export default { fetch() {} };\n";
const JSONC = `{
  // mine
  "name": "x", "main": "src/index.ts", /* old */ "compatibility_date": "2026-01-01",
  "durable_objects": { "bindings": [{ "name": "ROOM", "class_name": "Room" }] }, // rooms
  "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Room"] }],
}
`;
const TOML = `# mine
name = "x"
main = "src/index.ts"
compatibility_date = "2026-01-01" # old

[vars] # here
A = "b"

[[durable_objects.bindings]]
name = "ROOM"
class_name = "Room"

[[migrations]]
tag = "v1"
new_sqlite_classes = ["Room"]
`;

for (const [file, text] of [["wrangler.jsonc", JSONC], ["wrangler.toml", TOML]]) {
  test(`init completes ${file}, keeps what is there, and does nothing twice`, () => {
    project({ [file]: text, "src/index.ts": ENTRY }, ({ init, check, read }) => {
      assert.match(check(), /binds neither/);
      assert.match(init(), /wrangler secret put PIERHEAD_DB_MAIN_PASSWORD/);
      assert.equal(check(), "");
      const written = read(file);
      for (const kept of ["mine", "old", "ROOM", "Room", "v1"]) assert.ok(written.includes(kept), `${kept} is lost:\n${written}`);
      assert.equal(read("src/index.ts"), `export { Gateway, Pierhead } from "pierhead/coordinator";\n${ENTRY}`);
      assert.match(init(), /everything is there already/);
      assert.equal(read(file), written);
    });
  });
}

test("init makes a Worker where there is none, and only there", () => {
  const manifest = JSON.stringify({ name: "@Me/The shop" });
  project({ "package.json": manifest }, ({ scaffold, init, check, read }) => {
    assert.throws(() => scaffold("Main"), /no database name/);
    assert.throws(() => read("wrangler.jsonc"), /ENOENT/);
    assert.deepEqual(scaffold("orders"), ["wrangler.jsonc: made", "src/index.ts: made"]);
    init({ name: "orders" });
    assert.equal(check(), "");
    assert.match(read("wrangler.jsonc"), /"name": "me-the-shop"/);
    assert.match(read("src/index.ts"), /connect\(env.PIERHEAD, "orders"\)/);
    assert.deepEqual(scaffold("orders"), []);
  });
  project({ "src/index.ts": ENTRY }, ({ scaffold, read }) => {
    assert.deepEqual(scaffold(), ["wrangler.jsonc: made"]);
    assert.equal(read("src/index.ts"), ENTRY);
  });
});

test("dev takes a URL as drivers do, and changes nothing of what it says", () => {
  const of = (url) => {
    const { url: { href }, tunnels, password } = target(url);
    return [href, tunnels.join(), password];
  };
  const local = "postgres://app@127.0.0.1:5432/d";
  assert.deepEqual(of("postgres://app:a%2Fb@127.0.0.1:5432/d"), [`${local}?tunnel=direct&tls=off`, "direct", "a/b"]);
  assert.deepEqual(of(`${local}?application_name=a%20b&pinned=5%25`), [`${local}?application_name=a%20b&pinned=5%25&tunnel=direct&tls=off`, "direct", ""]);
  assert.deepEqual(of(`${local}?tunnel=agent`), [`${local}?tunnel=agent`, "agent", ""]);
  assert.deepEqual(of("postgres://app@db.internal/d?tunnel=agent,direct"), ["postgres://app@db.internal/d?tunnel=agent,direct", "agent,direct", ""]);
  assert.throws(() => target("nonsense hunter2"), (error) => /no URL: --database/.test(error.message) && !/hunter2/.test(error.message));

  const environment = { PIERHEAD_DB_MAIN_AGENT_TOKEN: "t", PIERHEAD_DB_OTHER_PASSWORD: "o", PIERHEAD_DB_MAIN: "u" };
  assert.deepEqual(secretsOf("PIERHEAD_DB_MAIN", environment), { PIERHEAD_DB_MAIN_AGENT_TOKEN: "t" });
});

test("init refuses a password, a name that is none, and what it cannot edit", () => {
  project({ "wrangler.jsonc": JSONC, "src/index.ts": ENTRY }, ({ init, read }) => {
    const refused = (options) => {
      try {
        init(options);
      } catch (error) {
        return error.message;
      }
      return "";
    };
    assert.match(refused({ url: "postgres://app:hunter2@h/d" }), /holds a password.*secret put/);
    assert.doesNotMatch(refused({ url: "postgres://app:hunter2@h/d" }), /hunter2/);
    assert.match(refused({ url: "http://h/d" }), /must begin with postgres/);
    assert.match(refused({ name: "Main" }), /no database name/);
    assert.equal(read("wrangler.jsonc"), JSONC);
  });
  const inline = 'main = "src/index.ts"\nmigrations = [{ tag = "v1" }]\n';
  project({ "wrangler.toml": inline, "src/index.ts": ENTRY }, ({ init, read }) => {
    assert.throws(() => init(), /write it as \[\[migrations\]\] first/);
    assert.equal(read("wrangler.toml"), inline);
  });
  project({ "wrangler.jsonc": '{ "name": }' }, ({ check }) => assert.throws(check, /wrangler.jsonc:1 is not JSON/));
  project({}, ({ check }) => assert.throws(check, /no wrangler.jsonc or wrangler.toml/));
});

test("check names each mistake and its remedy, and quotes no secret", () => {
  const config = {
    main: "src/none.ts", compatibility_date: "2026-01-01",
    durable_objects: { bindings: [{ name: "PIERHEAD", class_name: "Pierhead" }] },
    migrations: [{ tag: "v1", new_classes: ["Pierhead"] }],
    vars: { PIERHEAD_DB_MAIN: "postgres://app:hunter2@h/d", PIERHEAD_DB_B: "nonsense", PIERHEAD_DB_C: "mysql://h", PIERHEAD_DB_MAIN_PASSWORD: "hunter2" },
  };
  project({ "wrangler.json": JSON.stringify(config) }, ({ check }) => {
    const said = check();
    for (const part of [/Buffer/, /new_sqlite_classes/, /names no file/, /MAIN: holds a password/, /B: not a URL/, /C: MySQL is not supported/, /MAIN_PASSWORD: is a secret/]) {
      assert.match(said, part);
    }
    assert.doesNotMatch(said, /hunter2/);
  });
  const none = { ...config, vars: { OTHER: "x" } };
  project({ "wrangler.json": JSON.stringify(none) }, ({ check }) => assert.match(check(), /no database is configured/));
  const bound = { durable_objects: { bindings: [{ class_name: "Pierhead", script_name: "pierhead" }] }, compatibility_date: "2026-11-01" };
  project({ "wrangler.json": JSON.stringify(bound) }, ({ check }) => assert.equal(check(), ""));
});

test("what check says of a URL is what the coordinator says", () => {
  const lines = readFileSync(new URL("../../../config/golden/refusals.txt", import.meta.url), "utf8").split("\n");
  assert.ok(lines.length > 100);
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const said = parse({ PIERHEAD_DB_MAIN: lines[at] }, "elsewhere");
    assert.deepEqual(said, { databases: 1, problems: [lines[at + 1]] }, lines[at]);
  }
  const nul = parse({ PIERHEAD_DB_MAIN: "postgres://app@db/a\0PIERHEAD_DB_B\0x" }, "elsewhere");
  assert.deepEqual([nul.databases, nul.problems.length], [1, 1]);
  const long = parse({ PIERHEAD_DB_MAIN: `postgres://app@db/x?application_name=${"x".repeat(2 ** 21)}` }, "elsewhere");
  assert.equal(long.problems.length, 1);
});
