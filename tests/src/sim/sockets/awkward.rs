//! Habits that take some knowledge of the protocol to serve: COPY, portals, what pins a session.

use super::steps::Writer;
use crate::sim::message::{put, put_cstr};

impl Writer<'_> {
    /// State that only the session itself can hold, and what must be seen of it afterwards.
    pub(super) fn pinning(&mut self, awaits: bool) {
        let value = self.value();
        let table = format!("t{}", self.client);
        let sql = match self.rng.below(12) {
            0 | 1 => format!("create temp table {table} ()"),
            2 | 3 => format!("select from {table}"),
            4 => format!("prepare p1 as echo '{value}'"),
            5 => "execute p1".into(),
            6 => format!("declare k cursor with hold for rows 6 0 {value}"),
            7 => "fetch 2 from k".into(),
            8 => format!("listen l{}", self.client),
            9 => format!("select pg_try_advisory_lock({})", self.client),
            10 => format!("select set_config('app.a', '{value}', false)"),
            _ => "discard all".into(),
        };
        self.either(&sql, true);
        self.say("relies on its session", awaits);
        if self.rng.chance(50) {
            let sql = self.rng.pick(&["execute p1", "fetch 1 from k", "show app.a"]);
            let either = self.rng.chance(50);
            self.either(sql, either);
            self.say("relies on its session", true);
        }
    }

    /// Listens to its own channel, notifies another client's, or calls a function.
    pub(super) fn socially(&mut self, awaits: bool) {
        /// `reverse(text)`.
        const REVERSE: u32 = 3062;
        let (value, other) = (self.value(), self.rng.within(1, 9));
        let (simple, inside) = (self.rng.chance(60), self.rng.chance(20));
        let sql = match self.rng.weighted(&[30, 45, 5, 20]) {
            0 => format!("listen l{}", self.client),
            1 => format!("notify l{other}, '{value}'"),
            2 => "unlisten *".into(),
            _ => {
                put(&mut self.out, b'F', |out| {
                    out.extend(REVERSE.to_be_bytes());
                    out.extend([0, 0, 0, 1]);
                    out.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
                    out.extend(value.as_bytes());
                    out.extend([0, 0]);
                });
                return self.say("calls a function", awaits);
            }
        };
        if !inside {
            self.either(&sql, simple);
            return self.say("listens or notifies", awaits);
        }
        let end = self.rng.pick(&["commit", "rollback"]);
        for sql in ["begin", sql.as_str(), end] {
            self.either(sql, simple);
        }
        self.say("listens or notifies in a transaction", awaits);
    }

    pub(super) fn copy(&mut self) {
        let value = self.value();
        let simple = self.rng.chance(50);
        if self.rng.chance(35) {
            let lines = self.rng.within(0, 6);
            self.either(&format!("copy stdout {lines} {value}"), simple);
            return self.say("copies out", true);
        }
        let at_once = self.rng.chance(30);
        if simple {
            self.query("copy t from stdin");
        } else {
            self.extended("copy t from stdin");
            self.flush();
        }
        if !at_once {
            self.say("wants to copy in", true);
        }
        for _ in 0..self.rng.within(0, 3) {
            put(&mut self.out, b'd', |out| out.extend(value.as_bytes()));
        }
        let end = self.rng.pick(b"cccf");
        put(&mut self.out, end, |out| {
            if end == b'f' {
                put_cstr(out, "enough");
            }
        });
        if !simple {
            self.sync();
        }
        self.say("copies in", true);
    }

    /// A portal read in parts, in one segment.
    pub(super) fn portal(&mut self) {
        let (rows, value) = (self.rng.within(0, 9), self.value());
        let portal = self.rng.pick(&["", "p1"]);
        self.parse("", &format!("rows {rows} 0 {value}"));
        self.bind(portal, "");
        for _ in 0..self.rng.within(1, 3) {
            self.execute(portal, 4);
        }
        if self.rng.chance(30) {
            self.target(b'C', b'P', portal);
        }
        self.sync();
        self.say("reads in parts", true);
    }

    /// Says what nobody may say: its connection ends.
    pub(super) fn misspeak(&mut self) {
        if self.rng.chance(50) {
            let sql = self.statement();
            self.query(&sql);
        }
        let bytes: &[u8] = match self.rng.below(4) {
            0 => b"Q\0\0\0\x01",
            1 => b"\xf7\0\0\0\x04",
            2 => b"Q\x7f\xff\xff\xf0select",
            _ => b"p\0\0\0\x08word",
        };
        self.out.extend_from_slice(bytes);
        self.say("misspeaks", true);
    }
}
