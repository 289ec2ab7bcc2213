//! The protocol after start-up: messages, simple queries, and what an error skips.

use super::backend::{Backend, Copying, Phase, Piece, Slow};
use super::command::Command;
use super::database::Database;
use super::lexer::split;
use super::reader::{Malformed, Reader};
use super::reply::{Failure, complete, row};
use super::run::{Done, aborted, syntax_error};
use super::session::How;
use crate::sim::message::{put, put_report};

/// Types of messages that clients may send.
const KNOWN: &[u8] = b"QPBDECSHFXdcf";

/// Types whose messages are small, and how small.
const SMALL: &[u8] = b"DECSHXc";
const SMALL_MAX: usize = 10_000;
const LARGE_MAX: usize = 0x3fff_ffff;

/// What the input begins with.
enum Head<'a> {
    /// Not enough to tell.
    Part,
    /// A message of this type, with this body.
    Whole(u8, &'a [u8]),
    /// No client says this.
    UnknownType,
    /// Nor this; the server just goes.
    BadLength,
}

fn head<'a>(input: &mut &'a [u8]) -> Head<'a> {
    let Some(&tag) = input.first() else { return Head::Part };
    if !KNOWN.contains(&tag) {
        return Head::UnknownType;
    }
    let Some(length) = input.get(1..5) else { return Head::Part };
    let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
    let most = if SMALL.contains(&tag) { SMALL_MAX } else { LARGE_MAX };
    if !(4..=most).contains(&length) {
        return Head::BadLength;
    }
    let Some(body) = input.get(5..1 + length) else { return Head::Part };
    *input = &input[1 + length..];
    Head::Whole(tag, body)
}

impl Backend {
    /// Does what the input asks for.
    pub(super) fn run_input(&mut self, db: &mut Database, now: u64) {
        let mut input = std::mem::take(&mut self.input);
        let mut rest = input.as_slice();
        while self.slow.is_none() && matches!(self.phase, Phase::Ready) {
            if self.in_simple && self.copying.is_none() {
                self.next_piece(db, now);
            } else {
                match head(&mut rest) {
                    Head::Part => break,
                    Head::Whole(tag, body) => self.message(db, now, tag, body),
                    Head::UnknownType => {
                        db.seen.garbage += 1;
                        let text = "invalid frontend message type";
                        put_report(&mut self.output, b'E', "FATAL", "08P01", text);
                        self.end(db);
                    }
                    Head::BadLength => {
                        db.seen.garbage += 1;
                        self.end(db);
                    }
                }
            }
            self.release();
        }
        let used = input.len() - rest.len();
        input.drain(..used);
        self.input = input;
    }

    fn message(&mut self, db: &mut Database, now: u64, tag: u8, body: &[u8]) {
        if self.copying.is_some() {
            return self.copy_message(db, tag, body);
        }
        if self.skipping && tag != b'S' && tag != b'X' {
            return;
        }
        let outcome = match self.trips(db, tag) {
            Some(failure) => Err(failure),
            None if self.ended() => Ok(()),
            None => match tag {
                b'Q' => self.begin_simple(body),
                b'F' => self.call(db, body),
                b'S' => self.sync(db, body),
                // A client may ask for what it would get anyway.
                b'H' => {
                    self.session.urgent = self.output.len();
                    Ok(())
                }
                // COPY messages outside of COPY are ignored.
                b'd' | b'c' | b'f' => Ok(()),
                b'X' => {
                    self.end(db);
                    Ok(())
                }
                _ => self.extended(db, now, tag, body),
            },
        };
        if let Err(failure) = outcome {
            self.session.fail(&failure, &mut self.output);
            self.skipping = !b"QFS".contains(&tag);
            if !self.skipping {
                self.end_implicit_and_tell(db);
            }
        }
    }

    fn sync(&mut self, db: &mut Database, body: &[u8]) -> Result<(), Failure> {
        self.skipping = false;
        Reader::new(body).end()?;
        self.end_implicit_and_tell(db);
        Ok(())
    }

    /// Whether the message is the one that was chosen to fail.
    fn trips(&mut self, db: &mut Database, tag: u8) -> Option<Failure> {
        let trip = self.trip.as_mut().filter(|_| b"QFSPBDEC".contains(&tag))?;
        if trip.messages > 0 {
            trip.messages -= 1;
            return None;
        }
        let fatal = self.trip.take()?.fatal;
        if fatal {
            self.kill(db);
            return None;
        }
        Some(Failure::new("XX000", "failed as planned"))
    }

    fn begin_simple(&mut self, body: &[u8]) -> Result<(), Failure> {
        let mut body = Reader::new(body);
        let text = body.text()?;
        body.end()?;
        self.session.statements.remove("");
        let pieces = split(text).into_iter();
        let pieces =
            pieces.map(|text| Piece { text: text.to_owned(), command: Command::parse(text) });
        self.simple = pieces.filter(|piece| piece.command != Command::Empty).collect();
        if self.simple.iter().any(|piece| piece.command == Command::Unknown) {
            self.simple.clear();
            return Err(syntax_error());
        }
        if self.simple.is_empty() {
            put(&mut self.output, b'I', |_| {});
        }
        self.alone = self.simple.len() == 1;
        self.in_simple = true;
        Ok(())
    }

    fn next_piece(&mut self, db: &mut Database, now: u64) {
        let Some(piece) = self.simple.pop_front() else {
            self.in_simple = false;
            return self.end_implicit_and_tell(db);
        };
        self.session.portals.remove("");
        let how = How { simple: true, alone: self.alone, limit: 0, sent: 0 };
        match self.session.run(db, &piece.command, &[], how, &mut self.output) {
            Ok(Done::Complete(tag)) => self.complete(db, true, &tag),
            Ok(Done::Empty) => put(&mut self.output, b'I', |_| {}),
            Ok(Done::Suspended { .. }) => {}
            Ok(Done::Slow { ms, value }) => {
                self.slow = Some(Slow { text: piece.text, value, how, until: now + ms });
            }
            Ok(Done::CopyIn(table)) => self.copying = Some(Copying::new(true, &table)),
            Ok(Done::Dies) => self.kill(db),
            Err(failure) => {
                self.session.fail(&failure, &mut self.output);
                self.after_error(true);
            }
        }
    }

    /// A statement is done. The last one of a simple query is not before it is committed.
    pub(super) fn complete(&mut self, db: &mut Database, simple: bool, tag: &str) {
        if simple
            && self.simple.is_empty()
            && let Err(failure) = self.session.end_implicit(db)
        {
            return self.put_failure(&failure);
        }
        complete(tag, &mut self.output);
    }

    /// An error was written: a simple query ends, an extended one is skipped up to `Sync`.
    pub(super) fn after_error(&mut self, simple: bool) {
        if simple {
            self.simple.clear();
        } else {
            self.skipping = true;
        }
    }

    /// A slow statement has come to its end.
    pub(super) fn finish_slow(&mut self, db: &mut Database, slow: &Slow) {
        row(Some(slow.value.as_bytes()), &mut self.output);
        if slow.how.limit == 1 {
            put(&mut self.output, b's', |_| {});
        } else {
            self.complete(db, slow.how.simple, "SELECT 1");
        }
    }

    /// A function call.
    fn call(&mut self, db: &mut Database, body: &[u8]) -> Result<(), Failure> {
        /// `reverse(text)`.
        const REVERSE: u32 = 3062;
        db.seen.calls += 1;
        let mut body = Reader::new(body);
        let function = body.number32()?;
        for _ in 0..body.number16()? {
            body.number16()?;
        }
        let mut arguments = Vec::new();
        for _ in 0..body.number16()? {
            arguments.push(body.value()?);
        }
        body.number16()?;
        body.end()?;
        if self.session.failed() {
            return Err(aborted());
        }
        if function != REVERSE {
            return Err(Failure::new("42883", "the function does not exist"));
        }
        let [argument] = arguments.as_slice() else { return Err(Malformed.into()) };
        put(&mut self.output, b'V', |out| match argument {
            Some(text) => {
                out.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
                out.extend(text.iter().rev());
            }
            None => out.extend(u32::MAX.to_be_bytes()),
        });
        self.end_implicit_and_tell(db);
        Ok(())
    }

    /// An implicit transaction ends, and the client may go on.
    fn end_implicit_and_tell(&mut self, db: &mut Database) {
        if let Err(failure) = self.session.end_implicit(db) {
            self.put_failure(&failure);
        }
        self.session.put_notifications(db, &mut self.output);
        self.session.settings.report_changes(&mut self.output);
        let status = self.session.status();
        put(&mut self.output, b'Z', |out| out.push(status));
        self.session.urgent = self.output.len();
    }

    /// An error that leaves no transaction behind.
    fn put_failure(&mut self, failure: &Failure) {
        failure.put(&mut self.output);
        self.session.urgent = self.output.len();
    }
}
