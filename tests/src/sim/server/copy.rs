//! COPY that waits for data.

use super::backend::{Backend, Copying};
use super::database::Database;
use super::reply::Failure;
use crate::sim::message::put_report;

/// So many bytes of a line say whether it is a number.
const LINE_START: usize = 32;

impl Copying {
    pub(super) fn new(simple: bool, table: &str) -> Self {
        let numbers = table == "numbers";
        Self { simple, numbers, lines: 0, line: Vec::new(), open: false, cancelled: false }
    }

    /// Data arrived; false if a line of it is not what the table holds.
    fn take(&mut self, data: &[u8]) -> bool {
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let room = LINE_START.saturating_sub(self.line.len()).min(text.len());
            self.line.extend(&text[..room]);
            self.open = !ends;
            if ends && !self.end_line() {
                return false;
            }
        }
        true
    }

    fn end_line(&mut self) -> bool {
        let line = std::mem::take(&mut self.line);
        self.open = false;
        self.lines += 1;
        let is_number = std::str::from_utf8(&line).is_ok_and(|line| line.parse::<i32>().is_ok());
        !self.numbers || is_number
    }
}

impl Backend {
    /// A message while COPY waits for data. `Sync` and `Flush` are swallowed here.
    pub(super) fn copy_message(&mut self, db: &mut Database, tag: u8, body: &[u8]) {
        let Some(mut copying) = self.copying.take() else { return };
        match tag {
            b'd' | b'c' if copying.cancelled => {
                db.seen.cancelled += 1;
                let text = "canceling statement due to user request";
                self.copy_failed(&copying, &Failure::new("57014", text));
            }
            b'd' => {
                if !copying.take(body) {
                    let failure = Failure::new("22P02", "invalid input syntax for type integer");
                    return self.copy_failed(&copying, &failure);
                }
                self.copying = Some(copying);
            }
            b'c' => {
                if copying.open && !copying.end_line() {
                    let failure = Failure::new("22P02", "invalid input syntax for type integer");
                    return self.copy_failed(&copying, &failure);
                }
                self.complete(db, copying.simple, &format!("COPY {}", copying.lines));
            }
            b'S' | b'H' => self.copying = Some(copying),
            b'f' => {
                db.seen.copies_failed += 1;
                self.copy_failed(&copying, &Failure::new("57014", "COPY from stdin failed"));
            }
            b'X' if !db.loses_sync => self.end(db),
            _ => {
                db.seen.copies_failed += u64::from(tag == b'f');
                let text = "unexpected message type during COPY from stdin";
                self.copy_failed(&copying, &Failure::new("08P01", text));
                if db.loses_sync {
                    let text = "terminating connection because protocol synchronization was lost";
                    put_report(&mut self.output, b'E', "FATAL", "08P01", text);
                    self.end(db);
                }
            }
        }
    }

    fn copy_failed(&mut self, copying: &Copying, failure: &Failure) {
        self.session.fail(failure, &mut self.output);
        self.after_error(copying.simple);
    }
}
