use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::column::{DecodeError, FromColumn};
use super::oid;
use super::param::{IsNull, ParamError, ToParam};

impl<T: ToParam> ToParam for [T] {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        self.to_element(out)?;
        Ok(IsNull::No)
    }

    fn to_element(&self, out: &mut BytesMut) -> Result<(), ParamError> {
        out.put_u8(b'{');
        for (index, element) in self.iter().enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            element.to_element(out)?;
        }
        out.put_u8(b'}');
        Ok(())
    }
}

impl<T: ToParam> ToParam for Vec<T> {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        self.as_slice().to_text(out)
    }

    fn to_element(&self, out: &mut BytesMut) -> Result<(), ParamError> {
        self.as_slice().to_element(out)
    }
}

impl<T: ToParam, const N: usize> ToParam for [T; N] {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        self.as_slice().to_text(out)
    }

    fn to_element(&self, out: &mut BytesMut) -> Result<(), ParamError> {
        self.as_slice().to_element(out)
    }
}

impl<T: FromColumn> FromColumn for Vec<T> {
    fn from_text(type_oid: u32, text: &str) -> Result<Self, DecodeError> {
        let element_oid = oid::element(type_oid);
        if element_oid == 0 && !text.starts_with(['{', '[']) {
            return Err(DecodeError::type_mismatch(type_oid, "a Vec", "arrays"));
        }
        Self::from_nested(element_oid, text)
    }

    fn from_nested(element_oid: u32, text: &str) -> Result<Self, DecodeError> {
        elements(element_oid, text)?
            .into_iter()
            .map(|element| match element {
                Element::Null => T::from_null(),
                Element::Text(text) => T::from_text(element_oid, &text),
                Element::Nested(text) => T::from_nested(element_oid, text),
            })
            .collect()
    }
}

/// One element of an array's text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Element<'a> {
    Null,
    Text(Cow<'a, str>),
    Nested(&'a str),
}

/// Splits the text of an array into its elements.
pub(crate) fn elements(element_oid: u32, text: &str) -> Result<Vec<Element<'_>>, DecodeError> {
    let delimiter = if element_oid == oid::BOX { b';' } else { b',' };
    split(text, delimiter).ok_or_else(|| DecodeError::new("the text is not an array"))
}

fn split(text: &str, delimiter: u8) -> Option<Vec<Element<'_>>> {
    // Other lower bounds than 1 stand in front: `[0:1]={a,b}`.
    let text = if text.starts_with('[') { text.split_once('=')?.1 } else { text };
    let mut rest = text.strip_prefix('{')?;
    let mut elements = Vec::new();
    if rest == "}" {
        return Some(elements);
    }
    loop {
        let (element, after) = take(rest, delimiter)?;
        elements.push(element);
        let (end, after_end) = after.split_at_checked(1)?;
        match end.as_bytes() {
            [byte] if *byte == delimiter => rest = after_end,
            b"}" if after_end.is_empty() => return Some(elements),
            _ => return None,
        }
    }
}

/// The first element of `text`, and what follows it.
fn take(text: &str, delimiter: u8) -> Option<(Element<'_>, &str)> {
    match text.as_bytes().first()? {
        b'"' => take_quoted(text),
        b'{' => {
            let (nested, rest) = text.split_at_checked(nested_length(text)?)?;
            Some((Element::Nested(nested), rest))
        }
        _ => {
            let end = text.bytes().position(|byte| byte == delimiter || byte == b'}')?;
            let (word, rest) = text.split_at_checked(end)?;
            let element = match word {
                "" => return None,
                "NULL" => Element::Null,
                word => Element::Text(unescape(word)),
            };
            Some((element, rest))
        }
    }
}

fn take_quoted(text: &str) -> Option<(Element<'_>, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut escaped = false;
    let end = inner.bytes().position(|byte| {
        let end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        end
    })?;
    let (word, rest) = inner.split_at_checked(end)?;
    Some((Element::Text(unescape(word)), rest.strip_prefix('"')?))
}

/// The length of the array that `text` begins with, up to its closing brace.
fn nested_length(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(index + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn unescape(word: &str) -> Cow<'_, str> {
    if !word.contains('\\') {
        return Cow::Borrowed(word);
    }
    let mut plain = String::with_capacity(word.len());
    let mut characters = word.chars();
    while let Some(character) = characters.next() {
        let character = if character == '\\' { characters.next() } else { Some(character) };
        plain.extend(character);
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::super::param::text;
    use super::*;
    use crate::types::AsText;

    const TEXT_ARRAY: u32 = 1009;
    const INT4_ARRAY: u32 = 1007;

    #[test]
    fn parameters() {
        assert_eq!(text(&vec![1, 2]).unwrap(), r#"{"1","2"}"#);
        assert_eq!(text(&Vec::<i32>::new()).unwrap(), "{}");
        assert_eq!(text(&[Some("a"), None].as_slice()).unwrap(), r#"{"a",NULL}"#);
        assert_eq!(text(&vec![r#"a"b\c"#, "", "NULL"]).unwrap(), r#"{"a\"b\\c","","NULL"}"#);
        assert_eq!(text(&vec![vec![1], vec![2]]).unwrap(), r#"{{"1"},{"2"}}"#);
        assert_eq!(text(&vec![vec![0_u8, 255]]).unwrap(), r#"{"\\x00ff"}"#);
        assert_eq!(text(&[[1, 2], [3, 4]]).unwrap(), r#"{{"1","2"},{"3","4"}}"#);
    }

    #[test]
    fn results() {
        let strings = |text| Vec::<String>::from_text(TEXT_ARRAY, text).unwrap();
        assert_eq!(strings("{}"), [""; 0]);
        assert_eq!(
            strings(r#"{a,"b c","d\"e\\f","","NULL",ü}"#),
            ["a", "b c", "d\"e\\f", "", "NULL", "ü"]
        );
        assert_eq!(strings("[0:1]={a,b}"), ["a", "b"]);
        assert_eq!(Vec::from_text(INT4_ARRAY, "{1,NULL}"), Ok(vec![Some(1), None]));
        assert_eq!(Vec::from_text(INT4_ARRAY, "{{1,2},{3,4}}"), Ok(vec![vec![1, 2], vec![3, 4]]));
        assert_eq!(
            Vec::from_text(TEXT_ARRAY, r#"{{"}","\""},{"{",b}}"#),
            Ok(vec![vec!["}".to_owned(), "\"".into()], vec!["{".into(), "b".into()]])
        );
        assert_eq!(
            Vec::from_text(1001, r#"{"\\x00ff",NULL}"#),
            Ok(vec![Some(vec![0_u8, 255]), None])
        );
        assert_eq!(
            Vec::from_text(1020, "{(1,1),(0,0);(2,2),(1,1)}"),
            Ok(vec!["(1,1),(0,0)".to_owned(), "(2,2),(1,1)".into()])
        );
    }

    #[test]
    fn arrays_of_unknown_types_are_texts() {
        assert_eq!(
            Vec::from_text(16_500, "{sad,happy}"),
            Ok(vec!["sad".to_owned(), "happy".into()])
        );
        assert_eq!(Vec::from_text(16_500, "{1,2}"), Ok(vec![AsText(1_u8), AsText(2)]));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for bad in ["", "{", "}", "{a", "{a,}", "{,a}", "{a}b", "{\"a}", "{{a}", "{{a}}}", "[0:1]"]
        {
            assert!(Vec::<String>::from_text(TEXT_ARRAY, bad).is_err(), "{bad}");
        }
        assert!(Vec::<i32>::from_text(INT4_ARRAY, "{{1}}").is_err(), "dimensions");
        assert!(Vec::<i32>::from_text(INT4_ARRAY, "{NULL}").is_err(), "NULL");
        assert!(Vec::<String>::from_text(25, "a").unwrap_err().to_string().contains("is text"));
    }
}
