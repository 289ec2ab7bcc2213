//! pierhead-client
