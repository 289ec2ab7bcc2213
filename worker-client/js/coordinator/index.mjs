// The coordinator as the npm package exports it: `export { Pierhead, Gateway } from "pierhead/coordinator"`
// in the entry of a Worker makes that Worker the pool's home.

import { PierheadCore } from "../../../coordinator/build/index.js";

export class Pierhead extends PierheadCore.durableObject(PierheadCore) {}

export class Gateway extends PierheadCore.gateway(PierheadCore) {}

export const dialIn = (request, env) => PierheadCore.dialIn(request, env, env.PIERHEAD);

const ABOUT = "Pierhead: a coordinator that other Workers reach through a binding.\n";

export default {
  fetch: (request, env) => dialIn(request, env) ?? new Response(ABOUT),
};
