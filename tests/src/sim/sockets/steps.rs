//! What a socket's client does, step by step: drivers' habits, good ones and bad ones.
//!
//! What a step says does not depend on what was answered, so that a story stays one when steps are
//! left out of it.

use crate::sim::message::{put, put_cstr, put_untagged};
use crate::sim::rng::Rng;
use crate::sim::script::{Taste, mark};
use crate::sim::server::STARTUP_CODE;

/// The request code of `SSLRequest`.
pub(super) const TLS_CODE: u32 = 80_877_103;
/// The request code of `GSSENCRequest`.
pub(super) const GSS_CODE: u32 = 80_877_104;

/// One step.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Its number in the story, which stays when others are left out.
    pub(super) number: usize,
    /// Milliseconds before it.
    pub(super) pause: u64,
    /// What is done.
    pub(super) deed: Deed,
}

/// What a client does.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// Says something, and perhaps waits for everything that is due.
    Say {
        /// What it is, for the story.
        what: &'static str,
        /// The bytes.
        bytes: Vec<u8>,
        /// Whether it waits for the answer.
        awaits: bool,
    },
    /// Sends a cancel request by another connection, with its own key or a wrong one.
    Cancel {
        /// With its own key.
        right: bool,
    },
    /// Leaves in order.
    Terminate,
    /// Is gone, with this share of what it said last not sent, in percent.
    Cut {
        /// The share.
        unsent: u64,
    },
}

/// The ids that the statements in this message insert.
pub(super) fn inserts(message: &[u8]) -> Vec<u64> {
    let key = b"insert ";
    let starts = message.windows(key.len()).enumerate().filter(|(_, w)| w == key);
    starts
        .map(|(at, _)| {
            let digits = message[at + key.len()..].iter().take_while(|b| b.is_ascii_digit());
            digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
        })
        .collect()
}

/// Writes the steps of one client.
pub(super) struct Writer<'a> {
    pub(super) rng: &'a mut Rng,
    pub(super) client: u64,
    pub(super) taste: Taste,
    /// Said since the last step was made.
    pub(super) out: Vec<u8>,
    pub(super) steps: Vec<Step>,
    values: u64,
    inserts: u64,
    /// Greatest pause between two steps.
    pub(super) leisure: u64,
    /// How often it relies on its session, among its habits.
    pub(super) pins: u64,
    /// Its statements are those whose plans break.
    pub(super) stars: bool,
    /// It notifies others, listens, and calls functions.
    pub(super) sociable: bool,
}

impl<'a> Writer<'a> {
    /// A story of `client`, in which nothing has happened.
    pub(super) fn new(rng: &'a mut Rng, client: u64, taste: Taste, leisure: u64) -> Self {
        let (out, steps) = (Vec::new(), Vec::new());
        Self {
            rng,
            client,
            taste,
            out,
            steps,
            values: 0,
            inserts: 0,
            leisure,
            pins: 0,
            stars: false,
            sociable: false,
        }
    }

    /// What was written becomes a step.
    pub(super) fn say(&mut self, what: &'static str, awaits: bool) {
        let bytes = std::mem::take(&mut self.out);
        if !bytes.is_empty() {
            self.step(Deed::Say { what, bytes, awaits });
        }
    }

    /// One more step.
    pub(super) fn step(&mut self, deed: Deed) {
        let pause = if self.rng.chance(60) { 0 } else { self.rng.below(self.leisure + 1) };
        self.steps.push(Step { number: self.steps.len(), pause, deed });
    }

    /// A value of this client that no other has.
    pub(super) fn value(&mut self) -> String {
        self.values += 1;
        format!("c{}v{}", self.client, self.values)
    }

    /// An id that nobody else inserts.
    pub(super) fn insert(&mut self) -> u64 {
        self.inserts += 1;
        self.client * 100 + self.inserts.min(99) - 1
    }

    /// The first packets.
    pub(super) fn start_up(&mut self, user: &str, database: &str) {
        if self.rng.chance(20) {
            let code = if self.rng.chance(80) { TLS_CODE } else { GSS_CODE };
            put_untagged(&mut self.out, |out| out.extend(code.to_be_bytes()));
            self.say("asks for encryption", true);
        }
        let named = self.rng.chance(30);
        self.start_up_packet(user, database, named);
        let awaits = self.rng.chance(85);
        self.say("starts up", awaits);
    }

    /// The packet itself, with an `application_name` of the client's own if `named`.
    pub(super) fn start_up_packet(&mut self, user: &str, database: &str, named: bool) {
        put_untagged(&mut self.out, |out| {
            out.extend(STARTUP_CODE.to_be_bytes());
            for (name, value) in [("user", user), ("database", database)] {
                put_cstr(out, name);
                put_cstr(out, value);
            }
            if named {
                put_cstr(out, "application_name");
                put_cstr(out, "drivers");
            }
            out.push(0);
        });
    }

    /// One statement without transaction control.
    pub(super) fn statement(&mut self) -> String {
        if self.rng.chance(self.taste.slow) {
            let (ms, value) = (self.rng.within(1, self.taste.slow_ms), self.value());
            return format!("slow {ms} {value}");
        }
        if self.rng.chance(self.taste.large) {
            let (rows, size) = (self.rng.within(2, 40), self.rng.within(1_000, 60_000));
            return format!("rows {rows} {size} {}", self.value());
        }
        match self.rng.weighted(&[30, 8, 30, 3, 6, 1]) {
            0 => format!("echo {}", self.value()),
            1 => format!("rows {} 0 {}", self.rng.within(0, 8), self.value()),
            2 => format!("insert {}", self.insert()),
            3 => format!("deferred {}", self.insert()),
            4 => format!("fail {}", self.rng.pick(&["23505", "40001", "22p02", "57014", "xx000"])),
            _ => String::new(),
        }
    }

    fn marked(&self, sql: &str) -> String {
        format!("{} {sql}", mark(self.client))
    }

    pub(super) fn query(&mut self, sql: &str) {
        let text = self.marked(sql);
        put(&mut self.out, b'Q', |out| put_cstr(out, &text));
    }

    /// A statement whose text other clients use as well.
    pub(super) fn parse_common(&mut self, name: &str, sql: &str) {
        put(&mut self.out, b'P', |out| {
            put_cstr(out, name);
            put_cstr(out, sql);
            out.extend([0, 0]);
        });
    }

    pub(super) fn parse(&mut self, name: &str, sql: &str) {
        let text = self.marked(sql);
        self.parse_common(name, &text);
    }

    pub(super) fn bind(&mut self, portal: &str, statement: &str) {
        put(&mut self.out, b'B', |out| {
            put_cstr(out, portal);
            put_cstr(out, statement);
            out.extend([0; 6]);
        });
    }

    pub(super) fn target(&mut self, tag: u8, kind: u8, name: &str) {
        put(&mut self.out, tag, |out| {
            out.push(kind);
            put_cstr(out, name);
        });
    }

    pub(super) fn execute(&mut self, portal: &str, limit: u32) {
        put(&mut self.out, b'E', |out| {
            put_cstr(out, portal);
            out.extend(limit.to_be_bytes());
        });
    }

    pub(super) fn sync(&mut self) {
        put(&mut self.out, b'S', |_| {});
    }

    pub(super) fn flush(&mut self) {
        put(&mut self.out, b'H', |_| {});
    }

    /// Parse, Bind, Describe, Execute of the unnamed statement.
    pub(super) fn extended(&mut self, sql: &str) {
        self.parse("", sql);
        self.bind("", "");
        if self.rng.chance(70) {
            self.target(b'D', b'P', "");
        }
        self.execute("", 0);
    }
}
