// The entry of the deployable Worker: other Workers bind its entrypoint `Gateway` as a service, or
// its Durable Object by `script_name`, and agents dial in at /pierhead/agent/<database>.

import { PierheadCore } from "../build/index.js";

export class Pierhead extends PierheadCore.durableObject(PierheadCore) {}

export class Gateway extends PierheadCore.gateway(PierheadCore) {}

const ABOUT = "Pierhead: a coordinator that other Workers reach through a Durable Object binding.\n";

export default {
  fetch: (request, env) => PierheadCore.dialIn(request, env, env.PIERHEAD) ?? new Response(ABOUT),
};
