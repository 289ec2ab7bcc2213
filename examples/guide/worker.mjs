import worker, { PierheadCore } from "./build/index.js";

export class Pierhead extends PierheadCore.durableObject(PierheadCore) {}

// The Worker itself; agents that dial in are let through to the coordinator (tunnel=agent only).
export default class extends worker {
  fetch(request) {
    return PierheadCore.dialIn(request, this.env, this.env.PIERHEAD) ?? super.fetch(request);
  }
}
