// The floors: objects that do the least that a coordinator must do.

import type { Contender, Open } from "./contender.js";
import { type Floor, bindings } from "./env.js";

/** As many bytes as the exchange of a small query has. */
const REQUEST = new Uint8Array(160).fill(7);

/** A call that an object answers with the same bytes, by itself or from a peer. */
export const floor = (namespace: () => DurableObjectNamespace): Open => () => {
  const call = async (): Promise<string> => {
    const answer = await (namespace().getByName("floor") as unknown as Floor).exchange(REQUEST);
    if (answer.byteLength !== REQUEST.byteLength) throw new Error(`${answer.byteLength} bytes came back`);
    return "";
  };
  const inTurn = async (ids: readonly number[]) => {
    const names: string[] = [];
    for (const _ of ids) names.push(await call());
    return names;
  };
  const contender: Contender = {
    query: call,
    batch: async () => [await call()],
    transaction: inTurn,
    async big(kib) {
      let bytes = 0;
      const stream = await (bindings.POUR.getByName("floor") as unknown as Floor).pour(kib * 1024);
      for await (const chunk of stream) bytes += chunk.byteLength;
      return bytes;
    },
  };
  return contender;
};
