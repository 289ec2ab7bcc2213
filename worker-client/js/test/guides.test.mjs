// The code in the guides is that of the programs that the live tests run.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const plain = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean).join("\n");
const stories = ["./worker/", "./node/"].flatMap((directory) =>
  readdirSync(new URL(directory, import.meta.url)).filter((name) => name.endsWith(".ts"))
    .map((name) => plain(read(`${directory}${name}`))));

/** The code of a page; of a difference, what is new. */
function blocksOf(page) {
  const blocks = [...page.matchAll(/^ *```(ts|diff)\n(.*?)```/gms)];
  const added = (text) => text.split("\n").filter((line) => line.startsWith("+")).map((line) => line.slice(1)).join("\n");
  return blocks.map(([, kind, text]) => plain(kind === "diff" ? added(text) : text));
}

const PAGES = ["from-hyperdrive", "from-neon", "typescript-drizzle", "typescript-pg", "vite-and-next"];
for (const [page, least] of [...PAGES.map((page) => [`guides/${page}.md`, 3]), ["sockets.md", 1]]) {
  test(`${page} shows what is tested`, () => {
    const blocks = blocksOf(read(`../../../docs/${page}`));
    assert.ok(blocks.length >= least && blocks.every((block) => block !== ""));
    for (const block of blocks) assert.ok(stories.some((story) => story.includes(block)), `not tested:\n${block}`);
  });
}
