import { pgTable, serial, text } from "drizzle-orm/pg-core";

export const ships = pgTable("ships", {
  id: serial().primaryKey(),
  name: text().notNull().unique(),
});
