//! Messages about prepared statements that a pooler sends itself.

use bytes::{BufMut, BytesMut};

use crate::pg::tag::frontend as tag;
use crate::pg::write::{message, put_c_string};

/// Writes a `Parse`. `types` is as [`super::Parse`] has it.
pub fn write_parse(name: &[u8], sql: &[u8], types: &[u8], out: &mut BytesMut) {
    message(tag::PARSE, out, |out| {
        put_c_string(name, out);
        put_c_string(sql, out);
        out.put_slice(types);
    });
}

/// Writes a `Close` of a statement.
pub fn write_close_statement(name: &[u8], out: &mut BytesMut) {
    write_target(tag::CLOSE, name, out);
}

/// Writes a `Describe` of a statement.
pub fn write_describe_statement(name: &[u8], out: &mut BytesMut) {
    write_target(tag::DESCRIBE, name, out);
}

fn write_target(tag: u8, name: &[u8], out: &mut BytesMut) {
    message(tag, out, |out| {
        out.put_u8(b'S');
        put_c_string(name, out);
    });
}
