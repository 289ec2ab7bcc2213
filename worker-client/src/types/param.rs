use std::borrow::Cow;
use std::fmt;

use bytes::{BufMut, BytesMut};

/// A value that can be a statement's parameter.
///
/// ```
/// use pierhead_client::ToParam;
/// let params: &[&dyn ToParam] = &[&1_i32, &"text", &None::<bool>, &vec![1.5, 2.0]];
/// ```
pub trait ToParam {
    /// Appends the value as PostgreSQL writes it in text, or nothing if it is NULL.
    ///
    /// # Errors
    /// When the value has no such text.
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError>;

    /// Appends the value as an element of an array. Only arrays need another way than this one.
    ///
    /// # Errors
    /// As [`to_text`](Self::to_text).
    fn to_element(&self, out: &mut BytesMut) -> Result<(), ParamError> {
        let mut text = BytesMut::new();
        match self.to_text(&mut text)? {
            IsNull::Yes => out.put_slice(b"NULL"),
            IsNull::No => quote(out, &text),
        }
        Ok(())
    }
}

/// Whether a parameter is NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsNull {
    /// It is.
    Yes,
    /// It has a text.
    No,
}

/// Why a value cannot be a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamError(String);

impl ParamError {
    /// An error with a reason that does not contain the value.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParamError {}

/// Appends formatted text.
pub(super) fn write(out: &mut BytesMut, text: fmt::Arguments<'_>) -> Result<IsNull, ParamError> {
    fmt::Write::write_fmt(out, text)
        .map_err(|_| ParamError::new("its Display implementation failed"))?;
    Ok(IsNull::No)
}

fn quote(out: &mut BytesMut, text: &[u8]) {
    out.reserve(text.len() + 2);
    out.put_u8(b'"');
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(byte);
    }
    out.put_u8(b'"');
}

macro_rules! display {
    ($($type:ty),+) => {$(
        impl ToParam for $type {
            fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
                write(out, format_args!("{self}"))
            }
        }
    )+};
}

display!(i16, i32, i64, u32, bool);

macro_rules! float {
    ($($type:ty),+) => {$(
        impl ToParam for $type {
            fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
                let size = self.abs();
                if size.is_infinite() {
                    write(out, format_args!("{}Infinity", if *self < 0.0 { "-" } else { "" }))
                } else if size == 0.0 || size.is_nan() || (1e-5..1e16).contains(&size) {
                    write(out, format_args!("{self}"))
                } else {
                    write(out, format_args!("{self:e}"))
                }
            }
        }
    )+};
}

float!(f32, f64);

impl ToParam for str {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        out.put_slice(self.as_bytes());
        Ok(IsNull::No)
    }
}

impl ToParam for String {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        self.as_str().to_text(out)
    }
}

impl<T: ToParam + ?Sized> ToParam for &T {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        (**self).to_text(out)
    }

    fn to_element(&self, out: &mut BytesMut) -> Result<(), ParamError> {
        (**self).to_element(out)
    }
}

impl<T: ToParam + ToOwned + ?Sized> ToParam for Cow<'_, T> {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        (**self).to_text(out)
    }

    fn to_element(&self, out: &mut BytesMut) -> Result<(), ParamError> {
        (**self).to_element(out)
    }
}

impl<T: ToParam> ToParam for Option<T> {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        self.as_ref().map_or(Ok(IsNull::Yes), |value| value.to_text(out))
    }

    fn to_element(&self, out: &mut BytesMut) -> Result<(), ParamError> {
        match self {
            Some(value) => value.to_element(out),
            None => {
                out.put_slice(b"NULL");
                Ok(())
            }
        }
    }
}

#[cfg(test)]
pub(super) fn text(value: &dyn ToParam) -> Option<String> {
    let mut out = BytesMut::new();
    match value.to_text(&mut out).unwrap() {
        IsNull::Yes => None,
        IsNull::No => Some(String::from_utf8(out.to_vec()).unwrap()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::AsText;

    #[test]
    fn numbers() {
        let cases: [(&dyn ToParam, &str); 15] = [
            (&-1_i16, "-1"),
            (&i32::MIN, "-2147483648"),
            (&i64::MAX, "9223372036854775807"),
            (&u32::MAX, "4294967295"),
            (&true, "true"),
            (&1.0_f64, "1"),
            (&-0.0_f64, "-0"),
            (&0.1_f32, "0.1"),
            (&1e300_f64, "1e300"),
            (&f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (&f32::MAX, "3.4028235e38"),
            (&f64::INFINITY, "Infinity"),
            (&f32::NEG_INFINITY, "-Infinity"),
            (&f64::NAN, "NaN"),
            (&AsText(1.5), "1.5"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(value).as_deref(), Some(expected));
        }
    }

    #[test]
    fn texts_and_nulls() {
        assert_eq!(text(&"ü \\ \" '").as_deref(), Some("ü \\ \" '"));
        assert_eq!(text(&String::new()).as_deref(), Some(""));
        assert_eq!(text(&Cow::Borrowed("x")).as_deref(), Some("x"));
        assert_eq!(text(&None::<&str>), None);
        assert_eq!(text(&Some("x")).as_deref(), Some("x"));
    }
}
