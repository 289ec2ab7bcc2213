//! What the pool must know of PostgreSQL: what a request may contain, which replies it must get,
//! and which statements leave traces.

pub(crate) mod exchange;
pub(crate) mod replies;
pub(crate) mod signs;
pub(crate) mod transaction;
