//! The sans-I/O coordinator: sessions, pool, waiters, limits, reset.
//!
//! The engine decides everything about one database's pool and does nothing itself. A shell (the
//! Durable Object, or a native one in tests) drives it:
//!
//! 1. something happens: the shell calls [`Engine::handle`] with the time and one [`Input`];
//! 2. it calls [`Engine::poll_output`] until that returns `None`, and does what each [`Output`]
//!    says, in order;
//! 3. it asks [`Engine::poll_timeout`] when to call `handle` with [`Input::TimePassed`] at the
//!    latest, arms a timer for the active deadline and an alarm for the housekeeping one, and
//!    waits.
//!
//! One input, full drain, then sleep. An output's consequence (a stream that cannot be opened, a
//! write to a stream that is closing) comes back as an input of its own, never from inside a call.
//!
//! What holds at all times:
//!
//! - No client gets a byte that answers another: replies are checked one by one against what was
//!   sent, and a session whose replies do not fit is closed.
//! - A session is in exactly one state; [`crate::io`] never names a stream or client that is gone.
//! - A request is sent again only if the transport accepted not a byte of it.
//! - Sessions, opening and ending ones included, never exceed the cap.
//! - There is no clock, randomness or hash map in here: the same seed and inputs give the same
//!   outputs.
//!
//! ```
//! use pierhead_engine::{Engine, Input, Output, Settings, time::Instant};
//!
//! let settings = Settings { user: "app".into(), database: "app".into(), ..Settings::default() };
//! let mut engine = Engine::new(Instant(0), settings, [7; 32]);
//! engine.handle(Instant(1), Input::TimePassed);
//! while let Some(output) = engine.poll_output() {
//!     match output {
//!         Output::Write { .. } => { /* send it */ }
//!         _ => { /* and so on */ }
//!     }
//! }
//! assert_eq!(engine.poll_timeout().active, None);
//! ```

/// True while this bug is planted: never, in builds without `--cfg sabotage`.
#[cfg(sabotage)]
macro_rules! planted {
    ($bug:ident) => {
        crate::sabotage::active(crate::sabotage::Bug::$bug)
    };
}

#[cfg(not(sabotage))]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}

pub mod accounts;
pub mod allowance;
mod auth;
mod core;
mod database;
mod failure;
#[cfg(any(fuzzing, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod ids;
pub mod io;
pub mod limits;
mod link;
mod parts;
mod pool;
mod rng;
#[cfg(sabotage)]
pub mod sabotage;
pub mod settings;
mod sql;
mod state;
mod statements;
pub mod states;
mod table;
pub mod time;

pub use crate::allowance::Allowance;
pub use crate::core::Engine;
pub use crate::core::status::{LinkCredit, Status};
pub use crate::io::{Event, Input, Level, Mode, Output, Refusal, RefusalKind, Terms};
pub use crate::parts::Parts;
pub use crate::settings::{ResetPolicy, Settings, StatePolicy, Way};
