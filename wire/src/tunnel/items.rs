//! What lists and several frames hold (`docs/protocol.md`, 2.2, 2.4 and 2.8).

use bytes::{Bytes, BytesMut};

use super::Fault;
use super::field::{Blob, Field, StreamId, Text};
use super::reason::Mode;
use crate::limits::{
    TUNNEL_BLOB_BYTES_MAX, TUNNEL_NAME_BYTES_MAX, TUNNEL_PARKED_MAX, TUNNEL_TEXT_BYTES_MAX,
};

/// A name, fit for one line of a log.
pub type Name = Text<TUNNEL_NAME_BYTES_MAX>;
/// What a person can do about a reason.
pub type Advice = Text<TUNNEL_TEXT_BYTES_MAX>;
/// What describes a session, opaque to the agent.
pub type Description = Blob<TUNNEL_BLOB_BYTES_MAX>;

/// The name of a field, and the rule that it breaks.
pub(super) type FieldFault = (&'static str, Fault);

/// Fields in the order of the wire; the error names the field that breaks a rule.
macro_rules! fields {
    ($name:ident { $($field:ident: $type:ty,)* }) => {
        impl $name {
            fn put_fields(&self, out: &mut BytesMut) -> Result<(), FieldFault> {
                let Self { $($field,)* } = self;
                $( $field.put(out).map_err(|fault| (stringify!($field), fault))?; )*
                Ok(())
            }

            fn take_fields(input: &mut Bytes) -> Result<Self, FieldFault> {
                Ok(Self { $( $field: <$type as Field>::take(input)
                    .map_err(|fault| (stringify!($field), fault))?, )* })
            }
        }
    };
}

pub(super) use fields;

macro_rules! items {
    ($( $(#[$doc:meta])* $name:ident {
        $( $(#[$field_doc:meta])* $field:ident: $type:ty, )*
    } )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $( $(#[$field_doc])* pub $field: $type, )* }

        fields! { $name { $($field: $type,)* } }

        impl Field for $name {
            fn put(&self, out: &mut BytesMut) -> Result<(), Fault> {
                self.put_fields(out).map_err(|(_, fault)| fault)
            }

            fn take(input: &mut Bytes) -> Result<Self, Fault> {
                Self::take_fields(input).map_err(|(_, fault)| fault)
            }
        }
    )*};
}

items! {
    /// A database that an agent serves.
    Database {
        /// Its configured name.
        name: Name,
        /// Who authenticates.
        mode: Mode,
        /// Connections that the agent allows itself, over all links and copies.
        cap: u16,
    }

    /// Bytes of a stream's data since it was opened, as the coordinator sees it.
    #[derive(Copy)]
    Counters {
        /// Bytes towards the database.
        sent: u64,
        /// Bytes from the database.
        received: u64,
    }

    /// One parked stream.
    Offered {
        /// The stream.
        stream: StreamId,
        /// Its counters at the agent.
        counters: Counters,
        /// Milliseconds that it may still stay without use.
        idle_left_ms: u32,
        /// Milliseconds until its total time is over.
        expires_in_ms: u32,
        /// What was written when its session opened; empty if nothing was.
        blob: Description,
    }
}

/// How many streams a `hello` offers: at most [`TUNNEL_PARKED_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ParkedCount(pub u16);

impl ParkedCount {
    fn check(self) -> Result<Self, Fault> {
        if self.0 <= TUNNEL_PARKED_MAX { Ok(self) } else { Err(Fault::Value(self.0.into())) }
    }
}

impl Field for ParkedCount {
    fn put(&self, out: &mut BytesMut) -> Result<(), Fault> {
        self.check()?.0.put(out)
    }

    fn take(input: &mut Bytes) -> Result<Self, Fault> {
        Self(u16::take(input)?).check()
    }
}
