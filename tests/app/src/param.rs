//! Parameters from JSON: a plain value, or `{type, value}` with `type` one of `null`, `i16`, `i32`,
//! `i64`, `u32`, `f32`, `f64`, `bool`, `text`, `bytes` (hexadecimal), `uuid`, `json`, or one of the
//! first ones with `[]` for an array. Dates and whatever else are text.

use bytes::BytesMut;
use pierhead_client::{IsNull, ParamError, ToParam};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A parameter of a type chosen at run time.
pub(crate) type Param = Box<dyn ToParam>;

/// Reads the parameters of a statement. One that is malformed fails when it is sent.
pub(crate) fn read(values: &[Value]) -> Vec<Param> {
    values.iter().map(read_one).collect()
}

/// The parameters as the client takes them.
pub(crate) fn borrow(params: &[Param]) -> Vec<&dyn ToParam> {
    params.iter().map(AsRef::as_ref).collect()
}

fn read_one(value: &Value) -> Param {
    if let Value::Object(object) = value
        && let Some(Value::String(name)) = object.get("type")
    {
        let value = object.get("value").cloned().unwrap_or_default();
        return read_typed(name, value).unwrap_or_else(|| Box::new(Malformed));
    }
    match value {
        Value::Null => Box::new(None::<String>),
        Value::Bool(value) => Box::new(*value),
        Value::String(text) => Box::new(text.clone()),
        Value::Number(number) => Box::new(number.to_string()),
        Value::Array(_) | Value::Object(_) => Box::new(value.clone()),
    }
}

fn read_typed(name: &str, value: Value) -> Option<Param> {
    match name {
        "null" => Some(Box::new(None::<String>)),
        "i16" => from::<i16>(value),
        "i32" => from::<i32>(value),
        "i64" => from::<i64>(value),
        "u32" => from::<u32>(value),
        "f32" => from::<f32>(value),
        "f64" => from::<f64>(value),
        "bool" => from::<bool>(value),
        "text" => from::<String>(value),
        "bytes" => Some(Box::new(hex(value.as_str()?)?)),
        "uuid" => Some(Box::new(value.as_str()?.parse::<uuid::Uuid>().ok()?)),
        "json" => Some(Box::new(value)),
        "i16[]" => from::<Vec<Option<i16>>>(value),
        "i32[]" => from::<Vec<Option<i32>>>(value),
        "i64[]" => from::<Vec<Option<i64>>>(value),
        "f64[]" => from::<Vec<Option<f64>>>(value),
        "bool[]" => from::<Vec<Option<bool>>>(value),
        "text[]" => from::<Vec<Option<String>>>(value),
        _ => None,
    }
}

fn from<T: DeserializeOwned + ToParam + 'static>(value: Value) -> Option<Param> {
    serde_json::from_value::<T>(value).ok().map(|value| Box::new(value) as Param)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    text.as_bytes()
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

/// Stands for a parameter of unknown type or malformed value.
struct Malformed;

impl ToParam for Malformed {
    fn to_text(&self, _: &mut BytesMut) -> Result<IsNull, ParamError> {
        Err(ParamError::new(
            "its type is unknown or its value malformed; see tests/app/src/param.rs",
        ))
    }
}
