//! Rows into anything that serde can read. Values are read by the type of their column; a date and
//! time that is not asked for as a `String` is given in ISO 8601 with a `T`, as serde formats expect.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::error::Kind;
use crate::row::Column;
use crate::types::{DecodeError, Element, FromColumn, decode_bytea, elements, oid};
use crate::{Error, Row};

/// Why a row does not fit.
#[derive(Debug)]
pub(crate) struct DeError(String);

impl fmt::Display for DeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DeError {}

impl serde::de::Error for DeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    /// Without the value, which serde would print.
    fn invalid_value(_: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self(format!("a value that is not {expected}"))
    }

    /// Without the value, which serde would print.
    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(format!("the text is none of {}", expected.join(", ")))
    }

    /// Without the value, which serde would print.
    fn invalid_type(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        use serde::de::Unexpected;
        #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum; the rest is rare")]
        let found = match found {
            Unexpected::Bool(_) => "a bool",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
            Unexpected::Float(_) => "a float",
            Unexpected::Str(_) => "text",
            Unexpected::Bytes(_) => "bytes",
            Unexpected::Unit | Unexpected::Option => "NULL",
            Unexpected::Seq => "an array",
            Unexpected::Map => "a JSON object",
            _ => "something else",
        };
        Self(format!("{found}, expected {expected}"))
    }
}

impl From<DecodeError> for DeError {
    fn from(error: DecodeError) -> Self {
        Self(error.to_string())
    }
}

impl From<DeError> for Error {
    fn from(error: DeError) -> Self {
        Self::new(Kind::Struct(error.0))
    }
}

pub(crate) struct RowDeserializer<'a>(&'a Row);

impl<'a> RowDeserializer<'a> {
    pub(crate) fn new(row: &'a Row) -> Self {
        Self(row)
    }

    fn values(&self) -> impl Iterator<Item = ValueDeserializer<'a>> + use<'a> {
        let row = self.0;
        row.columns().iter().enumerate().map(move |(index, column)| {
            let type_oid = column.type_oid();
            ValueDeserializer {
                value: row.value(index).map(|text| Value::new(type_oid, text.map(Cow::Borrowed))),
                column: Some(column.name()),
            }
        })
    }
}

impl<'de> Deserializer<'de> for RowDeserializer<'_> {
    type Error = DeError;

    /// By names.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        let names = self.0.columns().iter().map(Column::name);
        visitor.visit_map(MapDeserializer::new(names.zip(self.values())))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_seq(SeqDeserializer::new(self.values()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct map struct enum identifier ignored_any
    }
}

/// A value of a column, or an element of one that is an array.
struct Value<'a> {
    type_oid: u32,
    /// Nothing for NULL.
    text: Option<Cow<'a, str>>,
    /// Whether the text is an array whose elements have `type_oid`.
    nested: bool,
}

struct ValueDeserializer<'a> {
    value: Result<Value<'a>, DecodeError>,
    /// For errors; an element's column is told by whoever reads the array.
    column: Option<&'a str>,
}

impl<'a> Value<'a> {
    fn new(type_oid: u32, text: Option<Cow<'a, str>>) -> Self {
        Self { type_oid, text, nested: false }
    }

    /// Reads the value by its type alone.
    fn visit<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        let type_oid = self.type_oid;
        let Some(text) = self.text else { return visitor.visit_unit() };
        let text = text.as_ref();
        match type_oid {
            _ if self.nested => visit_elements(type_oid, text, visitor),
            oid::BOOL => visitor.visit_bool(bool::from_text(type_oid, text)?),
            oid if oid::is_integer(oid) => visitor.visit_i64(i64::from_text(oid, text)?),
            oid::FLOAT4 => visitor.visit_f32(f32::from_text(type_oid, text)?),
            oid::FLOAT8 => visitor.visit_f64(f64::from_text(type_oid, text)?),
            oid::BYTEA => visitor.visit_byte_buf(Vec::from_text(type_oid, text)?),
            oid if oid::is_json(oid) => visit_json(text, |json| json.deserialize_any(visitor)),
            oid => match oid::element(oid) {
                0 => visitor.visit_str(&iso(oid, text)),
                element => visit_elements(element, text, visitor),
            },
        }
    }

    /// Reads the value as a sequence, also where its type is not known to be one.
    fn visit_seq<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        let type_oid = self.type_oid;
        let Some(text) = &self.text else { return visitor.visit_unit() };
        match type_oid {
            oid::BYTEA if !self.nested => {
                let bytes = decode_bytea(text).ok_or_else(|| DecodeError::malformed(type_oid))?;
                visitor.visit_seq(SeqDeserializer::new(bytes.into_iter()))
            }
            oid if !self.nested && oid::is_unknown(oid) => visit_elements(0, text, visitor),
            _ => self.visit(visitor),
        }
    }

    /// The text, whatever the type.
    fn visit_text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.text {
            Some(text) => visitor.visit_string(text.into_owned()),
            None => visitor.visit_unit(),
        }
    }

    fn visit_enum<'de, V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match self.text {
            Some(text) if oid::is_json(self.type_oid) && !self.nested => {
                visit_json(&text, |json| json.deserialize_enum(name, variants, visitor))
            }
            Some(text) => visitor.visit_enum(text.as_ref().into_deserializer()),
            None => visitor.visit_unit(),
        }
    }
}

impl<'a> ValueDeserializer<'a> {
    /// Reads the value, and names the column if that fails.
    fn read<T>(self, read: impl FnOnce(Value<'a>) -> Result<T, DeError>) -> Result<T, DeError> {
        let result = self.value.map_err(DeError::from).and_then(read);
        match self.column {
            Some(column) => {
                result.map_err(|error| DeError(format!("column `{column}`: {}", error.0)))
            }
            None => result,
        }
    }
}

impl<'de> IntoDeserializer<'de, DeError> for ValueDeserializer<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for ValueDeserializer<'_> {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.read(|value| value.visit(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.value {
            Ok(Value { text: None, .. }) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.read(|value| value.visit_text(visitor))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.read(|value| {
            let text = value.text.map(|text| iso(value.type_oid, &text).into_owned().into());
            Value { text, ..value }.visit_text(visitor)
        })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.read(|value| value.visit_seq(visitor))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.read(|value| value.visit_enum(name, variants, visitor))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        map struct identifier
    }
}

fn visit_elements<'de, V: Visitor<'de>>(
    element_oid: u32,
    text: &str,
    visitor: V,
) -> Result<V::Value, DeError> {
    let values = elements(element_oid, text)?.into_iter().map(|element| {
        let value = match element {
            Element::Null => Value::new(element_oid, None),
            Element::Text(text) => Value::new(element_oid, Some(text)),
            Element::Nested(text) => {
                Value { nested: true, ..Value::new(element_oid, Some(text.into())) }
            }
        };
        ValueDeserializer { value: Ok(value), column: None }
    });
    visitor.visit_seq(SeqDeserializer::new(values))
}

/// Reads through `io::Read`, because the text does not live as long as what a visitor may borrow.
#[cfg(feature = "json")]
type JsonDeserializer<'a> = serde_json::Deserializer<serde_json::de::IoRead<&'a [u8]>>;

#[cfg(feature = "json")]
fn visit_json<T>(
    text: &str,
    visit: impl FnOnce(&mut JsonDeserializer<'_>) -> serde_json::Result<T>,
) -> Result<T, DeError> {
    let mut json = serde_json::Deserializer::from_reader(text.as_bytes());
    // serde's messages can quote a value of the document; its position does not.
    visit(&mut json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        DeError(format!("the JSON does not fit at line {line} column {column}"))
    })
}

/// Without the feature JSON is text.
#[cfg(not(feature = "json"))]
fn visit_json<T>(
    text: &str,
    visit: impl FnOnce(serde::de::value::StrDeserializer<'_, DeError>) -> Result<T, DeError>,
) -> Result<T, DeError> {
    visit(text.into_deserializer())
}

/// Dates and times as serde formats write them: `2026-11-01T12:00:00+00:00`.
fn iso(type_oid: u32, text: &str) -> Cow<'_, str> {
    if !matches!(type_oid, oid::TIMESTAMP | oid::TIMESTAMPTZ) {
        return Cow::Borrowed(text);
    }
    let Some((day, clock)) = text.split_once(' ') else { return Cow::Borrowed(text) };
    let zone = clock.find(['+', '-']).and_then(|at| clock.get(at..)).unwrap_or("");
    let minutes = if zone.len() == 3 { ":00" } else { "" };
    Cow::Owned(format!("{day}T{clock}{minutes}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use crate::row::tests::row;

    const TEXT: u32 = 25;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Mood {
        Sad,
        Happy,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        a: Vec<i32>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Everything {
        small: i16,
        big: u64,
        real: f64,
        yes: bool,
        name: String,
        none: Option<String>,
        mood: Mood,
        moods: Vec<Mood>,
        numeric: String,
        bytes: Vec<u8>,
        matrix: Vec<Vec<Option<i32>>>,
        document: Inner,
        documents: Vec<Inner>,
        at: chrono::DateTime<chrono::Utc>,
        local: chrono::NaiveDateTime,
        printed: String,
        id: uuid::Uuid,
    }

    fn one<T: DeserializeOwned>(type_oid: u32, text: Option<&str>) -> Result<T, String> {
        row(&[("x", type_oid, text)])
            .into_struct::<(T,)>()
            .map(|(value,)| value)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_struct_of_everything() {
        let stamp = "2026-11-01 01:02:03.5+00";
        let row = row(&[
            ("small", 21, Some("-1")),
            ("big", 20, Some("9")),
            ("real", 700, Some("0.5")),
            ("yes", 16, Some("t")),
            ("name", TEXT, Some("ü")),
            ("none", TEXT, None),
            ("mood", 16_400, Some("happy")),
            ("moods", 16_401, Some("{sad,happy}")),
            ("numeric", 1700, Some("1.50")),
            ("bytes", 17, Some("\\x00ff")),
            ("matrix", 1007, Some("{{1,NULL},{3,4}}")),
            ("document", 3802, Some(r#"{"a": [1, 2]}"#)),
            ("documents", 3807, Some(r#"{"{\"a\": [3]}"}"#)),
            ("at", 1184, Some(stamp)),
            ("local", 1114, Some("2026-11-01 01:02:03")),
            ("printed", 1184, Some(stamp)),
            ("id", 2950, Some("12345678-9abc-def0-1234-56789abcdef0")),
            ("ignored", 17, Some("malformed\\")),
        ]);
        let read: Everything = row.into_struct().unwrap();
        let local = chrono::NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
        let expected = Everything {
            small: -1,
            big: 9,
            real: 0.5,
            yes: true,
            name: "ü".into(),
            none: None,
            mood: Mood::Happy,
            moods: vec![Mood::Sad, Mood::Happy],
            numeric: "1.50".into(),
            bytes: vec![0, 255],
            matrix: vec![vec![Some(1), None], vec![Some(3), Some(4)]],
            document: Inner { a: vec![1, 2] },
            documents: vec![Inner { a: vec![3] }],
            at: local.and_hms_milli_opt(1, 2, 3, 500).unwrap().and_utc(),
            local: local.and_hms_opt(1, 2, 3).unwrap(),
            printed: stamp.into(),
            id: uuid::Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn tuples_maps_and_values() {
        let row = row(&[("a", 23, Some("1")), ("b", 23, None)]);
        assert_eq!(row.into_struct::<(i32, Option<i32>)>().unwrap(), (1, None));
        let map: BTreeMap<String, Option<i32>> = row.into_struct().unwrap();
        assert_eq!(map, BTreeMap::from([("a".into(), Some(1)), ("b".into(), None)]));
        let value: serde_json::Value = row.into_struct().unwrap();
        assert_eq!(value, serde_json::json!({"a": 1, "b": null}));
    }

    #[test]
    fn errors_name_the_column_and_hold_no_value() {
        let error = one::<i32>(TEXT, Some("hunter2")).unwrap_err();
        assert_eq!(error, "the row does not fit the struct: column `x`: text, expected i32");
        let error = one::<i16>(20, Some("70000")).unwrap_err();
        assert_eq!(error, "the row does not fit the struct: column `x`: a value that is not i16");
        let error = one::<i32>(23, None).unwrap_err();
        assert!(error.contains("NULL, expected i32"), "{error}");
        let error = one::<Inner>(114, Some(r#"{"a": "hunter2"}"#)).unwrap_err();
        assert!(error.contains("line 1 column") && !error.contains("hunter2"), "{error}");
        let error = one::<Mood>(16_400, Some("hunter2")).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
        #[derive(Debug, Deserialize)]
        struct Missing {
            #[expect(dead_code, reason = "never read")]
            y: i32,
        }
        let error = row(&[("x", 23, Some("1"))]).into_struct::<Missing>().unwrap_err();
        assert!(error.to_string().contains("missing field `y`"), "{error}");
    }
}
