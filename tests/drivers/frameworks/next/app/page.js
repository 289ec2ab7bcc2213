import { connect } from "pierhead";

const db = connect(undefined, "main");

export const dynamic = "force-dynamic";

/** A component of the server. */
export default async function Page() {
  const ships = await db.sql`select n, 'ship ' || n as name from generate_series(2, 3) as n`;
  return <ul>{ships.map(({ n, name }) => <li key={n}>{name}</li>)}</ul>;
}
