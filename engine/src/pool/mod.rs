//! The pool's parts, each a rule that can be read and tested alone. [`crate::core`] puts them
//! together.

pub(crate) mod answer;
pub(crate) mod budget;
pub(crate) mod classes;
pub(crate) mod client;
pub(crate) mod health;
pub(crate) mod inbox;
pub(crate) mod ordered;
pub(crate) mod pieces;
pub(crate) mod places;
pub(crate) mod queue;
pub(crate) mod requests;
pub(crate) mod session;
pub(crate) mod socket;
pub(crate) mod stages;
pub(crate) mod timers;
pub(crate) mod transitions;
