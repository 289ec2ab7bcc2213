//! What is asked, and what the database answers: what `pgbench -S` does, with which the figures for
//! PgBouncer were measured too.

use bytes::{Bytes, BytesMut};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

const SQL: &str = "SELECT abalance FROM pgbench_accounts WHERE aid = 90210;";
const SQL_WITH_PARAMETER: &str = "SELECT abalance FROM pgbench_accounts WHERE aid = $1;";

const DESCRIPTION: &[u8] =
    b"T\0\0\0\x21\0\x01abalance\0\0\0\x40\0\0\x03\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0";
const PARAMETERS: &[u8] = b"t\0\0\0\x0a\0\x01\0\0\0\x17";
const ROW: &[u8] = b"D\0\0\0\x0b\0\x01\0\0\0\x010";
const READY: &[u8] = b"Z\0\0\0\x05I";

/// A log-in's answer, with the parameters that PostgreSQL 15 tells of itself.
pub(crate) fn login() -> Bytes {
    let mut out = BytesMut::from(&b"R\0\0\0\x08\0\0\0\0"[..]);
    for (name, value) in [
        ("in_hot_standby", "off"),
        ("integer_datetimes", "on"),
        ("TimeZone", "Etc/UTC"),
        ("IntervalStyle", "postgres"),
        ("is_superuser", "off"),
        ("application_name", "pierhead"),
        ("default_transaction_read_only", "off"),
        ("DateStyle", "ISO, MDY"),
        ("standard_conforming_strings", "on"),
        ("session_authorization", "app"),
        ("client_encoding", "UTF8"),
        ("server_version", "15.14 (Debian 15.14-0+deb12u1)"),
        ("server_encoding", "UTF8"),
    ] {
        out.extend_from_slice(b"S");
        out.extend_from_slice(&(name.len() as u32 + value.len() as u32 + 6).to_be_bytes());
        for text in [name, value] {
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\0");
        }
    }
    out.extend_from_slice(b"K\0\0\0\x0c\0\0\0\x07\0\0\0\x09Z\0\0\0\x05I");
    out.freeze()
}

/// The start-up message of a driver.
pub(crate) fn start_up() -> Bytes {
    let mut out = BytesMut::new();
    let parameters = [("user", "app"), ("database", "app"), ("application_name", "pgbench")];
    frontend::startup_message(parameters, &mut out).unwrap();
    out.freeze()
}

/// A simple query.
pub(crate) fn simple() -> Bytes {
    let mut out = BytesMut::new();
    frontend::query(SQL, &mut out).unwrap();
    out.freeze()
}

/// Queries with a parameter, each parsed, bound, described and executed; one `Sync`.
pub(crate) fn extended(queries: usize) -> Bytes {
    let mut out = BytesMut::new();
    for _ in 0..queries {
        frontend::parse("", SQL_WITH_PARAMETER, [], &mut out).unwrap();
        put_bind("", &mut out);
        frontend::describe(b'P', "", &mut out).unwrap();
        frontend::execute("", 0, &mut out).unwrap();
    }
    frontend::sync(&mut out);
    out.freeze()
}

/// What prepares a statement for [`prepared`]; `n` makes one like no other.
pub(crate) fn prepare(name: &str, n: usize) -> Bytes {
    let mut out = BytesMut::new();
    let sql =
        if n == 0 { SQL_WITH_PARAMETER.into() } else { format!("{SQL_WITH_PARAMETER} -- {n}") };
    frontend::parse(name, &sql, [], &mut out).unwrap();
    frontend::sync(&mut out);
    out.freeze()
}

/// A prepared statement so many times, each with a `Sync` of its own, as `pgbench -M prepared` does.
pub(crate) fn prepared(name: &str, queries: usize) -> Bytes {
    let mut out = BytesMut::new();
    for _ in 0..queries {
        put_bind(name, &mut out);
        frontend::describe(b'P', "", &mut out).unwrap();
        frontend::execute("", 0, &mut out).unwrap();
        frontend::sync(&mut out);
    }
    out.freeze()
}

fn put_bind(statement: &str, out: &mut BytesMut) {
    let value = |_: (), out: &mut BytesMut| {
        out.extend_from_slice(b"90210");
        Ok(IsNull::No)
    };
    assert!(frontend::bind("", statement, [], [()], value, [], out).is_ok());
}

/// What the database answers to messages, with so many rows to each query.
pub(crate) fn answer(mut messages: &[u8], rows: usize) -> Bytes {
    let mut out = BytesMut::new();
    while let [tag, a, b, c, d, ..] = *messages {
        let (message, rest) = messages.split_at(1 + u32::from_be_bytes([a, b, c, d]) as usize);
        messages = rest;
        match tag {
            b'P' => out.extend_from_slice(b"1\0\0\0\x04"),
            b'B' => out.extend_from_slice(b"2\0\0\0\x04"),
            b'C' => out.extend_from_slice(b"3\0\0\0\x04"),
            b'D' if message[5] == b'S' => {
                out.extend_from_slice(PARAMETERS);
                out.extend_from_slice(DESCRIPTION);
            }
            b'D' => out.extend_from_slice(DESCRIPTION),
            b'E' => put_rows(rows, &mut out),
            b'S' => out.extend_from_slice(READY),
            b'Q' if message[5..].starts_with(b"SELECT") => {
                out.extend_from_slice(DESCRIPTION);
                put_rows(rows, &mut out);
                out.extend_from_slice(READY);
            }
            b'Q' => {
                put_complete(&message[5..message.len() - 1], &mut out);
                out.extend_from_slice(READY);
            }
            other => panic!("the database got {:?}", char::from(other)),
        }
    }
    out.freeze()
}

fn put_rows(rows: usize, out: &mut BytesMut) {
    for _ in 0..rows {
        out.extend_from_slice(ROW);
    }
    put_complete(format!("SELECT {rows}").as_bytes(), out);
}

fn put_complete(tag: &[u8], out: &mut BytesMut) {
    out.extend_from_slice(b"C");
    out.extend_from_slice(&(tag.len() as u32 + 5).to_be_bytes());
    out.extend_from_slice(tag);
    out.extend_from_slice(b"\0");
}
