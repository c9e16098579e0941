//! One gateway at a time runs on a data directory: a lock on a file in it, which ends with the
//! process however that ends. Taken by `run` and by `restore`; the other commands work beside a
//! running gateway and take none.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The name of the lock file within the data directory.
const FILE_NAME: &str = "gateway.lock";

/// The lock on a data directory, for as long as this lives.
#[derive(Debug)]
pub struct InstanceLock {
    _file: File,
}

/// The lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{dir} is in use by {holder}", dir = .dir.display())]
    Held {
        /// The data directory.
        dir: PathBuf,
        /// Who has it, for a person: `the gateway with process id 17`.
        holder: String,
    },
    /// The lock file cannot be made or locked.
    #[error("{path}: {why}", path = .path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
}

impl InstanceLock {
    /// Takes the lock on `dir`, which is made (for its owner alone) if it is not there. `what` says
    /// who takes it, for whoever is refused: `the gateway`.
    pub fn take(dir: &Path, what: &str) -> Result<Self, LockError> {
        let path = dir.join(FILE_NAME);
        let failed = |why| LockError::Io { path: path.clone(), why };
        super::sqlite::prepare_dir(dir).map_err(|error| failed(io::Error::other(error)))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { dir: dir.to_owned(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(why)) => return Err(failed(why)),
        }
        // Whoever reads this only shows it to a person.
        file.set_len(0).map_err(failed)?;
        write!(file, "{what} with process id {}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// Whether somebody has the lock on `dir` now.
    pub fn is_held(dir: &Path) -> bool {
        let Ok(file) = File::open(dir.join(FILE_NAME)) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

fn holder(file: &mut File) -> String {
    let mut said = String::new();
    let read = file.rewind().and_then(|()| file.take(200).read_to_string(&mut said));
    if read.is_err() || said.trim().is_empty() { "another process".into() } else { said.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_second_is_told_who_has_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let lock = InstanceLock::take(dir.path(), "the gateway").unwrap();
        let refused = InstanceLock::take(dir.path(), "restore").unwrap_err().to_string();
        let expected = format!("in use by the gateway with process id {}", std::process::id());
        assert!(refused.contains(&expected), "{refused}");
        assert!(InstanceLock::is_held(dir.path()));
        drop(lock);
        assert!(!InstanceLock::is_held(dir.path()));
        InstanceLock::take(dir.path(), "restore").unwrap();
    }
}
