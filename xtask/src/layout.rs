//! Where things are: the clone, and the cache of tools outside of it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

/// The directories that every command works in.
pub(crate) struct Layout {
    /// Root of the clone.
    pub(crate) root: PathBuf,
    /// Tools that outlive a clone: `$XDG_CACHE_HOME/pierhead` or `~/.cache/pierhead`.
    pub(crate) cache: PathBuf,
}

impl Layout {
    /// Finds both directories; makes the cache directory.
    pub(crate) fn find() -> Result<Self> {
        // Cargo sets the variable at run time too, which stays right when clones share a target
        // directory and so this program.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .parent()
            .ok_or_else(|| anyhow!("{} has no parent directory", manifest.display()))?
            .to_owned();
        let cache = std::env::var_os("XDG_CACHE_HOME")
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from)
            .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
            .ok_or_else(|| anyhow!("no home directory: set HOME or XDG_CACHE_HOME"))?
            .join("pierhead");
        fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
        Ok(Self { root, cache })
    }

    /// Cargo's target directory for wasm: one for all Workers, so that they share dependencies,
    /// and not the native one, so that neither build waits for the other's lock.
    pub(crate) fn wasm_target(&self) -> PathBuf {
        self.root.join("target/wasm")
    }

    /// The bundled Workers, one directory each with `index.js` and `index_bg.wasm`.
    pub(crate) fn workers(&self) -> PathBuf {
        self.root.join("target/workers")
    }

    /// The npm packages of the root `package.json`.
    pub(crate) fn node_modules(&self) -> PathBuf {
        self.root.join("node_modules")
    }

    /// Gives the cached directory `name`, filling it first if it is not there. Filled under a
    /// temporary name and renamed, so a directory that exists is complete. Call it with the lock
    /// of the cache held.
    pub(crate) fn cached(
        &self,
        name: &str,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let ready = self.cache.join(name);
        if ready.exists() {
            return Ok(ready);
        }
        let temporary = self.cache.join(format!(".new-{name}"));
        if temporary.exists() {
            fs::remove_dir_all(&temporary)
                .with_context(|| format!("cannot clear {}", temporary.display()))?;
        }
        fs::create_dir_all(&temporary)
            .with_context(|| format!("cannot make {}", temporary.display()))?;
        fill(&temporary)?;
        fs::rename(&temporary, &ready)
            .with_context(|| format!("cannot move {} into place", temporary.display()))?;
        Ok(ready)
    }
}

/// An exclusive lock, held until dropped; other processes that want it wait.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a directory, making the directory if need be; says so when it has to
    /// wait for another process.
    pub(crate) fn take(directory: &Path, what: &str) -> Result<Self> {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        let path = directory.join(".lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("waiting for another {what} to finish ({})", path.display());
                file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        Ok(Self { _file: file })
    }
}

/// The text of a file; empty when it cannot be read.
pub(crate) fn read_or_empty(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
