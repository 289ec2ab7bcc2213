//! pierhead-tests
