//! The limit of the module.

/// Bytes of a question, 1 MiB; what is longer is cut off. A Worker may have 128 variables of 5 kB, so
/// nothing that can be deployed is cut.
pub(crate) const QUESTION_BYTES_MAX: usize = 1024 * 1024;
