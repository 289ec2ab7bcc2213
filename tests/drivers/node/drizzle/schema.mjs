// The tables of drizzle.mjs, as drizzle-kit reads them.

import { integer, jsonb, numeric, pgEnum, pgTable, serial, text, timestamp } from "drizzle-orm/pg-core";

export const mood = pgEnum("mood", ["sad", "happy"]);

export const ships = pgTable("ships", {
  id: serial("id").primaryKey(),
  name: text("name").notNull().unique(),
  length: numeric("length"),
  mood: mood("mood"),
  tags: text("tags").array(),
  details: jsonb("details"),
  seen: timestamp("seen", { withTimezone: true }),
  calls: integer("calls").notNull().default(0),
});
