import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";

/** The pool of one database: the class behind the Durable Object binding. */
export class Pierhead extends DurableObject<any> {
  /** One request, one answer; `connect()` of the package `pierhead` calls it. */
  exchange(request: Uint8Array, alive: () => unknown): Promise<Uint8Array | ReadableStream>;
  /** Ends a request. */
  abort(requestId: Uint8Array): void;
}

/** The way in for other Workers and for sockets. */
export class Gateway extends WorkerEntrypoint<any> {}

/**
 * Lets agents dial in at `/pierhead/agent/<database>`: the first line of a Worker's own `fetch`.
 *
 * @returns nothing when the request is another
 */
export function dialIn(request: Request, env: unknown): Promise<Response> | Response | undefined;

declare const worker: ExportedHandler<any>;
export default worker;
