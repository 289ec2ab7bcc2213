use bytes::BytesMut;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::column::{DecodeError, FromColumn};
use super::oid;
use super::param::{IsNull, ParamError, ToParam, write};

/// A value that is JSON in the database: anything serde can write and read. JSON's own `null` is a
/// value; for SQL's NULL use an `Option`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: Serialize> ToParam for Json<T> {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        let text = serde_json::to_string(&self.0)
            .map_err(|error| ParamError::new(format!("it is no JSON: {error}")))?;
        text.as_str().to_text(out)
    }
}

impl<T: DeserializeOwned> FromColumn for Json<T> {
    fn from_text(type_oid: u32, text: &str) -> Result<Self, DecodeError> {
        if !oid::is_json(type_oid) {
            return Err(DecodeError::type_mismatch(type_oid, "Json", "json and jsonb"));
        }
        // serde's messages can quote a value of the document; its position does not.
        serde_json::from_str(text).map(Self).map_err(|error| {
            DecodeError::new(format!(
                "the JSON does not fit the Rust type at line {} column {}",
                error.line(),
                error.column()
            ))
        })
    }
}

impl ToParam for Value {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        write(out, format_args!("{self}"))
    }
}

impl FromColumn for Value {
    fn from_text(type_oid: u32, text: &str) -> Result<Self, DecodeError> {
        Json::from_text(type_oid, text).map(|json| json.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::param::text;
    use super::*;

    #[test]
    fn there_and_back() {
        let value = json!({"a": [1, null, "ü\""]});
        let written = text(&value).unwrap();
        assert_eq!(written, r#"{"a":[1,null,"ü\""]}"#);
        assert_eq!(Value::from_text(oid::JSONB, &written), Ok(value));
        assert_eq!(text(&Value::Null).as_deref(), Some("null"));
        assert_eq!(text(&Json(vec![1, 2])).as_deref(), Some("[1,2]"));
        assert_eq!(Json::from_text(oid::JSON, "[1, 2]"), Ok(Json(vec![1, 2])));
        assert!(Json::<i32>::from_text(oid::JSON, "\"secret\"").is_err());
        assert!(Value::from_text(25, "1").is_err());
    }
}
