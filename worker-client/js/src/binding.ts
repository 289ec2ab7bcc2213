import { configError } from "./errors.js";

/** The methods of a coordinator, or of what stands for it, as the platform's RPC offers them. */
export interface Coordinator {
  exchange(request: Uint8Array): PromiseLike<unknown>;
  watch(requestId: Uint8Array, alive: () => void): PromiseLike<unknown>;
  abort(requestId: Uint8Array): PromiseLike<unknown>;
  begin(options?: Uint8Array): Lease;
}

/** A transaction held over several requests. */
export interface Lease {
  exchange(request: Uint8Array): PromiseLike<unknown>;
  watch(requestId: Uint8Array, alive: () => void): PromiseLike<unknown>;
  abort(requestId: Uint8Array): PromiseLike<unknown>;
}

/** The namespace of the class `Pierhead`: `env.PIERHEAD` of a durable object binding. */
export interface NamespaceBinding {
  idFromName(name: string): unknown;
  getByName(name: string, options?: any): any;
  jurisdiction(jurisdiction: any): any;
}

/** A service binding of the entrypoint `Gateway`. */
export interface GatewayBinding {
  fetch(...args: any[]): any;
}

/** Where a database's coordinator is found. */
export type Binding = NamespaceBinding | GatewayBinding;

/** Where a coordinator lives; counts when it is used for the first time. */
export interface Placement {
  /** A location hint such as `weur`: next to the database. */
  readonly location?: string | undefined;
  /** `eu`, `fedramp` or `us`. */
  readonly jurisdiction?: string | undefined;
}

/** Gives the coordinator's stub. One lives no longer than an invocation, so each call takes a new one. */
export type Open = () => Coordinator;

/** What stands in where there is no binding. */
let substitute: ((name: string) => Open) | undefined;

/** Lets something stand in where there is no binding: see `node.ts`. */
export function standIn(instead: (name: string) => Open): void {
  substitute = instead;
}

export function opener(binding: Binding | undefined, name: string, placement: Placement): Open {
  if (!/^[a-z][a-z0-9_]{0,31}$/.test(name)) {
    throw configError(
      `"${name}" is no database name`,
      "it is the part behind PIERHEAD_DB_ in lower case: a letter, then up to 31 letters, digits or _",
    );
  }
  if (binding === undefined || binding === null) {
    if (substitute !== undefined) return substitute(name);
    throw configError(
      `there is no binding for the database "${name}": connect() was given ${binding}`,
      'add [[durable_objects.bindings]] with name = "PIERHEAD" and class_name = "Pierhead" to ' +
        "wrangler.toml, or run `npx pierhead init`",
    );
  }
  if (isNamespace(binding)) {
    const { location, jurisdiction } = placement;
    const options = location === undefined ? undefined : { locationHint: location };
    const namespace = jurisdiction === undefined ? binding : binding.jurisdiction(jurisdiction);
    return () => namespace.getByName(name, options);
  }
  // A stub answers to every name, so there is nothing to check before the first call.
  const gateway = binding as unknown as { database(name: string): Coordinator };
  return () => gateway.database(name);
}

/**
 * A service binding's stub has every method one asks it for, also when asked by `in`; its class has
 * only those that it was written with.
 */
function isNamespace(binding: Binding): binding is NamespaceBinding {
  return "idFromName" in Object.getPrototypeOf(binding);
}

/** Tells the platform that a stub or a result is not used any more. */
export function dispose(value: unknown): void {
  const disposable = value as { [Symbol.dispose]?: () => void } | null | undefined;
  if (typeof disposable?.[Symbol.dispose] === "function") disposable[Symbol.dispose]!();
}
