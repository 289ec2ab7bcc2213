//! What a session keeps between transactions, and for whom.

mod followed;

pub(crate) use self::followed::Followed;
#[cfg(test)]
pub(crate) use self::followed::TooMany;

#[cfg(test)]
mod tests;
