//! Kinds of things by name, so that one sees how often each happened, and that none is forgotten.

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
