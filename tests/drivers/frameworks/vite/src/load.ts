// A page's server code: in a Worker the framework gives it `platform`, in its development server, which
// is Node, it gives nothing.

import { type Binding, connect } from "pierhead";

export interface Event {
  readonly params: { readonly least: string };
  readonly platform?: { readonly env?: { readonly PIERHEAD?: Binding } };
}

export async function load({ platform, params }: Event) {
  const db = connect(platform?.env?.PIERHEAD, "main");
  const ships = await db.sql`select n, 'ship ' || n as name from generate_series(${params.least}::int, 3) as n`;
  return { ships };
}
