//! Messages in words, with all they say that does not belong to one server or one run.

use pierhead_tests::sim::message::{Message, take_cstr};

/// What is numbered from here on was made by the corpus itself, in no certain order.
const OWN_OIDS: u32 = 16_384;

/// One message, with a space behind it.
pub(crate) fn message(message: &Message<'_>) -> String {
    let mut body = message.body;
    let words = match message.tag {
        b'K' => return String::new(),
        b'E' | b'N' => report(body),
        b'S' => format!("{}={}", take_cstr(&mut body), take_cstr(&mut body)),
        b'T' => columns(body),
        b'D' => row(body),
        b'A' => {
            // Who has sent it is numbered by each server as it likes.
            body = &body[4..];
            format!("{} {}", take_cstr(&mut body), take_cstr(&mut body))
        }
        b'Z' => String::from_utf8_lossy(body).into_owned(),
        b'C' => take_cstr(&mut body),
        b'd' => bytes(body),
        _ => hex(body),
    };
    format!("{}({words}) ", char::from(message.tag))
}

/// All fields of an error or a notice: severity, code, words, position, and where it was made.
fn report(mut body: &[u8]) -> String {
    let mut fields = Vec::new();
    while let Some((&key, rest)) = body.split_first().filter(|(key, _)| **key != 0) {
        body = rest;
        fields.push(format!("{}={}", char::from(key), take_cstr(&mut body)));
    }
    fields.join(" ")
}

fn columns(mut body: &[u8]) -> String {
    let count = u16_of(&mut body);
    let column = |_| {
        let name = take_cstr(&mut body);
        let (table, number) = (oid(u32_of(&mut body)), u16_of(&mut body));
        let (kind, size) = (oid(u32_of(&mut body)), u16_of(&mut body) as i16);
        let (modifier, format) = (u32_of(&mut body) as i32, u16_of(&mut body));
        format!("{name}:{kind}/{size}/{modifier}/{format} of {table}.{number}")
    };
    (0..count).map(column).collect::<Vec<_>>().join(", ")
}

fn row(mut body: &[u8]) -> String {
    let count = u16_of(&mut body);
    let value = |_| match u32_of(&mut body) as i32 {
        -1 => "null".to_owned(),
        length => {
            let (value, rest) = body.split_at(length as usize);
            body = rest;
            bytes(value)
        }
    };
    (0..count).map(value).collect::<Vec<_>>().join(", ")
}

fn oid(number: u32) -> String {
    if number >= OWN_OIDS { "own".to_owned() } else { number.to_string() }
}

/// Text as text, else hexadecimal.
fn bytes(value: &[u8]) -> String {
    let text = std::str::from_utf8(value).ok();
    let text =
        text.filter(|text| !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
    text.map_or_else(|| hex(value), |text| format!("{text:?}"))
}

fn hex(value: &[u8]) -> String {
    value.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn u16_of(body: &mut &[u8]) -> u16 {
    let (value, rest) = body.split_first_chunk().unwrap();
    *body = rest;
    u16::from_be_bytes(*value)
}

fn u32_of(body: &mut &[u8]) -> u32 {
    let (value, rest) = body.split_first_chunk().unwrap();
    *body = rest;
    u32::from_be_bytes(*value)
}
