import worker, { PierheadCore } from "./build/index.js";

export class Pierhead extends PierheadCore.durableObject(PierheadCore) {}

// For other Workers that are bound to this one (docs/sockets.md); leave it out if there are none.
export class Gateway extends PierheadCore.gateway(PierheadCore) {}

// The Worker itself; agents that dial in are let through to the coordinator (tunnel=agent only).
export default class extends worker {
  fetch(request) {
    return PierheadCore.dialIn(request, this.env, this.env.PIERHEAD) ?? super.fetch(request);
  }
}
