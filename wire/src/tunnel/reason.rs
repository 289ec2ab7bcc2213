//! Codes that say why (`docs/protocol.md`, 2.6). Codes may be added without a new version: a
//! reader treats one it does not know as `Other`, and shows the text beside it.

use bytes::{Bytes, BytesMut};

use super::{Fault, Field};

macro_rules! codes {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $(#[$variant_doc:meta])* $code:literal $variant:ident, )* }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[$variant_doc])* $variant, )*
            /// A code of a later release, or one without a name.
            Other(u8),
        }

        impl $name {
            /// Every code that has a name.
            pub const NAMED: &'static [Self] = &[$( Self::$variant, )*];

            /// The code on the wire.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self {
                    $( Self::$variant => $code, )*
                    Self::Other(code) => code,
                }
            }

            /// What a code on the wire means.
            #[must_use]
            pub const fn from_code(code: u8) -> Self {
                match code {
                    $( $code => Self::$variant, )*
                    other => Self::Other(other),
                }
            }
        }

        impl Field for $name {
            fn put(&self, out: &mut BytesMut) -> Result<(), Fault> {
                self.code().put(out)
            }

            fn take(input: &mut Bytes) -> Result<Self, Fault> {
                u8::take(input).map(Self::from_code)
            }
        }
    )*};
}

codes! {
    /// How a database is served by an agent.
    Mode {
        /// The coordinator authenticates; the agent carries bytes.
        0 Pipe,
        /// The agent authenticates, and hands over sessions.
        1 Session,
    }

    /// Why a stream was not opened. Not a byte reached the database.
    RefusedReason {
        /// The agent's cap on connections to this database is reached.
        1 Cap,
        /// The database refused the connection.
        2 Connect,
        /// The database did not answer in time.
        3 Timeout,
        /// The agent does not serve a database of this name.
        4 UnknownDatabase,
        /// The agent is shutting down.
        5 Draining,
        /// Offered streams are not settled yet.
        6 Unsettled,
        /// TLS to the database failed.
        7 Tls,
    }

    /// Why one side gives up a stream in the middle.
    ResetReason {
        /// The client is gone or gave up.
        1 Abandoned,
        /// The bytes of the database broke its protocol.
        2 Protocol,
        /// The connection to the database broke.
        3 Lost,
        /// A byte budget was exceeded.
        4 Budget,
        /// The coordinator does not know the stream.
        5 UnknownStream,
    }

    /// Why a stream no longer exists.
    GoneReason {
        /// The agent does not know it.
        1 Unknown,
        /// It was parked without use for too long.
        2 Idle,
        /// Its total time is over.
        3 Expired,
        /// The database ended it, or spoke while it was parked.
        4 Database,
        /// It was released.
        5 Released,
        /// Both sides finished.
        6 Finished,
        /// It was reset, and the database has ended it.
        7 Reset,
        /// The database did not end it in time: an orphan, reported and no longer counted.
        8 Orphan,
        /// The agent is shutting down.
        9 Draining,
        /// Its counters are not those of the adopter.
        10 Counters,
    }

    /// Why one side asks for no new streams.
    DrainReason {
        /// The program is shutting down.
        1 Shutdown,
        /// An operator paused the database.
        2 Paused,
        /// A newer link takes over.
        3 Replaced,
    }

    /// Why a link ends.
    GoAwayReason {
        /// No version is spoken by both sides.
        1 Version,
        /// A newer copy of the coordinator has a link.
        2 StaleCopy,
        /// A newer link of the same agent replaces this one.
        3 Replaced,
        /// Bytes that are no frames, or a frame that must not be sent now.
        4 Protocol,
        /// More bytes than credit.
        5 Credit,
        /// No sign of life in time.
        6 Liveness,
        /// The program is shutting down, and has drained.
        7 Shutdown,
        /// The database is not configured to be reached through an agent.
        8 NotConfigured,
        /// Too many links, or too many parked streams.
        9 TooMany,
        /// The coordinator could not store its epoch.
        10 Storage,
    }
}
