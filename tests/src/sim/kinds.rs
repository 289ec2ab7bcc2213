//! Kinds of things by name, so that one sees how often each happened, and that none is forgotten.

use pierhead_engine::io::Input;

/// Declares an enum that knows its variants' names, each behind the same word.
macro_rules! kinds {
    (
        $word:literal
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $($(#[$variant_meta:meta])* $variant:ident $(($($field:ty),*))?,)*
        }
    ) => {
        $(#[$meta])*
        $vis enum $name {
            $($(#[$variant_meta])* $variant $(($($field),*))?,)*
        }

        impl $name {
            /// The names of all kinds.
            pub(super) const KINDS: &[&str] = &[$(concat!($word, stringify!($variant)),)*];

            /// The name of this one.
            pub(super) fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => concat!($word, stringify!($variant)),)*
                }
            }
        }
    };
}

/// Declares a function that names the variants of somebody else's enum, and the list of their names.
macro_rules! name_variants {
    ($word:literal $function:ident $list:ident of $name:ident: $($variant:ident)*) => {
        /// The names of all kinds.
        pub(super) const $list: &[&str] = &[$(concat!($word, stringify!($variant)),)*];

        /// The name of this one.
        pub(super) fn $function(one: &$name) -> &'static str {
            match one {
                $($name::$variant { .. } => concat!($word, stringify!($variant)),)*
            }
        }
    };
}

name_variants! {
    "input: " input_kind INPUTS of Input:
    ClientOpened LeaseOpened SocketOpened SocketData ClientTook ClientGone ClientAlive AbortRequest
    StreamOpened StreamRefused StreamSecured StreamData StreamTook StreamClosed
    LinkOpened LinkRestored LinkMessage LinkClosed EpochRaised TimePassed
}
