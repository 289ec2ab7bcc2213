//! One simulated caller: its request, its patience, and what it was answered.

use bytes::Bytes;
use pierhead_wire::envelope::{AnswerReader, Outcome, Record};

use super::expect::Expected;
use super::script::Script;

/// One caller.
#[derive(Debug)]
pub(super) struct Caller {
    /// What it asks for.
    pub(super) script: Script,
    /// The answer to expect; `None` if it must be refused.
    pub(super) expected: Option<Expected>,
    /// It gives itself a name: who does are a class of their own.
    pub(super) named: bool,
    /// The envelope.
    pub(super) request: Bytes,
    /// The id in it.
    pub(super) request_id: [u8; 16],
    /// The deadline in it, in milliseconds; 0 for none.
    pub(super) remaining: u64,
    /// When it came; `None` before.
    pub(super) came: Option<u64>,
    /// When the engine was told that it is gone.
    pub(super) gone: bool,
    /// It is dead, which the engine learns when it asks.
    pub(super) dead: bool,
    /// Somebody asked for its end.
    pub(super) aborted: bool,
    /// It reads its stream slowly.
    pub(super) slow_reader: bool,
    /// Its answer is a stream.
    pub(super) streamed: bool,
    /// Bytes written to it that it has not taken.
    pub(super) untaken: usize,
    /// An event will take some.
    pub(super) reading: bool,
    /// How often its request was written to a session.
    pub(super) grants: u32,
    /// Stream and position of the last such write.
    pub(super) written: Option<(u64, u64)>,
    /// It holds a session and was asked whether it lives before its request is sent: others may
    /// be served meanwhile.
    pub(super) verified: bool,
    /// The database's messages in its answer.
    pub(super) data: Vec<u8>,
    /// The end of its answer.
    pub(super) outcome: Option<Outcome>,
    reader: AnswerReader,
}

impl Caller {
    /// A client that has not come yet.
    #[must_use]
    pub(super) fn new(script: Script, expected: Option<Expected>, request: Bytes) -> Self {
        Self {
            script,
            expected,
            named: false,
            request,
            request_id: [0; 16],
            remaining: 0,
            came: None,
            gone: false,
            dead: false,
            aborted: false,
            slow_reader: false,
            streamed: false,
            untaken: 0,
            reading: false,
            grants: 0,
            written: None,
            verified: false,
            data: Vec::new(),
            outcome: None,
            reader: AnswerReader::new(),
        }
    }

    /// Whether the engine may still name it.
    #[must_use]
    pub(super) fn is_open(&self) -> bool {
        self.came.is_some() && !self.gone && self.outcome.is_none()
    }

    /// Whether it waits for a session it never had.
    #[must_use]
    pub(super) fn is_waiting(&self) -> bool {
        self.is_open() && self.grants == 0
    }

    /// Takes a part of the answer: whole, or of a stream, the last one if `end`. Tells how many
    /// bytes it had, and whether it begins a stream.
    ///
    /// # Errors
    /// The rule that it breaks, and how.
    pub(super) fn take(
        &mut self,
        bytes: &[Bytes],
        streamed: bool,
        end: bool,
    ) -> Result<(usize, bool), (&'static str, String)> {
        let begins = streamed && !self.streamed && !end;
        if self.streamed && !streamed || (streamed && !self.streamed && end) {
            return Err(("boundary", "it gets a whole answer and a stream".into()));
        }
        self.streamed |= streamed;
        let mut size = 0;
        for piece in bytes {
            size += piece.len();
            self.read(piece.clone()).map_err(malformed)?;
        }
        if streamed {
            self.untaken += size;
        }
        if end {
            self.end().map_err(malformed)?;
        } else if self.outcome.is_some() {
            return Err(malformed("it has its outcome before its end".into()));
        }
        Ok((size, begins))
    }

    /// Reads a piece of the answer.
    ///
    /// # Errors
    /// What is wrong with it.
    fn read(&mut self, piece: Bytes) -> Result<(), String> {
        if self.outcome.is_some() {
            return Err("bytes after the outcome".into());
        }
        self.reader.push(piece);
        while let Some(record) = self.reader.next().map_err(|e| format!("{e:?}"))? {
            match record {
                Record::Data(_) if self.outcome.is_some() => {
                    return Err("data after the outcome".into());
                }
                Record::Data(data) => self.data.extend_from_slice(&data),
                Record::Outcome(_) if self.outcome.is_some() => {
                    return Err("a second outcome".into());
                }
                Record::Outcome(outcome) => self.outcome = Some(outcome),
            }
        }
        Ok(())
    }

    /// Checks that the answer is whole.
    ///
    /// # Errors
    /// What is missing.
    fn end(&self) -> Result<(), String> {
        self.reader.finish().map_err(|e| format!("{e:?}"))?;
        if self.outcome.is_none() {
            return Err("the answer ends without an outcome".into());
        }
        Ok(())
    }
}

fn malformed(how: String) -> (&'static str, String) {
    ("1 well-formed", format!("its answer: {how}"))
}
