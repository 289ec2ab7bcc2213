//! What the emulated tunnel and the plain proxy share: knobs, counters, delay, the serving thread.

mod controls;
mod counters;
mod delay;
mod knobs;
mod pump;
mod server;

pub use controls::Controls;
pub use counters::{Counters, Limits, Stats};
pub use knobs::{Answer, Knobs, Settings};

pub(crate) use counters::OpenStream;
pub(crate) use delay::{Line, LineEnd, LineItem, line, sleep_until};
pub(crate) use knobs::{Cut, Generation};
pub(crate) use pump::{from_database, linger};
pub(crate) use server::Server;
