//! Reading one exchange's protocol bytes before they are sent: is it allowed, which replies must
//! come, and does it leave traces.

use std::collections::VecDeque;

use bytes::Bytes;
use pierhead_wire::pg::frontend::{self, Target};
use pierhead_wire::pg::scan::{Direction, Message, Piece, Scanner};
use pierhead_wire::pg::tag::frontend as tag;

use super::replies::Expect;
use super::signs::Signs;
use crate::limits::EXCHANGE_MESSAGES_MAX;

/// An exchange that may be sent.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What to send.
    pub(crate) bytes: Bytes,
    /// Which replies must come, in order.
    pub(crate) expects: VecDeque<Expect>,
    /// What its SQL shows.
    pub(crate) signs: Signs,
}

impl Plan {
    /// Reads an exchange.
    ///
    /// # Errors
    /// A text for people, when it is not allowed (`docs/protocol.md`, section 1.2).
    pub(crate) fn read(bytes: Bytes) -> Result<Self, String> {
        let mut reader = Reader::default();
        let mut scanner = Scanner::new(Direction::Frontend);
        scanner.push(bytes.clone());
        while let Some(piece) = scanner.next_piece().map_err(|e| format!("malformed: {e}"))? {
            match piece {
                Piece::Message(message) => reader.message(&message)?,
                Piece::Bulk { first, .. } => reader.copy_data(first)?,
            }
        }
        if !scanner.is_clean() {
            return Err("the last message is cut short".into());
        }
        reader.finish(bytes)
    }
}

#[derive(Default)]
struct Reader {
    messages: usize,
    expects: VecDeque<Expect>,
    signs: Signs,
    /// Inside a run of `CopyData` that is not ended yet.
    copying: bool,
    /// The last message is one that a ready point answers.
    complete: bool,
}

impl Reader {
    fn message(&mut self, message: &Message) -> Result<(), String> {
        self.count()?;
        if self.copying && !matches!(message.tag, tag::COPY_DONE | tag::COPY_FAIL) {
            return Err("CopyData must be followed by CopyDone or CopyFail".into());
        }
        self.complete = matches!(message.tag, tag::SYNC | tag::QUERY);
        let expect = match message.tag {
            tag::PARSE => {
                let parse = frontend::parse(message).ok_or("a malformed Parse")?;
                self.signs = self.signs.and(Signs::of_sql(parse.sql));
                // A named statement would outlive the exchange.
                self.signs.state |= !parse.name.is_empty();
                Expect::Parse
            }
            tag::QUERY => {
                let sql = frontend::query(message).ok_or("a malformed Query")?;
                self.signs = self.signs.and(Signs::of_sql(sql));
                Expect::Query { copy_data: false }
            }
            tag::DESCRIBE => match frontend::target(message).ok_or("a malformed Describe")? {
                Target::Statement => Expect::DescribeStatement,
                Target::Portal => Expect::DescribePortal,
            },
            tag::CLOSE => {
                frontend::target(message).ok_or("a malformed Close")?;
                Expect::Close
            }
            tag::BIND => Expect::Bind,
            tag::EXECUTE => Expect::Execute { copy_data: false },
            tag::SYNC => Expect::Sync,
            tag::FLUSH => return Ok(()),
            tag::COPY_DONE | tag::COPY_FAIL => {
                self.copying = false;
                return self.mark_copy_data();
            }
            other => {
                return Err(format!(
                    "message type {:?} is not allowed in an exchange",
                    char::from(other)
                ));
            }
        };
        self.expects.push_back(expect);
        Ok(())
    }

    fn copy_data(&mut self, first: bool) -> Result<(), String> {
        if first {
            self.count()?;
        }
        self.complete = false;
        self.copying = true;
        self.mark_copy_data()
    }

    /// The statement before COPY data is one that takes it.
    fn mark_copy_data(&mut self) -> Result<(), String> {
        match self.expects.back_mut() {
            Some(Expect::Execute { copy_data } | Expect::Query { copy_data }) => {
                *copy_data = true;
                Ok(())
            }
            _ => Err("COPY data must follow Execute or Query".into()),
        }
    }

    fn count(&mut self) -> Result<(), String> {
        self.messages += 1;
        if self.messages > EXCHANGE_MESSAGES_MAX {
            return Err(format!("more than {EXCHANGE_MESSAGES_MAX} messages in one exchange"));
        }
        Ok(())
    }

    fn finish(self, bytes: Bytes) -> Result<Plan, String> {
        if !self.complete {
            return Err("an exchange must end in Sync or Query".into());
        }
        Ok(Plan { bytes, expects: self.expects, signs: self.signs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use postgres_protocol::IsNull;
    use postgres_protocol::message::frontend as build;

    fn bytes(write: impl FnOnce(&mut BytesMut)) -> Bytes {
        let mut out = BytesMut::new();
        write(&mut out);
        out.freeze()
    }

    fn extended(out: &mut BytesMut, sql: &str) {
        build::parse("", sql, [], out).unwrap();
        let none = std::iter::empty::<i16>();
        let no_values = std::iter::empty::<i32>();
        let bind = build::bind("", "", none.clone(), no_values, |_, _| Ok(IsNull::Yes), none, out);
        assert!(bind.is_ok());
        build::describe(b'P', "", out).unwrap();
        build::execute("", 0, out).unwrap();
    }

    #[test]
    fn a_plan_knows_the_replies() {
        let plan = Plan::read(bytes(|out| {
            extended(out, "select 1");
            build::sync(out);
        }))
        .unwrap();
        let expected = [
            Expect::Parse,
            Expect::Bind,
            Expect::DescribePortal,
            Expect::Execute { copy_data: false },
            Expect::Sync,
        ];
        assert_eq!(plan.expects, expected);
        assert_eq!(plan.signs, Signs::default());
    }

    #[test]
    fn what_must_not_be_sent_is_refused() {
        let refused = |write: &dyn Fn(&mut BytesMut)| Plan::read(bytes(write)).unwrap_err();
        assert!(refused(&|_| {}).contains("must end in"));
        assert!(refused(&|out| extended(out, "select 1")).contains("must end in"));
        assert!(
            refused(&|out| {
                build::sync(out);
                build::terminate(out);
            })
            .contains("not allowed")
        );
        assert!(refused(&|out| out.extend_from_slice(b"S\0\0\0\x04Q\0\0")).contains("cut short"));
        assert!(refused(&|out| out.extend_from_slice(b"?\0\0\0\x04")).contains("unknown"));
        assert!(
            refused(&|out| {
                build::query("select 1", out).unwrap();
                build::sync(out);
                build::copy_done(out);
                build::sync(out);
            })
            .contains("must follow")
        );
    }

    #[test]
    fn copy_data_must_be_ended() {
        let cut = Plan::read(bytes(|out| {
            extended(out, "copy t from stdin");
            build::CopyData::new(&b"1\n"[..]).unwrap().write(out);
            build::sync(out);
        }));
        assert!(cut.unwrap_err().contains("CopyDone"));
        let whole = Plan::read(bytes(|out| {
            extended(out, "copy t from stdin");
            build::CopyData::new(&b"1\n"[..]).unwrap().write(out);
            build::copy_done(out);
            build::sync(out);
        }))
        .unwrap();
        assert!(whole.expects.contains(&Expect::Execute { copy_data: true }));
        assert!(whole.signs.copy_in);
    }

    #[test]
    fn a_named_statement_is_a_trace() {
        let plan = Plan::read(bytes(|out| {
            build::parse("s1", "select 1", [], out).unwrap();
            build::sync(out);
        }));
        assert!(plan.unwrap().signs.state);
    }
}
