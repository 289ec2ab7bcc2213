//! Hashes of inputs, kept beside results, to skip work whose inputs have not changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A 64-bit FNV-1a hash of named pieces: quick, the same on every machine and with every
/// compiler. It guards against forgetting a change, not against an adversary.
pub(crate) struct Hash(u64);

impl Hash {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds a text; its end counts, so that two texts are not one.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Adds a file's content (not its name or time: a fresh clone has new times).
    pub(crate) fn file(&mut self, path: &Path) -> io::Result<&mut Self> {
        Ok(self.bytes(&fs::read(path)?))
    }

    /// The hash so far, in hexadecimal.
    pub(crate) fn finish(&self) -> String {
        format!("{:016x}", self.0)
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        for byte in bytes.iter().copied().chain(bytes.len().to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self
    }
}

/// The files that a cargo dep-info file (`.d`) says an artifact was made of: what follows the
/// first `: ` of each line, with spaces in names escaped by backslashes.
pub(crate) fn dep_info_files(text: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in text.lines() {
        let Some((_, list)) = line.split_once(": ") else { continue };
        let mut name = String::new();
        let mut characters = list.chars();
        loop {
            match characters.next() {
                Some('\\') => name.extend(characters.next()),
                Some(' ') | None if !name.is_empty() => {
                    files.push(PathBuf::from(std::mem::take(&mut name)));
                }
                Some(' ') => {}
                Some(other) => name.push(other),
                None => break,
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_tells_pieces_apart() {
        let hash = |pieces: &[&str]| {
            let mut hash = Hash::new();
            for piece in pieces {
                hash.text(piece);
            }
            hash.finish()
        };
        assert_eq!(hash(&["a", "b"]), hash(&["a", "b"]));
        assert_ne!(hash(&["a", "b"]), hash(&["ab"]));
        assert_ne!(hash(&["a", "b"]), hash(&["b", "a"]));
        assert_ne!(hash(&[]), hash(&[""]));
        assert_eq!(hash(&[]).len(), 16);
    }

    #[test]
    fn dep_info_gives_the_files_after_the_colon() {
        let text = "/t/lib.wasm: /a/src/lib.rs /a/with\\ space.rs\n\n/t/liblib.rlib: /b.rs\n";
        let expected: Vec<PathBuf> =
            ["/a/src/lib.rs", "/a/with space.rs", "/b.rs"].map(PathBuf::from).into();
        assert_eq!(dep_info_files(text), expected);
        assert!(dep_info_files("").is_empty());
        assert!(dep_info_files("/t/lib.wasm:\n").is_empty());
    }
}
