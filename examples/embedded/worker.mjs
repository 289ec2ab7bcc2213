import worker, { PierheadCore } from "./build/index.js";

export default worker;
export class Pierhead extends PierheadCore.durableObject(PierheadCore) {}
