//! pierhead-coordinator
