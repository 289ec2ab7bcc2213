//! What a statement is called on sessions.

use super::hash::{Key, hash};

const PREFIX: &[u8; 3] = b"ph_";
const LIFE_DIGITS: usize = 16;
const PREFIX_BYTES: usize = PREFIX.len() + LIFE_DIGITS + 1;
/// Digits of the largest number.
const NUMBER_DIGITS: usize = 20;
const NAME_BYTES: usize = PREFIX_BYTES + NUMBER_DIGITS;

/// PostgreSQL tells names apart by their first 63 bytes.
const _: () = assert!(NAME_BYTES <= 63);

/// A statement's name on sessions: `ph_`, what stands for this object's life, and a number.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    bytes: [u8; NAME_BYTES],
    length: usize,
}

impl Name {
    /// Its bytes, none of them zero.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Name({})", self.as_bytes().escape_ascii())
    }
}

/// What all names of one life begin with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefix([u8; PREFIX_BYTES]);

impl Prefix {
    /// Names can be read in `pg_prepared_statements`, so the key itself is not in them.
    pub(super) fn new(key: Key) -> Self {
        let mut life = hash(key, &[b"name"]);
        let mut bytes = [b'_'; PREFIX_BYTES];
        for (to, from) in bytes.iter_mut().zip(PREFIX) {
            *to = *from;
        }
        for to in bytes.iter_mut().skip(PREFIX.len()).take(LIFE_DIGITS) {
            life = life.rotate_left(4);
            *to = hex_digit(life);
        }
        Self(bytes)
    }

    pub(super) fn name(&self, number: u64) -> Name {
        let mut bytes = [0; NAME_BYTES];
        let length = PREFIX_BYTES + digits(number);
        for (to, from) in bytes.iter_mut().zip(&self.0) {
            *to = *from;
        }
        let mut left = number;
        for to in bytes.iter_mut().take(length).skip(PREFIX_BYTES).rev() {
            let [digit, ..] = (left % 10).to_le_bytes();
            *to = b'0' | digit;
            left /= 10;
        }
        Name { bytes, length }
    }
}

fn hex_digit(value: u64) -> u8 {
    let [low, ..] = (value & 15).to_le_bytes();
    if low < 10 { b'0' + low } else { b'a' - 10 + low }
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_life_and_the_number() {
        let key = Key(1, 2);
        let prefix = Prefix::new(key);
        let life = hash(key, &[b"name"]);
        for number in [0, 1, 9, 10, 99, 100, 12_345, u64::MAX - 1, u64::MAX] {
            let name = prefix.name(number);
            let expected = format!("ph_{life:016x}_{number}");
            assert_eq!(std::str::from_utf8(name.as_bytes()), Ok(expected.as_str()));
        }
    }

    #[test]
    fn another_life_or_another_secret_has_other_names() {
        let name = |key| Prefix::new(key).name(1).as_bytes().to_vec();
        assert_ne!(name(Key(1, 2)), name(Key(1, 3)));
        assert_ne!(name(Key(1, 2)), name(Key(4, 2)));
    }
}
