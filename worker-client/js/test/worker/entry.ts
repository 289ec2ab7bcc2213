// What each entry of the driver matrix tells: one story for each chapter.

import { bind } from "pierhead/socket";

import { gateway } from "./env.js";

export type Story = (context: ExecutionContext) => Promise<unknown>;
export type Entry = Record<"types" | "prepared" | "transactions" | "big_result" | "cancel" | "two_clients", Story>;

/** The database as drivers are told of it. */
export const bound = (context: ExecutionContext) => bind(context, gateway, "main", { user: "scram_user" });

/** One story behind the other. */
export const all = (...stories: Story[]): Story => async (context) => {
  for (const story of stories) await story(context);
};

/** Calls until it has worked: a cancel that comes before its statement runs is lost. */
export async function untilOver(running: Promise<unknown>, cancel: () => unknown): Promise<void> {
  let over = false;
  const end = running.catch(() => {}).finally(() => (over = true));
  while (!over) {
    await Promise.race([end, scheduler.wait(200)]);
    if (!over) await cancel();
  }
}
