//! Messages of a client, one after the other, as a story wants them.

use bytes::{BufMut as _, BytesMut};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

/// Bytes to send.
#[derive(Clone, Default)]
pub(crate) struct Say(BytesMut);

impl Say {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn query(mut self, sql: &str) -> Self {
        frontend::query(sql, &mut self.0).unwrap();
        self
    }

    pub(crate) fn parse(mut self, name: &str, sql: &str) -> Self {
        frontend::parse(name, sql, [], &mut self.0).unwrap();
        self
    }

    /// Binds parameters as text.
    pub(crate) fn bind(mut self, portal: &str, statement: &str, values: &[&str]) -> Self {
        let text = |value: &&str, out: &mut BytesMut| {
            out.put_slice(value.as_bytes());
            Ok(IsNull::No)
        };
        let bound = frontend::bind(portal, statement, [], values, text, [], &mut self.0);
        assert!(bound.is_ok());
        self
    }

    pub(crate) fn describe_statement(mut self, name: &str) -> Self {
        frontend::describe(b'S', name, &mut self.0).unwrap();
        self
    }

    pub(crate) fn describe_portal(mut self, name: &str) -> Self {
        frontend::describe(b'P', name, &mut self.0).unwrap();
        self
    }

    /// `rows` 0: all of them.
    pub(crate) fn execute(mut self, portal: &str, rows: i32) -> Self {
        frontend::execute(portal, rows, &mut self.0).unwrap();
        self
    }

    pub(crate) fn close_statement(mut self, name: &str) -> Self {
        frontend::close(b'S', name, &mut self.0).unwrap();
        self
    }

    pub(crate) fn flush(mut self) -> Self {
        frontend::flush(&mut self.0);
        self
    }

    pub(crate) fn sync(mut self) -> Self {
        frontend::sync(&mut self.0);
        self
    }

    pub(crate) fn copy_data(mut self, bytes: &[u8]) -> Self {
        frontend::CopyData::new(bytes).unwrap().write(&mut self.0);
        self
    }

    pub(crate) fn copy_done(mut self) -> Self {
        frontend::copy_done(&mut self.0);
        self
    }

    pub(crate) fn copy_fail(mut self, why: &str) -> Self {
        frontend::copy_fail(why, &mut self.0).unwrap();
        self
    }

    pub(crate) fn terminate(mut self) -> Self {
        frontend::terminate(&mut self.0);
        self
    }

    /// Anything else.
    pub(crate) fn message(mut self, tag: u8, body: &[u8]) -> Self {
        self.0.put_u8(tag);
        self.0.put_u32(u32::try_from(body.len()).unwrap() + 4);
        self.0.put_slice(body);
        self
    }

    /// The messages, for people.
    pub(crate) fn show(&self) -> String {
        let (mut rest, mut shown) = (&self.0[..], String::new());
        while let [tag, a, b, c, d, after @ ..] = rest {
            let (body, next) = after.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize - 4);
            let body = String::from_utf8_lossy(body).replace(char::is_control, "·");
            shown.push_str(&format!("{}({body}) ", *tag as char));
            rest = next;
        }
        shown
    }

    /// Parse, Bind, Describe, Execute of the unnamed statement.
    pub(crate) fn run(self, sql: &str, values: &[&str]) -> Self {
        self.parse("", sql).bind("", "", values).describe_portal("").execute("", 0)
    }
}
