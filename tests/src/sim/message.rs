//! PostgreSQL messages, written and read the plainest way. Shares no code with `wire`: what the
//! simulation checks must not be checked by itself.

/// Appends one message: its tag, its length, and what `body` writes.
pub fn put(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    put_untagged(out, body);
}

/// Appends one message without a tag, as a start-up packet is.
pub fn put_untagged(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 4]);
    body(out);
    let length = u32::try_from(out.len() - start).unwrap();
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a string and its zero.
pub fn put_cstr(out: &mut Vec<u8>, text: &str) {
    out.extend(text.as_bytes());
    out.push(0);
}

/// One message: its tag and its body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// The type byte.
    pub tag: u8,
    /// What follows the length.
    pub body: &'a [u8],
}

/// Takes the first whole message off `input`. `None` when it is not whole yet.
#[must_use]
pub fn take<'a>(input: &mut &'a [u8]) -> Option<Message<'a>> {
    let length = u32::from_be_bytes(input.get(1..5)?.try_into().unwrap()) as usize;
    let body = input.get(5..(1 + length).max(5))?;
    let tag = input[0];
    *input = &input[(1 + length).max(5)..];
    Some(Message { tag, body })
}

/// All whole messages of `input`, and the bytes after them.
#[must_use]
pub fn split(mut input: &[u8]) -> (Vec<Message<'_>>, &[u8]) {
    let mut messages = Vec::new();
    while let Some(message) = take(&mut input) {
        messages.push(message);
    }
    (messages, input)
}

/// Takes a zero-ended string off `input`; what there is when the zero is missing.
pub fn take_cstr(input: &mut &[u8]) -> String {
    let end = input.iter().position(|b| *b == 0).unwrap_or(input.len());
    let text = String::from_utf8_lossy(&input[..end]).into_owned();
    *input = input.get(end + 1..).unwrap_or_default();
    text
}

/// The field `key` of an error or notice body.
#[must_use]
pub fn field(body: &[u8], key: u8) -> Option<String> {
    let mut rest = body;
    while let Some((&code, after)) = rest.split_first() {
        if code == 0 {
            return None;
        }
        rest = after;
        let value = take_cstr(&mut rest);
        if code == key {
            return Some(value);
        }
    }
    None
}

/// Appends an `ErrorResponse` (`E`) or `NoticeResponse` (`N`).
pub fn put_report(out: &mut Vec<u8>, tag: u8, severity: &str, sqlstate: &str, text: &str) {
    put(out, tag, |out| {
        for (key, value) in [(b'S', severity), (b'V', severity), (b'C', sqlstate), (b'M', text)] {
            out.push(key);
            put_cstr(out, value);
        }
        out.push(0);
    });
}

/// Messages of a client, one builder each.
pub mod client {
    use super::{put, put_cstr, put_untagged};

    /// `StartupMessage` of protocol 3.0.
    pub fn startup(out: &mut Vec<u8>, parameters: &[(&str, &str)]) {
        put_untagged(out, |out| {
            out.extend(196_608u32.to_be_bytes());
            for (name, value) in parameters {
                put_cstr(out, name);
                put_cstr(out, value);
            }
            out.push(0);
        });
    }

    /// `CancelRequest`.
    pub fn cancel(out: &mut Vec<u8>, process: i32, secret: i32) {
        put_untagged(out, |out| {
            out.extend(80_877_102u32.to_be_bytes());
            out.extend(process.to_be_bytes());
            out.extend(secret.to_be_bytes());
        });
    }

    /// `Query`.
    pub fn query(out: &mut Vec<u8>, sql: &str) {
        put(out, b'Q', |out| put_cstr(out, sql));
    }

    /// `Parse`, with the types it declares.
    pub fn parse(out: &mut Vec<u8>, name: &str, sql: &str, types: &[u32]) {
        put(out, b'P', |out| {
            put_cstr(out, name);
            put_cstr(out, sql);
            out.extend((types.len() as u16).to_be_bytes());
            types.iter().for_each(|oid| out.extend(oid.to_be_bytes()));
        });
    }

    /// `Bind`, with parameters and results in text.
    pub fn bind(out: &mut Vec<u8>, portal: &str, statement: &str, parameters: &[Option<&str>]) {
        put(out, b'B', |out| {
            put_cstr(out, portal);
            put_cstr(out, statement);
            out.extend([0; 2]);
            out.extend((parameters.len() as u16).to_be_bytes());
            for value in parameters {
                out.extend(value.map_or(u32::MAX, |value| value.len() as u32).to_be_bytes());
                out.extend(value.unwrap_or_default().as_bytes());
            }
            out.extend([0; 2]);
        });
    }

    /// `Describe` (`D`) or `Close` (`C`) of a statement (`S`) or a portal (`P`).
    pub fn target(out: &mut Vec<u8>, tag: u8, kind: u8, name: &str) {
        put(out, tag, |out| {
            out.push(kind);
            put_cstr(out, name);
        });
    }

    /// `Execute`, of so many rows or of all (0).
    pub fn execute(out: &mut Vec<u8>, portal: &str, limit: u32) {
        put(out, b'E', |out| {
            put_cstr(out, portal);
            out.extend(limit.to_be_bytes());
        });
    }

    /// `FunctionCall` of a function of texts.
    pub fn call(out: &mut Vec<u8>, function: u32, arguments: &[&str]) {
        put(out, b'F', |out| {
            out.extend(function.to_be_bytes());
            out.extend([0; 2]);
            out.extend((arguments.len() as u16).to_be_bytes());
            for text in arguments {
                out.extend((text.len() as u32).to_be_bytes());
                out.extend(text.as_bytes());
            }
            out.extend([0; 2]);
        });
    }

    /// `Sync`.
    pub fn sync(out: &mut Vec<u8>) {
        put(out, b'S', |_| {});
    }

    /// `Flush`.
    pub fn flush(out: &mut Vec<u8>) {
        put(out, b'H', |_| {});
    }

    /// `Terminate`.
    pub fn terminate(out: &mut Vec<u8>) {
        put(out, b'X', |_| {});
    }

    /// `CopyData`.
    pub fn data(out: &mut Vec<u8>, data: &[u8]) {
        put(out, b'd', |out| out.extend(data));
    }

    /// `CopyDone`.
    pub fn copy_done(out: &mut Vec<u8>) {
        put(out, b'c', |_| {});
    }

    /// `CopyFail`.
    pub fn copy_fail(out: &mut Vec<u8>, reason: &str) {
        put(out, b'f', |out| put_cstr(out, reason));
    }
}
