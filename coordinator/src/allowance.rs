//! The one number that all objects of an isolate share.

use pierhead_engine::Allowance;

thread_local! {
    /// Bytes that the coordinators of this isolate hold together. They share one wasm memory, which
    /// never shrinks, so what one holds is taken from the others; and JavaScript, which knows them
    /// all, must not decide. It is a count and nothing else: no I/O and no future of one object ever
    /// hangs on it. A trap, which makes every core anew, makes the count anew with them.
    static SHARED: Allowance = Allowance::default();
}

/// A handle on it.
pub(crate) fn of_the_isolate() -> Allowance {
    SHARED.with(Allowance::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_coordinators_of_an_isolate_count_together() {
        assert!(of_the_isolate().is_shared_with(&of_the_isolate()));
    }
}
