//! Exchanges that take some knowledge of the protocol to answer right, or to refuse.

use super::Writer;
use crate::sim::message::{put, put_cstr};

impl Writer<'_> {
    pub(super) fn copy(&mut self) {
        let lines = self.rng.within(0, 5);
        let value = self.value();
        let out = format!("copy stdout {lines} {value}");
        let end = self.rng.pick(b"ccf");
        match self.rng.below(5) {
            0 => self.query(&out),
            1 => {
                self.extended(&out);
                self.sync();
            }
            2 => {
                self.query("copy t from stdin");
                self.data(end);
                let sql = self.statement();
                self.query(&sql);
            }
            // Data that nobody asked for is ignored.
            3 => {
                self.extended(&format!("echo {value}"));
                self.data(end);
                self.sync();
            }
            _ => {
                self.some_extended(0, 2);
                self.extended("copy t from stdin");
                self.data(end);
                self.some_extended(0, 2);
                self.sync();
            }
        }
    }

    pub(super) fn copy_without_data(&mut self) {
        let id = self.insert();
        match self.rng.below(3) {
            0 => self.query("copy t from stdin"),
            1 => self.query(&format!("insert {id}; copy t from stdin; echo x")),
            _ => {
                self.extended(&format!("insert {id}"));
                self.extended("copy t from stdin");
                self.sync();
            }
        }
    }

    pub(super) fn copy_mess(&mut self) {
        match self.rng.below(3) {
            0 => {
                self.extended("copy t from stdin");
                self.some_extended(1, 2);
                self.sync();
            }
            1 => {
                self.extended("copy t from stdin");
                self.sync();
                self.some_extended(1, 2);
                self.sync();
            }
            _ => {
                self.query("copy t from stdin");
                let sql = self.statement();
                self.query(&sql);
            }
        }
    }

    pub(super) fn forbidden(&mut self) {
        let sql = self.statement();
        match self.rng.below(8) {
            0 => {}
            1 => self.extended(&sql),
            2 => {
                self.extended(&sql);
                self.sync();
                put(&mut self.out, b'X', |_| {});
            }
            3 => {
                put(&mut self.out, b'p', |out| put_cstr(out, "geheim"));
                self.sync();
            }
            4 => {
                self.query(&sql);
                let cut = self.rng.size(1, self.out.len() - 1);
                self.out.truncate(cut);
            }
            5 => {
                self.extended(&sql);
                self.sync();
                self.out.extend([b'Q', 0, 0, 0, 1]);
            }
            6 => {
                self.query(&sql);
                put(&mut self.out, b'F', |out| out.extend([0; 10]));
                self.sync();
            }
            _ => {
                self.sync();
                self.out.extend([0, 0, 0, 8, 4, 210, 22, 46]);
            }
        }
        self.inserts.clear();
    }

    fn data(&mut self, end: u8) {
        for _ in 0..self.rng.within(0, 3) {
            let value = self.value();
            put(&mut self.out, b'd', |out| out.extend(value.as_bytes()));
        }
        put(&mut self.out, end, |out| {
            if end == b'f' {
                put_cstr(out, "enough");
            }
        });
    }
}
