//! The Worker that crashes Durable Objects on demand.

use super::config::Worker;

/// Its name.
pub(super) const NAME: &str = "crash-control";

const SCRIPT: &str = r#"
import unsafe from "workerd:unsafe";
export default {
  async fetch(request) {
    if (new URL(request.url).pathname !== "/abort-all") return new Response(null, { status: 404 });
    await unsafe.abortAllDurableObjects();
    return new Response("aborted");
  },
};
"#;

pub(super) fn worker() -> Worker {
    Worker::from_script(NAME, SCRIPT).flag("unsafe_module")
}
