// The entry of the deployable Worker: other Workers bind its Durable Object by `script_name`, and
// agents dial in at /pierhead/agent/<database>.

import { PierheadCore } from "../build/index.js";

export class Pierhead extends PierheadCore.durableObject(PierheadCore) {}

const ABOUT = "Pierhead: a coordinator that other Workers reach through a Durable Object binding.\n";

export default {
  fetch: (request, env) => PierheadCore.dialIn(request, env, env.PIERHEAD) ?? new Response(ABOUT),
};
