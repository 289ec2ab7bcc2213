//! The program `pierhead`.

fn main() {}
