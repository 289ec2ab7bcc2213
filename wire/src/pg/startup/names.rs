//! Whom a start-up message names. Everyone who decides by these names reads them here, so that two
//! on the way cannot be led to different readings of one message.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::{HEADER, MAJOR};
use crate::pg::write::put_c_string;

/// Parameters of a connection that clients resolve by themselves: one that arrives was smuggled
/// into another's value, or written where settings belong.
const OF_THE_CONNECTION: [&str; 12] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "password",
    "passfile",
    "service",
    "servicefile",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "session_authorization",
];

/// The user and the database of a start-up message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Names<'a> {
    /// The user.
    pub user: &'a str,
    /// The database; the user's name if none is given, as in PostgreSQL.
    pub database: &'a str,
}

impl<'a> Names<'a> {
    /// Reads the names among the parameters of a start-up message.
    ///
    /// # Errors
    /// When there is no user, when a name is given twice, or when a parameter would lead to another
    /// host, user or database.
    pub fn of(parameters: &[(&'a str, &'a str)]) -> Result<Self, NamesError> {
        let mut user = None;
        let mut database = None;
        for &(name, value) in parameters {
            let place = match name {
                "user" => &mut user,
                "database" => &mut database,
                _ => {
                    refuse_of_the_connection(name)?;
                    continue;
                }
            };
            if place.replace(value).is_some() {
                return Err(NamesError::Twice(name.to_owned()));
            }
        }
        let user = user.filter(|user| !user.is_empty()).ok_or(NamesError::NoUser)?;
        let database = database.filter(|database| !database.is_empty()).unwrap_or(user);
        Ok(Self { user, database })
    }
}

/// Refuses the name of a parameter that is none of a session's settings.
///
/// # Errors
/// When it would lead to another host, user or database.
pub fn refuse_of_the_connection(name: &str) -> Result<(), NamesError> {
    let lower = name.to_ascii_lowercase();
    if OF_THE_CONNECTION.contains(&lower.as_str()) || matches!(lower.as_str(), "user" | "database")
    {
        return Err(NamesError::OfTheConnection(lower));
    }
    Ok(())
}

/// A start-up message with these parameters; what lies behind a zero byte inside is left out.
#[must_use]
pub fn write_start<'a>(
    minor: u16,
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> BytesMut {
    let mut out = BytesMut::with_capacity(256);
    out.put_u32(0);
    out.put_u16(MAJOR);
    out.put_u16(minor);
    for (name, value) in parameters {
        put_c_string(name.as_bytes(), &mut out);
        put_c_string(value.as_bytes(), &mut out);
    }
    out.put_u8(0);
    let length = u32::try_from(out.len()).unwrap_or(u32::MAX);
    if let Some(field) = out.first_chunk_mut() {
        *field = length.to_be_bytes();
    }
    debug_assert!(out.len() > HEADER, "a header and its end are there");
    out
}

/// A start-up message whose names cannot be gone by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NamesError {
    /// There is no user.
    NoUser,
    /// This one is given twice.
    Twice(String),
    /// This one is none of a session's settings.
    OfTheConnection(String),
}

impl NamesError {
    /// The SQLSTATE that a refusal for this reason carries.
    #[must_use]
    pub const fn sqlstate(&self) -> &'static [u8; 5] {
        match self {
            Self::NoUser => b"28000",
            Self::Twice(_) | Self::OfTheConnection(_) => b"08P01",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoUser => "give a user, as in postgres://user@host/database",
            Self::Twice(_) => "give it once",
            Self::OfTheConnection(_) => {
                "user and database are parameters of their own; where the database is, Pierhead's \
                 configuration says (PIERHEAD_DB_<NAME>)"
            }
        }
    }
}

impl fmt::Display for NamesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUser => f.write_str("no PostgreSQL user name is in the start-up message"),
            Self::Twice(name) => write!(f, "the start-up parameter \"{name}\" is given twice"),
            Self::OfTheConnection(name) => {
                write!(f, "the start-up parameter \"{name}\" is no setting of a session")
            }
        }
    }
}

impl std::error::Error for NamesError {}
