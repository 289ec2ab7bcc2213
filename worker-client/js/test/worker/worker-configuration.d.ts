// What `wrangler types` writes for a Worker with these bindings.

declare namespace Cloudflare {
  interface Env {
    PIERHEAD: DurableObjectNamespace;
    GATEWAY: Fetcher;
  }
}
