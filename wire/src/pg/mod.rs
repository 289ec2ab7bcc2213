//! PostgreSQL framing.
