//! pierhead-config
