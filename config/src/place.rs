//! Where a durable object may live.

use crate::value::word;

/// A hint where a durable object is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location(&'static str);

/// A jurisdiction that a durable object never leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jurisdiction(&'static str);

impl Location {
    /// As the platform writes it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.0
    }

    /// The location that the platform writes so, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        word(name, &LOCATIONS).ok()
    }
}

impl Jurisdiction {
    /// As the platform writes it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.0
    }

    /// The jurisdiction that the platform writes so, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        word(name, &JURISDICTIONS).ok()
    }
}

pub(crate) const LOCATIONS: [(&str, Location); 11] = [
    ("wnam", Location("wnam")),
    ("enam", Location("enam")),
    ("sam", Location("sam")),
    ("weur", Location("weur")),
    ("eeur", Location("eeur")),
    ("apac", Location("apac")),
    ("apac-ne", Location("apac-ne")),
    ("apac-se", Location("apac-se")),
    ("oc", Location("oc")),
    ("afr", Location("afr")),
    ("me", Location("me")),
];
pub(crate) const JURISDICTIONS: [(&str, Jurisdiction); 3] =
    [("eu", Jurisdiction("eu")), ("fedramp", Jurisdiction("fedramp")), ("us", Jurisdiction("us"))];
