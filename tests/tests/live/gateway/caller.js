// A Worker that is bound to the gateway, and answers with what it heard: the names of what was
// answered, or the error.
const PATH = { "/rpc": rpc, "/size": size, "/lease": lease, "/awaited": awaited, "/connect": overStream, "/socket": overWebSocket };

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    try {
      const said = await PATH[url.pathname](env.GATEWAY, url.searchParams);
      return new Response(said);
    } catch (error) {
      return new Response(`error: ${error.message}`);
    }
  },
};

/** An envelope with one simple query, of a caller that calls itself so. */
function envelope(sql, caller) {
  const id = crypto.getRandomValues(new Uint8Array(16));
  const options = named(caller);
  return joined(Uint8Array.of(1, 0, 0, 0, 0), id, Uint8Array.of(0, options.length), options, query(sql));
}

/** The option by which a caller names itself. */
function named(caller) {
  if (caller === null) return new Uint8Array(0);
  const text = new TextEncoder().encode(caller);
  return joined(Uint8Array.of(1, 0, text.length), text);
}

function query(sql) {
  const text = new TextEncoder().encode(`${sql}\0`);
  return joined(Uint8Array.of(0x51), length(text.length + 4), text);
}

function length(bytes) {
  return Uint8Array.of(bytes >>> 24, bytes >>> 16, bytes >>> 8, bytes);
}

function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** What is printable in an answer. */
function printable(bytes) {
  return new TextDecoder("latin1").decode(bytes).replace(/[^ -~]+/g, " ");
}

async function rpc(gateway, parameters) {
  return printable(await answered(gateway, parameters));
}

async function size(gateway, parameters) {
  return String((await answered(gateway, parameters)).length);
}

/** The whole answer, which is a stream if it is large. */
async function answered(gateway, parameters) {
  const request = envelope(parameters.get("sql"), parameters.get("as"));
  const answer = await gateway.database(parameters.get("db")).exchange(request, () => {});
  return answer instanceof Uint8Array ? answer : new Uint8Array(await new Response(answer).arrayBuffer());
}

/** Waits for the database before it asks, as nobody should. */
async function awaited(gateway, parameters) {
  using database = await gateway.database(parameters.get("db"));
  return printable(await database.exchange(envelope(parameters.get("sql"), null), () => {}));
}

async function lease(gateway, parameters) {
  const as = parameters.get("as");
  using lease = gateway.database(parameters.get("db")).begin(named(as));
  const requests = parameters.getAll("sql").map((sql) => lease.exchange(envelope(sql, as), () => {}));
  const answers = await Promise.all(requests);
  return answers.map(printable).join("\n");
}

function startUp(parameters) {
  const pairs = [`user\0${parameters.get("user")}`, `database\0${parameters.get("db")}`];
  const text = new TextEncoder().encode(`${pairs.join("\0")}\0\0`);
  return joined(length(text.length + 8), Uint8Array.of(0, 3, 0, 0), text);
}

/** Everything that is said to a start-up and a query, up to the end. */
async function overStream(gateway, parameters) {
  const socket = gateway.connect("pierhead:5432");
  const writer = socket.writable.getWriter();
  const sent = writer.write(joined(startUp(parameters), query(parameters.get("sql")), Uint8Array.of(0x58, 0, 0, 0, 4)));
  sent.catch(() => {});
  let heard = new Uint8Array(0);
  for await (const chunk of socket.readable) heard = joined(heard, chunk);
  return printable(heard);
}

async function overWebSocket(gateway, parameters) {
  const response = await gateway.fetch("https://gateway/socket", { headers: { Upgrade: "websocket" } });
  const socket = response.webSocket;
  let heard = new Uint8Array(0);
  const over = new Promise((resolve) => {
    socket.addEventListener("message", ({ data }) => (heard = joined(heard, new Uint8Array(data))));
    socket.addEventListener("close", resolve);
  });
  socket.binaryType = "arraybuffer";
  socket.accept();
  // Cut where no message ends.
  const bytes = joined(startUp(parameters), query(parameters.get("sql")), Uint8Array.of(0x58, 0, 0, 0, 4));
  for (let at = 0; at < bytes.length; at += 7) socket.send(bytes.subarray(at, at + 7));
  await over;
  return printable(heard);
}
