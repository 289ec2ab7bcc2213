//! The exchange envelope (`docs/protocol.md`, section 1).
