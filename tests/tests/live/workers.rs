//! The Workers of a world: the coordinator, those that ask it, and those that look at it.

use pierhead_tests::workerd::{Worker, built};

use serde_json::Value;

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
    worker.namespace("PIERHEAD", "Pierhead", "coordinator")
}

/// The Worker on the npm package (`worker-client/js/test/worker`).
pub(super) fn typescript() -> Worker {
    let worker = Worker::from_directory("typescript", built("typescript").unwrap());
    worker
        .namespace("PIERHEAD", "Pierhead", "coordinator")
        .gateway("GATEWAY", "coordinator", serde_json::json!({}))
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

fn with_variables(worker: Worker, variables: &[(String, String)]) -> Worker {
    variables.iter().fold(worker, |worker, (name, value)| worker.text(name, value))
}

/// Fetches the status page of an object, which only a binding reaches.
pub(super) fn peek() -> Worker {
    const SCRIPT: &str = r#"
export default {
  fetch(request, env) {
    const name = new URL(request.url).searchParams.get("db");
    return env.PIERHEAD.getByName(name).fetch("http://object/status");
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

const CALLER: &str = include_str!("gateway/caller.js");
