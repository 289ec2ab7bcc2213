//! pierhead-engine
