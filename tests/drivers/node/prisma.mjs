// Prisma's migrations: applied, and again; and one that fails.

import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { chapter, tell } from "./tell.mjs";

const project = mkdtempSync(join(tmpdir(), "prisma-"));
process.on("exit", () => rmSync(project, { recursive: true }));
cpSync("prisma", project, { recursive: true });

// The native engines are downloads, which the tool asks for although it uses none of them here.
const unused = { PRISMA_QUERY_ENGINE_LIBRARY: process.execPath, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath };
const env = {
  ...process.env, ...unused, PRISMA_SCHEMA: join(project, "schema.prisma"), PRISMA_HIDE_UPDATE_MESSAGE: "1", CHECKPOINT_DISABLE: "1", CI: "1", NO_COLOR: "1",
};

// Its exit code, and of its words those that tell what became of the database.
function prisma(...args) {
  return new Promise((resolve) => {
    execFile(process.execPath, ["node_modules/prisma/build/index.js", ...args], { env }, (error, out, errors) => {
      const told = /successfully applied|No pending|up to date|failed to apply|P\d{4}|ERROR: /;
      resolve([error?.code ?? 0, ...`${out}\n${errors}`.split("\n").filter((line) => told.test(line)).map((line) => line.trim())]);
    });
  });
}

const client = new pg.Client();
await client.connect();
const rows = async (sql) => (await client.query(sql)).rows;

chapter("migrations");
tell("deployed", await prisma("migrate", "deploy"));
tell("recorded", await rows("select migration_name, finished_at is not null as done from _prisma_migrations order by 1"));
tell("rows", await rows('select name from "Ship"'));
tell("again", await prisma("migrate", "deploy"));
tell("after", await prisma("migrate", "status"));
const live = "select table_name, column_name, data_type from information_schema.columns where table_schema = 'public' order by 1, 2";
tell("columns", (await rows(live)).filter(({ table_name }) => !table_name.startsWith("_")).map(Object.values));

chapter("a migration that fails");
mkdirSync(join(project, "migrations/0003_wrong"));
writeFileSync(join(project, "migrations/0003_wrong/migration.sql"), 'INSERT INTO "Ship" ("name") VALUES (\'Falke\');\nSELECT 1 / 0;\n');
tell("deployed", await prisma("migrate", "deploy"));
tell("rows", await rows('select name from "Ship" order by id'));
tell("locks left", await rows("select count(*) from pg_locks where locktype = 'advisory'"));
await client.end();
tell("done");
