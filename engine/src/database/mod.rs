//! What the pool must know of PostgreSQL: what a request may contain, which replies it must get,
//! and which statements leave traces.

pub(crate) mod effects;
pub(crate) mod exchange;
pub(crate) mod kept;
pub(crate) mod outgoing;
pub(crate) mod refused;
pub(crate) mod replies;
pub(crate) mod settle;
pub(crate) mod speaker;
pub(crate) mod talk;
pub(crate) mod texts;
pub(crate) mod transaction;
pub(crate) mod translate;
