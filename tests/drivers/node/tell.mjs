// What all programs of Node share: headings, values as text, errors in the driver's own words.

import { setTimeout as sleep } from "node:timers/promises";

export { sleep };

// How many rows a big result has.
export const BIG_ROWS = Number(process.env.BIG_ROWS);

export function chapter(name) {
  console.log(`== ${name}`);
}

// One line of what was seen.
export function tell(what, ...values) {
  console.log(`${what}: ${values.map(shown).join(" | ")}`);
}

function shown(value) {
  return JSON.stringify(value, (_, v) => {
    if (typeof v === "bigint") return `${v}n`;
    if (typeof v === "number" && !Number.isFinite(v)) return String(v);
    if (v?.type === "Buffer") return `\\x${Buffer.from(v.data).toString("hex")}`;
    return v;
  });
}

// Tells the error that must come, by its code and its words.
export async function refused(what, attempt) {
  try {
    const value = await attempt;
    tell(what, "NOT refused", value);
  } catch (error) {
    const told = error.parent ?? error;
    tell(what, told.code, told.message);
  }
}

// The cancel of `pg`, until its connection has ended: what comes later would meet the next statement.
export async function cancelByPg(pg, client) {
  const other = new pg.Client();
  other.connection.on("error", () => {});
  const ended = new Promise((resolve) => other.connection.once("end", resolve));
  other.cancel(client, client.activeQuery);
  await ended;
}

// Cancels until it has worked: a request that comes before its statement runs is lost.
export async function cancelled(what, running, cancel) {
  let over = false;
  const end = refused(what, running).finally(() => (over = true));
  while (!over) {
    await Promise.race([end, sleep(300)]);
    if (!over) await cancel();
  }
  await end;
}
