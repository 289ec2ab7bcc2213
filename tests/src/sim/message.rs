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
