//! A consistent copy of the store while everything goes on, and putting one back. Called by
//! `SqliteStore::backup` and the command `restore`.

use super::schema::{self, FILE_NAME, OpenError};
use crate::store::lock::{InstanceLock, LockError};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pages copied between two looks at whether anybody else wants the processor.
const STEP: i32 = 256;
/// What a step waits for the disk to breathe, where the copy is made beside a running gateway.
const PAUSE: Duration = Duration::from_millis(1);

/// A copy could not be made or put back; what was there before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The copy must be a new file.
    #[error("{path} exists already", path = .0.display())]
    Exists(PathBuf),
    /// The copy cannot be put back while somebody uses the store.
    #[error(transparent)]
    InUse(#[from] LockError),
    /// The file is no whole store.
    #[error("{path} is damaged: {why}", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What `PRAGMA integrity_check` found first.
        why: String,
    },
    /// One of the files cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The copying itself failed.
    #[error("copying the store to {path}: {why}", path = .path.display())]
    Copy {
        /// The file that was written.
        path: PathBuf,
        /// What the database said.
        why: rusqlite::Error,
    },
}

/// Writes what `source` sees at this moment to the new file `to`.
pub(super) fn back_up(source: &Connection, to: &Path) -> Result<(), CopyError> {
    let file = match fs::OpenOptions::new().write(true).create_new(true).open(to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(CopyError::Exists(to.to_owned())),
        other => other.map_err(OpenError::io(to))?,
    };
    drop(file);
    let copied = schema::prepare_file(to).map_err(CopyError::from).and_then(|()| copy_snapshot(source, to));
    if copied.is_err() {
        // Half a copy must not be taken for one.
        remove_database(to);
    }
    copied
}

fn copy_snapshot(source: &Connection, to: &Path) -> Result<(), CopyError> {
    let failed = |why| CopyError::Copy { path: to.to_owned(), why };
    // Within a transaction the source stays as it is now for us; without, each commit of the
    // gateway would start the copy over.
    source.execute_batch("BEGIN").map_err(failed)?;
    let copied = source
        .query_row("SELECT one FROM state", [], |_| Ok(()))
        .and_then(|()| {
            let mut copy = open_plain(to)?;
            copy_pages(source, &mut copy, Some(PAUSE))?;
            // One file, without helpers beside it.
            copy.pragma_update(None, "journal_mode", "DELETE")
        })
        .map_err(failed);
    let ended = source.execute_batch("COMMIT").map_err(failed);
    copied.and(ended)?;
    sync(to)
}

fn copy_pages(from: &Connection, to: &mut Connection, pause: Option<Duration>) -> rusqlite::Result<()> {
    let backup = Backup::new(from, to)?;
    loop {
        match backup.step(if pause.is_some() { STEP } else { -1 })? {
            StepResult::Done => return Ok(()),
            StepResult::More => pause.into_iter().for_each(std::thread::sleep),
            // The busy handler has waited before.
            _ => return Err(busy()),
        }
    }
}

fn busy() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None)
}

fn open_plain(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(Duration::from_secs(10))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    Ok(conn)
}

/// Puts the copy `from` in place of the store in `data_dir`, after looking it through. Refused while
/// a gateway runs there. Either the whole copy is the store afterwards, or nothing has changed; a
/// store that is itself damaged is moved aside. Blocks.
pub fn restore(from: &Path, data_dir: &Path) -> Result<(), CopyError> {
    let _lock = InstanceLock::take(data_dir, "the command restore")?;
    let source = open_checked(from)?;
    let store = data_dir.join(FILE_NAME);
    if store.exists() {
        match open_checked(&store) {
            Ok(mut current) => {
                // In one transaction of the store that is there: no crash leaves half of each, and
                // commands that have it open see the change.
                return copy_pages(&source, &mut current, None)
                    .map_err(|why| CopyError::Copy { path: store.clone(), why });
            }
            Err(error) => tracing::warn!(%error, "the present store cannot be used and is moved aside"),
        }
    }
    let fresh = data_dir.join(format!("{FILE_NAME}.restoring"));
    remove_database(&fresh);
    back_up(&source, &fresh)?;
    move_aside(&store)?;
    fs::rename(&fresh, &store).map_err(OpenError::io(&store))?;
    sync(data_dir)
}

/// Opens a store and looks it through: ours, of a version we know, undamaged.
fn open_checked(path: &Path) -> Result<Connection, CopyError> {
    // Looked at first, since opening would make it.
    fs::File::open(path).map_err(OpenError::io(path))?;
    let conn = open_plain(path).map_err(OpenError::sql(path))?;
    if schema::version(&conn, path)? == 0 {
        return Err(OpenError::Foreign { path: path.to_owned() }.into());
    }
    let found: String =
        conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(OpenError::sql(path))?;
    if found == "ok" { Ok(conn) } else { Err(CopyError::Damaged { path: path.to_owned(), why: found }) }
}

/// Renames a store that cannot be used, with its helper files, to the first free name.
fn move_aside(store: &Path) -> Result<(), CopyError> {
    if !store.exists() {
        return Ok(());
    }
    let aside = (1..u32::MAX).map(|n| beside(store, &format!(".damaged-{n}"))).find(|path| !path.exists());
    let Some(aside) = aside else { return Ok(()) };
    for helper in ["-wal", "-shm", ""] {
        let from = beside(store, helper);
        if from.exists() {
            fs::rename(&from, beside(&aside, helper)).map_err(OpenError::io(&from))?;
        }
    }
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn remove_database(path: &Path) {
    for helper in ["", "-wal", "-shm", "-journal"] {
        // Most of them are not there.
        let _absent = fs::remove_file(beside(path, helper));
    }
}

/// Makes a file, and the directory entry it has, durable.
fn sync(path: &Path) -> Result<(), CopyError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for path in [path, parent] {
        fs::File::open(path).and_then(|file| file.sync_all()).map_err(OpenError::io(path))?;
    }
    Ok(())
}
