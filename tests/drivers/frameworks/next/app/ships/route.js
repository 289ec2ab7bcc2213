import { connect } from "pierhead";

const db = connect(undefined, "main");

export const dynamic = "force-dynamic";

export async function GET(request) {
  const least = request.nextUrl.searchParams.get("least");
  return Response.json(await db.sql`select n, 'ship ' || n as name from generate_series(${least}::int, 3) as n`);
}
