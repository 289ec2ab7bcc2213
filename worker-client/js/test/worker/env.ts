import { env } from "cloudflare:workers";
import { type Binding, connect } from "pierhead";

const bindings = env as unknown as Record<string, Binding | undefined>;

/** At module scope, as Workers may have it: used by every invocation. */
export const db = connect(bindings["PIERHEAD"], "main", { caller: "typescript" });
