// The entries of the driver matrix that are written in TypeScript: `GET /<entry>/<chapter>`.

import * as core from "./core.js";
import * as drizzle from "./drizzle.js";
import { type Entry, all } from "./entry.js";
import * as kysely from "./kysely.js";
import * as pg from "./matrix-pg.js";
import * as postgres from "./matrix-postgres.js";
import * as sequelize from "./matrix-sequelize.js";
import * as prisma from "./prisma.js";
import * as transactions from "./transactions.js";

const client: Entry = {
  types: core.types,
  prepared: all(core.statements, core.batches, core.errors),
  transactions: all(
    transactions.commits, transactions.rolls_back, transactions.commit_rides_with_the_last_statement,
    transactions.a_swallowed_error_does_not_look_like_success, transactions.savepoints, transactions.options,
  ),
  big_result: core.big_result,
  cancel: all(core.aborts, transactions.an_abort_ends_it),
  two_clients: all(core.settings, core.shared, transactions.several_at_once),
};

export const MATRIX: Record<string, Entry> = {
  client,
  "pg-calls": pg.byCalls,
  "drizzle-calls": drizzle.byCalls,
  "kysely-calls": kysely.byCalls,
  "prisma-calls": prisma.byCalls,
  "pg-host": pg.onHost,
  "pg-stream": pg.onStream,
  "pg-cursors": pg.cursors,
  "postgres-host": postgres.onHost,
  "postgres-stream": postgres.onStream,
  "sequelize-host": sequelize.onHost,
  "sequelize-stream": sequelize.onStream,
  "drizzle-pg": drizzle.onPg,
  "kysely-pg": kysely.onPg,
  "prisma-pg": prisma.onPg,
};
