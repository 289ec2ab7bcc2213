//! Reading one exchange's protocol bytes before they are sent: is it allowed.

use bytes::Bytes;
use pierhead_wire::pg::frontend;
use pierhead_wire::pg::scan::{Direction, HEADER, Message, Piece, Scanner};
use pierhead_wire::pg::tag::frontend as tag;

use crate::limits::EXCHANGE_MESSAGES_MAX;

/// An exchange that may be sent.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What to send.
    pub(crate) bytes: Bytes,
}

impl Plan {
    /// Reads an exchange.
    ///
    /// # Errors
    /// A text for people, when it is not allowed (`docs/protocol.md`, section 1.2).
    pub(crate) fn read(bytes: Bytes) -> Result<Self, String> {
        let mut reader = Reader::default();
        let mut scanner = Scanner::new(Direction::Frontend);
        let mut rest: &[u8] = &bytes;
        while let Some(piece) = scanner.next_whole(&mut rest) {
            match piece {
                Piece::Message(message) => reader.message(&message)?,
                Piece::Bulk { first, .. } => reader.copy_data(first)?,
            }
        }
        if !rest.is_empty() {
            let fault = scanner.next_piece(&mut bytes.slice_ref(rest));
            fault.map_err(|e| format!("malformed: {e}"))?;
            return Err("the last message is cut short".into());
        }
        if !reader.complete {
            return Err("an exchange must end in Sync or Query".into());
        }
        Ok(Self { bytes })
    }

    /// Its messages, one by one.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece<&[u8]>> {
        let mut rest: &[u8] = &self.bytes;
        std::iter::from_fn(move || {
            let &[tag, a, b, c, d, ..] = rest else { return None };
            // They were checked when they came.
            let size = u32::from_be_bytes([a, b, c, d]) as usize;
            let (raw, behind) = rest.split_at_checked(size.saturating_add(HEADER - 4))?;
            rest = behind;
            Some(match tag {
                tag::COPY_DATA => Piece::Bulk { tag, first: true, last: true, bytes: raw },
                _ => Piece::Message(Message { tag, raw }),
            })
        })
    }
}

#[derive(Default)]
struct Reader {
    messages: usize,
    /// Inside a run of `CopyData` that is not ended yet.
    copying: bool,
    /// COPY data may come: the last message is one that can ask for it.
    may_copy: bool,
    /// The last message is one that a ready point answers.
    complete: bool,
}

impl Reader {
    fn message(&mut self, message: &Message<&[u8]>) -> Result<(), String> {
        self.count()?;
        if self.copying && !matches!(message.tag, tag::COPY_DONE | tag::COPY_FAIL) {
            return Err("CopyData must be followed by CopyDone or CopyFail".into());
        }
        self.complete = matches!(message.tag, tag::SYNC | tag::QUERY);
        let well_formed = match message.tag {
            tag::PARSE => frontend::parse(message).is_some(),
            tag::QUERY => frontend::query(message).is_some(),
            tag::DESCRIBE | tag::CLOSE => frontend::target(message).is_some(),
            tag::BIND => frontend::bind(message).is_some(),
            tag::EXECUTE => frontend::execute(message).is_some(),
            tag::SYNC => true,
            tag::FLUSH => return Ok(()),
            tag::COPY_DONE | tag::COPY_FAIL => {
                if !self.may_copy {
                    return Err("COPY data must follow Execute or Query".into());
                }
                self.copying = false;
                return Ok(());
            }
            other => {
                let name = char::from(other);
                return Err(format!("message type {name:?} is not allowed in an exchange"));
            }
        };
        if !well_formed {
            return Err(format!("a malformed message of type {:?}", char::from(message.tag)));
        }
        self.may_copy = matches!(message.tag, tag::EXECUTE | tag::QUERY);
        Ok(())
    }

    fn copy_data(&mut self, first: bool) -> Result<(), String> {
        if first {
            self.count()?;
        }
        if !self.may_copy {
            return Err("COPY data must follow Execute or Query".into());
        }
        self.complete = false;
        self.copying = true;
        Ok(())
    }

    fn count(&mut self) -> Result<(), String> {
        self.messages += 1;
        if self.messages > EXCHANGE_MESSAGES_MAX {
            return Err(format!("more than {EXCHANGE_MESSAGES_MAX} messages in one exchange"));
        }
        Ok(())
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
        }));
        assert_eq!(whole.unwrap().pieces().count(), 7);
    }
}
