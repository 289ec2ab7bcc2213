import { env } from "cloudflare:workers";
import type { Binding } from "pierhead";

/** What the objects of `tests/src/bin/bench/floors.mjs` are called for. */
export interface Floor {
  exchange(bytes: Uint8Array): Promise<Uint8Array>;
  pour(bytes: number): Promise<ReadableStream<Uint8Array>>;
}

interface Bindings {
  PIERHEAD: Binding;
  GATEWAY: Binding & { connect(address: any): any };
  EMPTY: DurableObjectNamespace;
  FORWARD: DurableObjectNamespace;
  POUR: DurableObjectNamespace;
  /** PostgreSQL itself, and PgBouncer where it is installed. */
  DIRECT_URL: string;
  PGBOUNCER_URL: string;
}

export const bindings = env as unknown as Bindings;
