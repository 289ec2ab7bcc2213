//! Prepared statements: which there are, which a session has, and what clients call them.
//!
//! ```text
//!  client's name ──Names──▶ StatementId ──Interned──▶ text, types, facts, name on sessions
//!                                                       │
//!                        session: OnSession ◀───────────┘ number in that name
//! ```
//!
//! A client prepares under a name of its own. The text is interned once for all clients and has one
//! name on all sessions, with a number that is never used twice. A session remembers the numbers it
//! has; one that it lacks is parsed there again before it is used.
mod at_hand;
mod hash;
mod interned;
mod name;
mod names;
mod on_session;
mod order;
mod sightings;

pub(crate) use at_hand::AtHand;
pub(crate) use interned::{Interned, StatementId};
pub(crate) use names::Names;
pub(crate) use on_session::{Has, OnSession};
pub(crate) use sightings::Sightings;
