//! What a client asks for: random exchanges, honest, awkward and forbidden ones.

mod awkward;

use super::message::{put, put_cstr};
use super::rng::Rng;

/// One exchange's protocol bytes.
#[derive(Clone, Debug)]
pub struct Script {
    /// The messages.
    pub protocol: Vec<u8>,
    /// What sort it is, for the trace.
    pub kind: Kind,
    /// The ids it inserts, all of them unique in the run.
    pub inserts: Vec<u64>,
}

/// Sorts of exchanges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// One statement by the extended protocol.
    Single,
    /// Several, with one `Sync`.
    Batch,
    /// One or two simple queries.
    Simple,
    /// A named statement and portal that are not closed.
    Named,
    /// A transaction, ended.
    Transaction,
    /// A transaction that is not ended.
    LeftOpen,
    /// Several `Sync`s.
    Segments,
    /// A portal read in parts.
    Suspended,
    /// COPY out, or in with data.
    Copy,
    /// COPY in without data.
    CopyWithoutData,
    /// COPY in without data, and more messages behind it, which the server throws away or takes
    /// for a broken COPY.
    CopyMess,
    /// A result of more than a mebibyte.
    Large,
    /// Not allowed.
    Forbidden,
}

/// The mark in every text of a client's SQL.
#[must_use]
pub fn mark(client: u64) -> String {
    format!("/*c{client}*/")
}

/// How likely the rarer sorts are.
#[derive(Clone, Copy, Debug)]
pub struct Taste {
    /// In a hundred.
    pub large: u64,
    /// In a hundred, among statements.
    pub slow: u64,
    /// Longest time of a slow statement.
    pub slow_ms: u64,
}

/// Writes a script for `client`.
#[must_use]
pub fn write(rng: &mut Rng, client: u64, taste: Taste) -> Script {
    let mut writer = Writer { out: Vec::new(), rng, client, values: 0, inserts: Vec::new(), taste };
    let kind = writer.kind();
    writer.exchange(kind);
    Script { protocol: writer.out, kind, inserts: writer.inserts }
}

struct Writer<'a> {
    out: Vec<u8>,
    rng: &'a mut Rng,
    client: u64,
    values: u64,
    inserts: Vec<u64>,
    taste: Taste,
}

impl Writer<'_> {
    fn kind(&mut self) -> Kind {
        if self.rng.chance(self.taste.large) {
            return Kind::Large;
        }
        const KINDS: [(Kind, u64); 12] = [
            (Kind::Single, 30),
            (Kind::Batch, 14),
            (Kind::Simple, 14),
            (Kind::Named, 8),
            (Kind::Transaction, 8),
            (Kind::LeftOpen, 6),
            (Kind::Segments, 6),
            (Kind::Suspended, 3),
            (Kind::Copy, 4),
            (Kind::CopyWithoutData, 3),
            (Kind::CopyMess, 2),
            (Kind::Forbidden, 3),
        ];
        KINDS[self.rng.weighted(&KINDS.map(|(_, weight)| weight))].0
    }

    fn exchange(&mut self, kind: Kind) {
        match kind {
            Kind::Single => {
                let sql = self.statement();
                self.extended(&sql);
                self.sync();
            }
            Kind::Batch => {
                self.some_extended(2, 6);
                self.sync();
            }
            Kind::Simple => self.simple(),
            Kind::Named => self.named(),
            Kind::Transaction => self.transaction(true),
            Kind::LeftOpen => self.transaction(false),
            Kind::Segments => {
                for _ in 0..self.rng.within(2, 4) {
                    self.some_extended(1, 3);
                    self.sync();
                }
            }
            Kind::Suspended => self.suspended(),
            Kind::Copy => self.copy(),
            Kind::CopyWithoutData => self.copy_without_data(),
            Kind::CopyMess => self.copy_mess(),
            Kind::Large => {
                let huge = self.rng.chance(12);
                let rows = if huge { self.rng.within(120, 150) } else { self.rng.within(13, 40) };
                let size = self.rng.within(60_000, 90_000);
                let value = self.value();
                self.extended(&format!("rows {rows} {size} {value}"));
                self.sync();
            }
            Kind::Forbidden => self.forbidden(),
        }
    }

    fn value(&mut self) -> String {
        self.values += 1;
        format!("c{}v{}", self.client, self.values)
    }

    fn insert(&mut self) -> u64 {
        let id = self.client * 100 + self.inserts.len() as u64;
        self.inserts.push(id);
        id
    }

    fn statement(&mut self) -> String {
        if self.rng.chance(self.taste.slow) {
            let (ms, value) = (self.rng.within(1, self.taste.slow_ms), self.value());
            return format!("slow {ms} {value}");
        }
        let name = self.rng.pick(&["x", "y"]);
        match self.rng.weighted(&[22, 8, 30, 3, 5, 12, 10, 2, 1]) {
            0 => format!("echo {}", self.value()),
            1 => format!("rows {} 0 {}", self.rng.within(0, 8), self.value()),
            2 => format!("insert {}", self.insert()),
            3 => format!("deferred {}", self.insert()),
            4 => format!("fail {}", self.rng.pick(&["23505", "40001", "22p02", "57014", "xx000"])),
            5 => format!("show {name}"),
            6 => {
                let how = self.rng.pick(&[
                    "set",
                    "do",
                    "listen",
                    "prepare",
                    "declare c cursor with hold for",
                    "call",
                    "execute",
                    "select set_config",
                    "select pg_advisory_lock",
                    "create temp",
                ]);
                // Without it, it ends with its transaction.
                let hold = if how == "declare" { " with hold" } else { "" };
                format!("{how} {name} {}{hold}", self.value())
            }
            7 => String::new(),
            _ => format!("load {name} {}", self.value()),
        }
    }

    fn some_extended(&mut self, low: u64, high: u64) {
        for _ in 0..self.rng.within(low, high) {
            let sql = self.statement();
            self.extended(&sql);
            if self.rng.chance(5) {
                put(&mut self.out, b'H', |_| {});
            }
        }
    }

    /// Parse, Bind, Describe, Execute of the unnamed statement.
    fn extended(&mut self, sql: &str) {
        self.parse("", sql);
        self.bind("", "");
        if self.rng.chance(80) {
            self.target(b'D', b'P', "");
        }
        self.execute("", 0);
    }

    fn parse(&mut self, name: &str, sql: &str) {
        let text = format!("{} {sql}", mark(self.client));
        put(&mut self.out, b'P', |out| {
            put_cstr(out, name);
            put_cstr(out, &text);
            out.extend([0, 0]);
        });
    }

    fn bind(&mut self, portal: &str, statement: &str) {
        put(&mut self.out, b'B', |out| {
            put_cstr(out, portal);
            put_cstr(out, statement);
            out.extend([0; 6]);
        });
    }

    fn target(&mut self, tag: u8, kind: u8, name: &str) {
        put(&mut self.out, tag, |out| {
            out.push(kind);
            put_cstr(out, name);
        });
    }

    fn execute(&mut self, portal: &str, limit: u32) {
        put(&mut self.out, b'E', |out| {
            put_cstr(out, portal);
            out.extend(limit.to_be_bytes());
        });
    }

    fn query(&mut self, sql: &str) {
        let text = format!("{} {sql}", mark(self.client));
        put(&mut self.out, b'Q', |out| put_cstr(out, &text));
    }

    fn sync(&mut self) {
        put(&mut self.out, b'S', |_| {});
    }

    fn simple(&mut self) {
        for _ in 0..self.rng.within(1, 2) {
            let count = self.rng.within(1, 4);
            let statements: Vec<String> = (0..count).map(|_| self.statement()).collect();
            self.query(&statements.join(";"));
        }
        if self.rng.chance(10) {
            self.sync();
        }
    }

    fn named(&mut self) {
        let sql = self.statement();
        self.parse("s1", &sql);
        self.target(b'D', b'S', "s1");
        let portal = self.rng.pick(&["", "p1"]);
        self.bind(portal, "s1");
        self.target(b'D', b'P', portal);
        self.execute(portal, 0);
        if self.rng.chance(30) {
            self.target(b'C', b'S', "s1");
        }
        self.sync();
    }

    fn transaction(&mut self, ends: bool) {
        let one_query = self.rng.chance(30);
        let mut statements = vec!["begin".to_owned()];
        for _ in 0..self.rng.within(0, 4) {
            statements.push(self.statement());
        }
        if ends {
            statements.push(self.rng.pick(&["commit", "commit", "rollback"]).to_owned());
            if self.rng.chance(20) {
                statements.push(self.statement());
            }
        }
        if one_query {
            return self.query(&statements.join(";"));
        }
        for sql in &statements {
            self.extended(sql);
            if self.rng.chance(20) {
                self.sync();
            }
        }
        self.sync();
    }

    fn suspended(&mut self) {
        let value = self.value();
        let rows = self.rng.within(0, 9);
        self.parse("", &format!("rows {rows} 0 {value}"));
        self.bind("", "");
        for _ in 0..self.rng.within(1, 3) {
            self.execute("", 4);
        }
        self.sync();
    }
}
