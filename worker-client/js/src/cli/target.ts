// The database that `pierhead dev` is for.

import { Problem } from "./project.js";

/** A database's URL without its password, the tunnels that it lists, and the password. */
export interface Target {
  readonly url: URL;
  readonly tunnels: readonly string[];
  readonly password: string;
}

/** What a URL as a driver takes it means to the coordinator: it dials directly, and on loopback without TLS. */
export function target(given: string): Target {
  if (!URL.canParse(given)) {
    throw new Problem("the database is no URL: --database postgres://user:password@host:5432/database, or PIERHEAD_DATABASE");
  }
  const url = new URL(given);
  const password = decodeURIComponent(url.password);
  url.password = "";
  // Behind what is there, which `searchParams` would write anew, a space as a plus.
  const add = (pair: string) => (url.search += `${url.search === "" ? "?" : "&"}${pair}`);
  if (!url.searchParams.has("tunnel")) add("tunnel=direct");
  const tunnels = url.searchParams.get("tunnel")!.split(",");
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (tunnels.includes("direct") && !url.searchParams.has("tls") && local) add("tls=off");
  return { url, tunnels, password };
}

const SECRETS = ["PASSWORD", "ACCESS_CLIENT_ID", "ACCESS_CLIENT_SECRET", "AGENT_TOKEN", "AGENT_TOKEN_NEXT"];

/** What stands beside the database's URL in production: its secrets, out of the environment. */
export function secretsOf(variable: string, environment: NodeJS.ProcessEnv): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of SECRETS) {
    const value = environment[`${variable}_${name}`];
    if (value !== undefined) found[`${variable}_${name}`] = value;
  }
  return found;
}
