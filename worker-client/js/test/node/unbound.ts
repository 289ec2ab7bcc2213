// In place of `cloudflare:workers`, which Node has not: nothing is bound.

export const env: Record<string, undefined> = {};
