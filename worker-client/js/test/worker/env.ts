import { env } from "cloudflare:workers";
import { type Binding, connect } from "pierhead";

const bindings = env as unknown as Record<string, Binding | undefined>;

/** At module scope, as Workers may have it: used by every invocation. */
export const db = connect(bindings["PIERHEAD"], "main", { caller: "typescript" });

/** The gateway, for sockets and for calls. */
export const gateway = bindings["GATEWAY"] as Binding & { connect(address: any): any };

/** The same database through the gateway. */
export const through = connect(bindings["GATEWAY"], "main", { caller: "typescript" });
