use bytes::BytesMut;
use uuid::Uuid;

use super::column::{DecodeError, FromColumn};
use super::oid;
use super::param::{IsNull, ParamError, ToParam, write};

impl ToParam for Uuid {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        write(out, format_args!("{}", self.hyphenated()))
    }
}

impl FromColumn for Uuid {
    fn from_text(type_oid: u32, text: &str) -> Result<Self, DecodeError> {
        if type_oid != oid::UUID {
            return Err(DecodeError::type_mismatch(type_oid, "Uuid", "uuid"));
        }
        text.parse().map_err(|_| DecodeError::malformed(type_oid))
    }
}

#[cfg(test)]
mod tests {
    use super::super::param::text;
    use super::*;

    #[test]
    fn there_and_back() {
        let uuid = Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0);
        let text = text(&uuid).unwrap();
        assert_eq!(text, "12345678-9abc-def0-1234-56789abcdef0");
        assert_eq!(Uuid::from_text(oid::UUID, &text), Ok(uuid));
        assert!(Uuid::from_text(25, &text).is_err());
    }
}
