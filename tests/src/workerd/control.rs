//! The Worker that crashes Durable Objects on demand.

use super::config::Worker;

/// Its name.
pub(super) const NAME: &str = "crash-control";

const SCRIPT: &str = r#"
import unsafe from "workerd:unsafe";
export default {
  async fetch(request) {
    switch (new URL(request.url).pathname) {
      case "/abort-all":
        await unsafe.abortAllDurableObjects();
        return new Response("aborted");
      case "/hibernate-all":
        await unsafe.evictAllDurableObjects({ webSockets: "hibernate" });
        return new Response("asleep");
    }
    return new Response(null, { status: 404 });
  },
};
"#;

pub(super) fn worker() -> Worker {
    Worker::from_script(NAME, SCRIPT).flag("unsafe_module")
}
