//! The Workers of a world: the coordinator, those that ask it, and those that look at it.

use pierhead_tests::workerd::{Worker, built};

use serde_json::{Value, json};

use crate::agent::scene::COUNTS_BIRTHS;

pub(super) fn coordinator(variables: &[(String, String)]) -> Worker {
    let directory = built("coordinator").unwrap();
    let worker = Worker::from_directory("coordinator", directory)
        .around(COUNTS_BIRTHS)
        .durable_object("Pierhead")
        .namespace("PIERHEAD", "Pierhead", "coordinator");
    with_variables(worker, variables)
}

pub(super) fn app() -> Worker {
    let worker = Worker::from_directory("app", built("app").unwrap());
    let props = json!({ "databases": ["main", "stock"], "caller": "checkout" });
    worker.namespace("PIERHEAD", "Pierhead", "coordinator").gateway("GATEWAY", "coordinator", props)
}

/// The Worker on the npm package (`worker-client/js/test/worker`).
pub(super) fn typescript() -> Worker {
    let worker = Worker::from_directory("typescript", built("typescript").unwrap());
    worker
        .namespace("PIERHEAD", "Pierhead", "coordinator")
        .gateway("GATEWAY", "coordinator", json!({}))
        .text("DB_USER", "scram_user")
}

pub(super) fn bound() -> Worker {
    let worker = Worker::from_directory("bound", built("bound").unwrap());
    worker.namespace("PIERHEAD", "Pierhead", "coordinator")
}

pub(super) fn embedded(variables: &[(String, String)]) -> Worker {
    let worker = Worker::from_directory("embedded", built("embedded").unwrap())
        .durable_object("Pierhead")
        .namespace("PIERHEAD", "Pierhead", "embedded");
    with_variables(worker, variables)
}

/// The guide's Worker twice: with a coordinator of its own, and with the one that runs by itself.
pub(super) fn guides(variables: &[(String, String)]) -> [Worker; 2] {
    let own = Worker::from_directory("guide", built("guide").unwrap())
        .durable_object("Pierhead")
        .namespace("PIERHEAD", "Pierhead", "guide");
    let bound = Worker::from_directory("guide-bound", built("guide").unwrap());
    [with_variables(own, variables), bound.namespace("PIERHEAD", "Pierhead", "coordinator")]
}

/// Workers with a driver or an ORM of others on top of the client.
pub(super) fn drivers() -> [Worker; 2] {
    ["tokio-postgres", "sea-orm"].map(|name| {
        Worker::from_directory(name, built(name).unwrap())
            .namespace("PIERHEAD", "Pierhead", "coordinator")
            .text("DB_USER", "scram_user")
    })
}

fn with_variables(worker: Worker, variables: &[(String, String)]) -> Worker {
    variables.iter().fold(worker, |worker, (name, value)| worker.text(name, value))
}

/// Fetches the status page of an object, which only a binding reaches, or calls a method by name.
pub(super) fn peek() -> Worker {
    const SCRIPT: &str = r#"
export default {
  async fetch(request, env) {
    const asked = new URL(request.url).searchParams;
    const object = env.PIERHEAD.getByName(asked.get("db"));
    if (!asked.has("call")) return object.fetch("http://object/status");
    const answer = await object[asked.get("call")]().catch(String);
    return new Response(String(answer));
  },
};
"#;
    Worker::from_script("peek", SCRIPT).namespace("PIERHEAD", "Pierhead", "coordinator")
}

/// A coordinator that never answers; the Worker in front of it tells how often it was aborted.
pub(super) fn silent() -> Worker {
    const SCRIPT: &str = r#"
import { DurableObject } from "cloudflare:workers";
export class Pierhead extends DurableObject {
  #aborted = 0;
  exchange() { return new Promise((resolve) => setTimeout(resolve, 60_000)); }
  abort() { this.#aborted += 1; }
  fetch() { return new Response(String(this.#aborted)); }
}
export default { fetch: (request, env) => env.SELF.getByName("main").fetch(request) };
"#;
    Worker::from_script("silent", SCRIPT)
        .durable_object("Pierhead")
        .namespace("SELF", "Pierhead", "silent")
}

/// A Worker that is bound to the gateway: `/rpc?db=main` asks for a value in one request, `/lease`
/// in a lease of two, `/socket` opens a WebSocket there.
pub(super) fn gateway_caller(name: &str, props: Value) -> Worker {
    Worker::from_script(name, CALLER).gateway("GATEWAY", "coordinator", props)
}

/// The same at the other end of a wire; see `WorkerdConfig::far_gateway`.
pub(super) fn far_gateway_caller(name: &str, far: &str) -> Worker {
    Worker::from_script(name, CALLER).service("GATEWAY", far)
}

const CALLER: &str = include_str!("gateway/caller.js");

/// Passes the bytes of TCP connections, and WebSockets, on to the object, as they come.
pub(super) fn wire() -> Worker {
    const SCRIPT: &str = r#"
export default {
  async connect(socket, env) {
    const far = env.PIERHEAD.getByName("main").connect("pierhead:5432");
    await Promise.allSettled([socket.readable.pipeTo(far.writable), far.readable.pipeTo(socket.writable)]);
  },
  fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== "/socket") return new Response("ready");
    const object = env.PIERHEAD.getByName(searchParams.get("db") ?? "main");
    return object.fetch(new Request("https://pierhead/socket", request));
  },
};
"#;
    let worker = Worker::from_script("wire", SCRIPT).tcp();
    worker.namespace("PIERHEAD", "Pierhead", "coordinator")
}

/// Runs envelopes through a lease, and then does with it what the story wants: returns, throws,
/// disposes of it, or holds it until its own caller goes away.
pub(super) fn holder() -> Worker {
    const SCRIPT: &str = r#"
const decode = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const encode = (bytes) => btoa(String.fromCharCode(...bytes));
async function ask(target, request) {
  const answer = await target.exchange(decode(request), () => {});
  if (answer instanceof Uint8Array) return encode(answer);
  return encode(new Uint8Array(await new Response(answer).arrayBuffer()));
}
export default {
  async fetch(request, env) {
    const asked = new URL(request.url).searchParams;
    const object = env.PIERHEAD.getByName("main");
    const options = asked.has("options") ? decode(asked.get("options")) : undefined;
    const lease = object.begin(options);
    const answers = [];
    try {
      if (asked.has("pipelined")) {
        answers.push(...await Promise.all(asked.getAll("r").map((r) => ask(lease, r))));
      } else {
        for (const r of asked.getAll("r")) answers.push(await ask(lease, r));
      }
      switch (asked.get("then")) {
        case "hold": await scheduler.wait(600_000); break;
        case "abort": {
          const call = ask(lease, asked.get("slow"));
          await scheduler.wait(Number(asked.get("after")));
          await lease.abort(decode(asked.get("slow")).slice(5, 21));
          answers.push(await call);
          break;
        }
        case "dispose":
          lease[Symbol.dispose]();
          answers.push(await ask(object, asked.get("alone")));
          break;
      }
    } catch (error) {
      return Response.json({ error: String(error) });
    }
    if (asked.get("then") === "throw") throw new Error("as the story wants it");
    return Response.json({ answers });
  },
};
"#;
    let worker = Worker::from_script("holder", SCRIPT);
    worker.namespace("PIERHEAD", "Pierhead", "coordinator")
}
