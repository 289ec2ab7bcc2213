//! What frames are made of. A field's type carries its limit, so that writer and reader keep the
//! same one. Everything read is a slice of the message; nothing is copied.

use std::fmt;
use std::marker::PhantomData;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::Fault;
use crate::limits::TUNNEL_CREDIT_MAX;

/// One field of a frame.
pub trait Field: Sized {
    /// Appends the field.
    ///
    /// # Errors
    /// When the value is beyond the field's limit.
    fn put(&self, out: &mut BytesMut) -> Result<(), Fault>;

    /// Takes the field from the beginning of `input`.
    ///
    /// # Errors
    /// When the bytes are no such field.
    fn take(input: &mut Bytes) -> Result<Self, Fault>;
}

macro_rules! integers {
    ($($type:ty, $put:ident, $take:ident;)*) => {$(
        impl Field for $type {
            fn put(&self, out: &mut BytesMut) -> Result<(), Fault> {
                out.$put(*self);
                Ok(())
            }

            fn take(input: &mut Bytes) -> Result<Self, Fault> {
                input.$take().map_err(|_| Fault::Truncated)
            }
        }
    )*};
}

integers! {
    u8, put_u8, try_get_u8;
    u16, put_u16, try_get_u16;
    u32, put_u32, try_get_u32;
    u64, put_u64, try_get_u64;
}

impl Field for bool {
    fn put(&self, out: &mut BytesMut) -> Result<(), Fault> {
        u8::from(*self).put(out)
    }

    fn take(input: &mut Bytes) -> Result<Self, Fault> {
        match u8::take(input)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Fault::Value(other.into())),
        }
    }
}

/// The random name of one agent process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentLife(pub [u8; 16]);

impl Field for AgentLife {
    fn put(&self, out: &mut BytesMut) -> Result<(), Fault> {
        out.put_slice(&self.0);
        Ok(())
    }

    fn take(input: &mut Bytes) -> Result<Self, Fault> {
        let mut life = [0; 16];
        input.try_copy_to_slice(&mut life).map_err(|_| Fault::Truncated)?;
        Ok(Self(life))
    }
}

/// Names one stream for the whole life of its agent, on whatever link it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// The link on which it was opened.
    pub link: u32,
    /// Counts the streams opened on that link, from 1.
    pub index: u32,
}

impl Field for StreamId {
    fn put(&self, out: &mut BytesMut) -> Result<(), Fault> {
        self.link.put(out)?;
        self.index.put(out)
    }

    fn take(input: &mut Bytes) -> Result<Self, Fault> {
        Ok(Self { link: u32::take(input)?, index: u32::take(input)? })
    }
}

/// Bytes that the other side may send: 1 to [`TUNNEL_CREDIT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(pub u32);

impl Amount {
    fn check(self) -> Result<Self, Fault> {
        if (1..=TUNNEL_CREDIT_MAX).contains(&self.0) {
            Ok(self)
        } else {
            Err(Fault::Value(self.0.into()))
        }
    }
}

impl Field for Amount {
    fn put(&self, out: &mut BytesMut) -> Result<(), Fault> {
        self.check()?.0.put(out)
    }

    fn take(input: &mut Bytes) -> Result<Self, Fault> {
        Self(u32::take(input)?).check()
    }
}

fn sized(actual: usize, min: usize, max: usize) -> Result<(), Fault> {
    if (min..=max).contains(&actual) { Ok(()) } else { Err(Fault::Size { actual, min, max }) }
}

fn put_short(bytes: &[u8], max: usize, out: &mut BytesMut) -> Result<(), Fault> {
    sized(bytes.len(), 0, max)?;
    let length = u16::try_from(bytes.len());
    out.put_u16(length.map_err(|_| Fault::Size { actual: bytes.len(), min: 0, max })?);
    out.put_slice(bytes);
    Ok(())
}

fn take_short(input: &mut Bytes, max: usize) -> Result<Bytes, Fault> {
    let length = usize::from(u16::take(input)?);
    sized(length, 0, max)?;
    if length > input.len() {
        return Err(Fault::Truncated);
    }
    Ok(input.split_to(length))
}

/// UTF-8 text of at most `MAX` bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text<const MAX: usize>(Bytes);

impl<const MAX: usize> Text<MAX> {
    /// The longest beginning of `text` that fits, whole characters only.
    #[must_use]
    pub fn cut(text: &str) -> Self {
        let end = text.floor_char_boundary(MAX);
        Self(Bytes::copy_from_slice(text.get(..end).unwrap_or_default().as_bytes()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl<const MAX: usize> Field for Text<MAX> {
    fn put(&self, out: &mut BytesMut) -> Result<(), Fault> {
        put_short(&self.0, MAX, out)
    }

    fn take(input: &mut Bytes) -> Result<Self, Fault> {
        let bytes = take_short(input, MAX)?;
        std::str::from_utf8(&bytes).map_err(|_| Fault::NotText)?;
        Ok(Self(bytes))
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// At most `MAX` bytes that the reader does not look into. May be secret: prints its size only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Blob<const MAX: usize>(pub Bytes);

impl<const MAX: usize> Field for Blob<MAX> {
    fn put(&self, out: &mut BytesMut) -> Result<(), Fault> {
        put_short(&self.0, MAX, out)
    }

    fn take(input: &mut Bytes) -> Result<Self, Fault> {
        take_short(input, MAX).map(Self)
    }
}

impl<const MAX: usize> fmt::Debug for Blob<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// The rest of a frame, `MIN` to `MAX` bytes of a stream. May be secret: prints its size only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Payload<const MIN: usize, const MAX: usize>(pub Bytes);

impl<const MIN: usize, const MAX: usize> Field for Payload<MIN, MAX> {
    fn put(&self, out: &mut BytesMut) -> Result<(), Fault> {
        sized(self.0.len(), MIN, MAX)?;
        out.put_slice(&self.0);
        Ok(())
    }

    fn take(input: &mut Bytes) -> Result<Self, Fault> {
        sized(input.len(), MIN, MAX)?;
        Ok(Self(std::mem::take(input)))
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Debug for Payload<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// At most `MAX` items. Kept as the bytes they came in, each item checked.
#[derive(Clone, PartialEq, Eq)]
pub struct List<T, const MAX: usize> {
    count: u16,
    bytes: Bytes,
    items: PhantomData<T>,
}

impl<T: Field, const MAX: usize> List<T, MAX> {
    /// The list of `items`.
    ///
    /// # Errors
    /// When there are too many, or one is beyond a limit of its own.
    pub fn new<'a>(items: impl IntoIterator<Item = &'a T>) -> Result<Self, Fault>
    where
        T: 'a,
    {
        let mut count: u16 = 0;
        let mut bytes = BytesMut::new();
        for item in items {
            count = count.saturating_add(1);
            sized(count.into(), 0, MAX)?;
            item.put(&mut bytes)?;
        }
        Ok(Self { count, bytes: bytes.freeze(), items: PhantomData })
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.into()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The items, in their order.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<T, MAX> {
        let mut rest = self.bytes.clone();
        (0..self.count).map_while(move |_| T::take(&mut rest).ok())
    }
}

impl<T: Field, const MAX: usize> Field for List<T, MAX> {
    fn put(&self, out: &mut BytesMut) -> Result<(), Fault> {
        sized(self.count.into(), 0, MAX)?;
        out.put_u16(self.count);
        out.put_slice(&self.bytes);
        Ok(())
    }

    fn take(input: &mut Bytes) -> Result<Self, Fault> {
        let count = u16::take(input)?;
        sized(count.into(), 0, MAX)?;
        let mut bytes = input.clone();
        for _ in 0..count {
            T::take(input)?;
        }
        bytes.truncate(bytes.len().saturating_sub(input.len()));
        Ok(Self { count, bytes, items: PhantomData })
    }
}

impl<T: Field + fmt::Debug, const MAX: usize> fmt::Debug for List<T, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
