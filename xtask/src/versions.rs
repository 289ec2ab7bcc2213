//! Every version that set-up asks for, in one place, and the reading of what programs answer to
//! `--version`.

/// The `worker-build` that belongs to the `worker` crate of the root `Cargo.toml`.
pub(crate) const WORKER_BUILD: &str = "0.8.7";

/// Must equal the `wasm-bindgen` library in `Cargo.lock`: the program refuses any other.
pub(crate) const WASM_BINDGEN: &str = "0.2.130";

/// PostgreSQL of npm's packaged server, used where there is neither a local one nor Debian's.
pub(crate) const EMBEDDED_POSTGRES: &str = "18.4.0-beta.17";

/// Oldest PostgreSQL the tests are written for.
pub(crate) const POSTGRES_MIN: Version = Version(15, 0, 0);

/// Oldest Node that the pinned wrangler runs on.
pub(crate) const NODE_FOR_WRANGLER: Version = Version(22, 12, 0);

/// Oldest Node that npm and the build tools here are tried with.
pub(crate) const NODE_MIN: Version = Version(20, 0, 0);

/// Oldest Python that the drivers of the matrix run on.
pub(crate) const PYTHON_MIN: Version = Version(3, 11, 0);

/// Oldest rustc that the `worker` crate compiles with.
pub(crate) const RUSTC_MIN: Version = Version(1, 91, 0);

/// A version as far as these checks look at it; what follows the third number is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Finds the first thing that looks like a version: `v20.20.2`, `rustc 1.96.0 (…)`,
    /// `postgres (PostgreSQL) 15.18 (Debian …)`, `initdb (PostgreSQL) 18beta1`.
    pub(crate) fn find(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(|word| {
            let word = word.strip_prefix('v').unwrap_or(word);
            let mut parts = word.split('.').map(leading_number);
            let major = parts.next()??;
            Some(Self(
                major,
                parts.next().flatten().unwrap_or(0),
                parts.next().flatten().unwrap_or(0),
            ))
        })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

/// The version of a package in the text of a `Cargo.lock`.
pub(crate) fn locked<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let mut lines = lock.lines();
    let wanted = format!("name = \"{package}\"");
    lines.find(|line| *line == wanted)?;
    lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        for (text, version) in [
            ("v20.20.2\n", Version(20, 20, 2)),
            (
                "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)",
                Version(1, 96, 0),
            ),
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Version(15, 18, 0)),
            ("postgres (PostgreSQL) 18beta1", Version(18, 0, 0)),
            ("wasm-bindgen 0.2.130", Version(0, 2, 130)),
            ("1.97.0-nightly", Version(1, 97, 0)),
        ] {
            assert_eq!(Version::find(text), Some(version), "{text}");
        }
        assert_eq!(Version::find("no digits here"), None);
        assert_eq!(Version::find(""), None);
    }

    #[test]
    fn versions_are_ordered_by_number() {
        assert!(Version(22, 9, 9) < NODE_FOR_WRANGLER);
        assert!(Version(22, 12, 0) >= NODE_FOR_WRANGLER);
        assert!(Version(1, 100, 0) > RUSTC_MIN);
    }

    #[test]
    fn the_lock_file_names_a_version() {
        let lock = "[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"9.9.9\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\nsource = \"…\"\n";
        assert_eq!(locked(lock, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(locked(lock, "worker"), None);
    }
}
