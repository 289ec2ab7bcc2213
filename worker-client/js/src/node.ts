/**
 * What `pierhead` is in Node, where a development server runs beside the coordinator and not in
 * workerd: without a binding, `connect()` finds the running `npx pierhead dev`.
 *
 * Workers are given `index.js`, which knows nothing of it; and where Node runs in production, a
 * missing binding is the error that it is in a Worker.
 */

import { standIn } from "./binding.js";
import { development } from "./development.js";

if (process.env.NODE_ENV !== "production") standIn(development);

export * from "./index.js";
