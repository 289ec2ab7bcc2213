// The code in the guides is that of the programs that the live tests run.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { check } from "../dist/cli/check.js";
import { readProject } from "../dist/cli/project.js";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const plain = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean).join("\n");
const FRAMEWORKS = "../../../tests/drivers/frameworks/";
const directories = ["./worker/", "./node/", ...["vite/src/", "vitest/", "next/app/ships/"].map((name) => FRAMEWORKS + name)];
const stories = directories.flatMap((directory) =>
  readdirSync(new URL(directory, import.meta.url)).filter((name) => /\.[jt]s$/.test(name))
    .map((name) => plain(read(`${directory}${name}`))));
/** In a Worker that has the coordinator in it; the tests' Worker is bound to one. */
const EXPORT = 'export { Gateway, Pierhead } from "pierhead/coordinator";\n';

/** The code of a page; of a difference, what is new. */
function blocksOf(page, kinds) {
  const blocks = [...page.matchAll(/^ *```([a-z]+)\n(.*?)```/gms)].filter(([, kind]) => kinds.includes(kind));
  const added = (text) => text.split("\n").filter((line) => line.startsWith("+")).map((line) => line.slice(1)).join("\n");
  return blocks.map(([, kind, text]) => plain(kind === "diff" ? added(text) : text));
}

const PAGES = ["from-hyperdrive", "from-neon", "typescript-drizzle", "typescript-pg", "vite-and-next"];
for (const [page, least] of [...PAGES.map((page) => [`guides/${page}.md`, 3]), ["sockets.md", 1]]) {
  test(`${page} shows what is tested`, () => {
    // The JavaScript of other pages is that of entries, which are built.
    const kinds = page.includes("vite") ? ["ts", "js"] : ["ts", "diff"];
    const blocks = blocksOf(read(`../../../docs/${page}`), kinds);
    assert.ok(blocks.length >= least && blocks.every((block) => block !== ""));
    for (const block of blocks) assert.ok(stories.some((story) => story.includes(block.replace("// src/index.ts\n", "").replace(EXPORT, ""))), `not tested:\n${block}`);
  });
}

for (const page of ["guides/typescript-drizzle.md", "guides/typescript-pg.md"]) {
  test(`${page} begins with a Worker that is whole`, () => {
    const [first, second] = read(`../../../docs/${page}`).matchAll(/^```(jsonc|ts)\n(.*?)```/gms);
    assert.deepEqual([first[1], second[1]], ["ts", "jsonc"]);
    const directory = mkdtempSync(join(tmpdir(), "pierhead-guide-"));
    try {
      mkdirSync(join(directory, "src"));
      writeFileSync(join(directory, "wrangler.jsonc"), second[2]);
      writeFileSync(join(directory, "src/index.ts"), first[2]);
      assert.deepEqual(check(readProject(directory)), []);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
}
