//! The coordinator: the Durable Object that holds one database's pool.
//!
//! A thin shell around [`pierhead_engine`]. Platform events come in as synchronous calls on
//! [`PierheadCore`]; each feeds one input to the engine, does everything the engine says, and arms
//! what wakes it next. No promise and no future crosses into Rust: JavaScript (`js/`) holds the
//! callers, the streams, one timer and one alarm, by number.
//!
//! ```text
//! exchange, begin, connect,     js/coordinator.mjs   class Pierhead extends DurableObject
//! fetch, alarm                  js/calls.mjs         who waits for an answer, and leases
//!         │    ▲ answers        js/sockets.mjs       clients that speak PostgreSQL themselves
//!         ▼    │                js/links.mjs         WebSockets of agents, which hibernate
//! core.rs  PierheadCore ──▶ driver.rs ──▶ engine     one input, full drain, then sleep
//!         │    ▲ events
//!         ▼    │
//! js/websocket.mjs, js/tcp.mjs                       one stream each, to the database
//! ```
//!
//! While the object hibernates, only the agents' WebSockets are there. The next event makes a new
//! [`PierheadCore`], which is told of each of them, with what the engine attached to it, before
//! that event.
//!
//! The JavaScript is part of the built module: a Worker's entry needs only
//!
//! ```js
//! import worker, { PierheadCore } from "./build/index.js";
//! export class Pierhead extends PierheadCore.durableObject(PierheadCore) {}
//! export default class extends worker {
//!   // An agent that dials in, or null for any other request.
//!   fetch(request) {
//!     return PierheadCore.dialIn(request, this.env, this.env.PIERHEAD) ?? super.fetch(request);
//!   }
//! }
//! ```

mod allowance;
mod config;
mod core;
mod door;
mod driver;
mod gateway;
mod host;
pub mod limits;
mod refuse;
mod status;
mod wake;

pub use self::core::PierheadCore;

// Linked for the start-up code that worker-build looks for, not used by name.
use worker as _;
