// What the door for agents does with the platform; who may pass is decided in Rust (door.rs).
// Nothing here throws: an exception must not pass through wasm.

/** What a refusal adds to its status. */
const HEADERS = {
  401: { "WWW-Authenticate": "Bearer" },
  426: { Upgrade: "websocket", Connection: "Upgrade" },
};

/** Turns an agent away. */
export async function refuse(status, text, warning) {
  if (warning !== "") console.warn(`pierhead: ${warning}`);
  return new Response(text, { status, headers: HEADERS[status] ?? {} });
}

/**
 * Hands the WebSocket to the database's object, which is created at its place if this is its first
 * use. The object never sees the token: of the headers only the upgrade's own goes on.
 */
export async function forward(namespace, name, location, jurisdiction) {
  try {
    const home = jurisdiction === undefined ? namespace : namespace.jurisdiction(jurisdiction);
    const options = location === undefined ? {} : { locationHint: location };
    const link = new Request("https://pierhead/link", { headers: { Upgrade: "websocket" } });
    return await home.getByName(name, options).fetch(link);
  } catch (error) {
    console.warn(`pierhead: the coordinator of ${name} did not answer an agent: ${error}`);
    const text = `The coordinator did not answer: ${error}. The Worker's log may say more.\n`;
    return new Response(text, { status: 503 });
  }
}
