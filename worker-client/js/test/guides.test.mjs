// The code in the guides is that of the programs that the live tests run.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const plain = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean).join("\n");
const stories = ["./worker/", "./node/"].flatMap((directory) =>
  readdirSync(new URL(directory, import.meta.url)).filter((name) => name.endsWith(".ts"))
    .map((name) => plain(read(`${directory}${name}`))));

for (const guide of ["typescript-drizzle.md", "typescript-pg.md", "vite-and-next.md"]) {
  test(`${guide} shows what is tested`, () => {
    const blocks = [...read(`../../../docs/guides/${guide}`).matchAll(/```ts\n(.*?)```/gs)].map(([, block]) => plain(block));
    assert.ok(blocks.length >= 3);
    for (const block of blocks) assert.ok(stories.some((story) => story.includes(block)), `not tested:\n${block}`);
  });
}
