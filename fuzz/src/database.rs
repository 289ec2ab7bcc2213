//! A database that answers what it is sent, as far as a target needs one.

use std::collections::BTreeMap;

use bytes::BytesMut;

const LOGIN: &[u8] =
    b"R\0\0\0\x08\0\0\0\0S\0\0\0\x18server_version\x0015.1\0K\0\0\0\x0c\0\0\0\x07\0\0\0\x09Z\0\0\0\x05I";
const ERROR: &[u8] = b"E\0\0\0\x1cSERROR\0C42601\0Mwrong\0\0";
const SSL_REQUEST: &[u8] = &80_877_103_u32.to_be_bytes();
const CANCEL_REQUEST: &[u8] = &80_877_102_u32.to_be_bytes();

/// One connection.
#[derive(Default)]
pub struct Backend {
    /// What came and was not read yet.
    unread: Vec<u8>,
    logged_in: bool,
    /// It asked for a cancel, or said farewell: it ends the connection.
    pub leaves: bool,
    /// A transaction block, and whether it has failed.
    block: Option<bool>,
    statements: BTreeMap<Vec<u8>, Vec<u8>>,
    portals: BTreeMap<Vec<u8>, Vec<u8>>,
    /// After an error, until the next Sync.
    skips: bool,
    /// Inside COPY, begun by a Query or not.
    copies: Option<bool>,
}

impl Backend {
    pub fn receive(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// Answers everything that is whole.
    pub fn answer(&mut self) -> Vec<u8> {
        let mut out = BytesMut::new();
        while let Some(message) = self.next() {
            self.message(&message, &mut out);
        }
        out.to_vec()
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let tagged = usize::from(self.logged_in);
        let length = self.unread.get(tagged..tagged + 4)?.try_into().expect("four bytes");
        let end = tagged + usize::try_from(u32::from_be_bytes(length)).expect("a length");
        if self.unread.len() < end || self.leaves {
            return None;
        }
        let rest = self.unread.split_off(end);
        Some(std::mem::replace(&mut self.unread, rest))
    }

    fn message(&mut self, message: &[u8], out: &mut BytesMut) {
        if !self.logged_in {
            match message.get(4..8) {
                Some(SSL_REQUEST) => out.extend_from_slice(b"N"),
                Some(CANCEL_REQUEST) => self.leaves = true,
                _ => {
                    self.logged_in = true;
                    out.extend_from_slice(LOGIN);
                }
            }
            return;
        }
        let (tag, body) = (message[0], &message[5..]);
        if let Some(simple) = self.copies {
            match tag {
                b'c' => put(b'C', b"COPY 1\0", out),
                b'f' => self.fail(simple, out),
                // Sync and Flush go unanswered inside COPY.
                _ => return,
            }
            self.copies = None;
            if simple {
                self.ready(out);
            }
            return;
        }
        match tag {
            b'S' => {
                self.skips = false;
                self.ready(out);
            }
            b'X' => self.leaves = true,
            b'Q' => {
                self.execute(text(body), true, out);
                if self.copies.is_none() {
                    self.ready(out);
                }
            }
            _ if self.skips => {}
            b'P' => {
                let (name, rest) = split(body);
                self.statements.insert(name.to_vec(), text(rest).to_vec());
                put(b'1', b"", out);
            }
            b'B' => {
                let (portal, rest) = split(body);
                match self.statements.get(text(rest)) {
                    Some(sql) => {
                        self.portals.insert(portal.to_vec(), sql.clone());
                        put(b'2', b"", out);
                    }
                    None => self.fail(false, out),
                }
            }
            b'D' => {
                let known = if body[0] == b'S' { &self.statements } else { &self.portals };
                if !known.contains_key(text(&body[1..])) {
                    return self.fail(false, out);
                }
                if body[0] == b'S' {
                    put(b't', b"\0\0", out);
                }
                put(b'n', b"", out);
            }
            b'E' => match self.portals.get(text(body)).cloned() {
                Some(sql) => self.execute(&sql, false, out),
                None => self.fail(false, out),
            },
            b'C' => put(b'3', b"", out),
            b'F' => {
                put(b'V', b"\xff\xff\xff\xff", out);
                self.ready(out);
            }
            // Flush, and COPY data that comes too late.
            _ => {}
        }
    }

    fn execute(&mut self, sql: &[u8], simple: bool, out: &mut BytesMut) {
        let sql = sql.to_ascii_lowercase();
        let word = sql.split(|b| !b.is_ascii_alphabetic()).next().unwrap_or_default();
        let tag: &[u8] = match word {
            b"begin" => {
                self.block = Some(false);
                b"BEGIN\0"
            }
            b"commit" | b"rollback" => {
                let failed = self.block.take();
                if word == b"commit" && failed != Some(true) { b"COMMIT\0" } else { b"ROLLBACK\0" }
            }
            _ if self.block == Some(true) => return self.fail(simple, out),
            b"error" => return self.fail(simple, out),
            b"copy" => {
                self.copies = Some(simple);
                return put(b'G', b"\0\0\0", out);
            }
            b"discard" => {
                self.statements.clear();
                b"DISCARD ALL\0"
            }
            b"deallocate" => {
                self.statements.clear();
                b"DEALLOCATE ALL\0"
            }
            b"set" => b"SET\0",
            b"listen" => b"LISTEN\0",
            b"create" => b"CREATE TABLE\0",
            b"" => return put(b'I', b"", out),
            _ => {
                if simple {
                    put(b'T', b"\0\0", out);
                }
                put(b'D', b"\0\x01\0\0\0\x01x", out);
                b"SELECT 1\0"
            }
        };
        put(b'C', tag, out);
    }

    fn fail(&mut self, simple: bool, out: &mut BytesMut) {
        out.extend_from_slice(ERROR);
        self.skips = !simple;
        if let Some(failed) = &mut self.block {
            *failed = true;
        }
    }

    fn ready(&self, out: &mut BytesMut) {
        let status = match self.block {
            None => b"I",
            Some(false) => b"T",
            Some(true) => b"E",
        };
        put(b'Z', status, out);
    }
}

fn put(tag: u8, body: &[u8], out: &mut BytesMut) {
    out.extend_from_slice(&[tag]);
    out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    out.extend_from_slice(body);
}

/// A text that a zero byte ends, and what follows it.
fn split(body: &[u8]) -> (&[u8], &[u8]) {
    let end = body.iter().position(|&b| b == 0).unwrap_or(body.len());
    (&body[..end], body.get(end + 1..).unwrap_or_default())
}

fn text(body: &[u8]) -> &[u8] {
    split(body).0
}
