// The code in the guides is that of the Worker that the live tests run.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const plain = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean).join("\n");
const stories = readdirSync(new URL("./worker/", import.meta.url)).filter((name) => name.endsWith(".ts"))
  .map((name) => plain(read(`./worker/${name}`)));

for (const [guide, least] of [["guides/typescript-drizzle.md", 4], ["guides/typescript-pg.md", 4], ["sockets.md", 1]]) {
  test(`${guide} shows what is tested`, () => {
    const blocks = [...read(`../../../docs/${guide}`).matchAll(/```ts\n(.*?)```/gs)].map(([, block]) => plain(block));
    assert.ok(blocks.length >= least);
    for (const block of blocks) assert.ok(stories.some((story) => story.includes(block)), `not tested:\n${block}`);
  });
}
