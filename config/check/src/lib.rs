//! The parser of a database's configuration for programs in Node: `npx pierhead check` and `dev` say
//! what the coordinator would say, in its words.
//!
//! Built for `wasm32-unknown-unknown` and nothing else (`xtask/src/package.rs`). What goes in and out goes
//! byte by byte, as numbers: there is no memory to be shared, and no glue to be made for it. Every Node that
//! the package runs on takes it, which cannot be said of the coordinator's own module.

mod answer;
mod limits;

use std::cell::RefCell;

pub use answer::answer;
use limits::QUESTION_BYTES_MAX;

thread_local! {
    static QUESTION: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static ANSWER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// One more byte of the question; what is too long is cut off.
#[expect(unsafe_code, reason = "an export's name; nothing else in the module has one")]
#[unsafe(no_mangle)]
pub extern "C" fn put(byte: u32) {
    QUESTION.with_borrow_mut(|question| {
        if question.len() < QUESTION_BYTES_MAX {
            question.push(byte as u8);
        }
    });
}

/// Answers the question, and forgets it; gives the bytes of the answer.
#[expect(unsafe_code, reason = "an export's name; nothing else in the module has one")]
#[unsafe(no_mangle)]
pub extern "C" fn ask() -> u32 {
    let question = QUESTION.take();
    let text = answer(&String::from_utf8_lossy(&question));
    ANSWER.replace(text.into_bytes());
    ANSWER.with_borrow(|answer| answer.len() as u32)
}

/// A byte of the answer; 0 behind its end.
#[expect(unsafe_code, reason = "an export's name; nothing else in the module has one")]
#[unsafe(no_mangle)]
pub extern "C" fn get(at: u32) -> u32 {
    ANSWER.with_borrow(|answer| answer.get(at as usize).copied().unwrap_or(0).into())
}
