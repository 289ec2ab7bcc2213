// Pierhead by calls: the package, at module scope as its page shows it.

import { connect } from "pierhead";

import type { Contender, Open } from "./contender.js";
import { BIG, SHIP } from "./contender.js";
import { bindings } from "./env.js";

const name = ({ rows }: { rows: { name: string }[] }) => rows[0]!.name;

export function exchange(database: string): Open {
  const db = connect(bindings.PIERHEAD, database, { caller: "bench" });
  const contender: Contender = {
    query: async (id) => name(await db.query<{ name: string }>(SHIP, [id])),
    batch: async (ids) => (await db.batch(ids.map((id) => ({ text: SHIP, values: [id] })))).map(name as any),
    async transaction(ids) {
      await using tx = await db.begin();
      const names: string[] = [];
      for (const id of ids.slice(0, -1)) names.push(name(await tx.query(SHIP, [id])));
      names.push(name((await tx.commit(SHIP, [ids.at(-1)]))!));
      return names;
    },
    async big(kib) {
      let bytes = 0;
      for await (const { repeat } of db.stream<{ repeat: string }>(BIG, [kib])) bytes += repeat.length;
      return bytes;
    },
  };
  return () => contender;
}
