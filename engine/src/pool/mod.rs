//! The pool's parts, each a rule that can be read and tested alone. [`crate::core`] puts them
//! together.

pub(crate) mod answer;
pub(crate) mod budget;
pub(crate) mod client;
pub(crate) mod health;
pub(crate) mod session;
pub(crate) mod timers;
