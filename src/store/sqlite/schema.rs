//! The file: its permissions, its tables, their versions, and how a connection to it is set up.
//! Called by `sqlite::open`, the pool of readers, and `restore`.

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of the database file within the data directory.
pub(crate) const FILE_NAME: &str = "gateway.db";

/// Tells our files from other programs' (`PRAGMA application_id`): "MGW1".
const APPLICATION_ID: i32 = 0x4D47_5731;

/// How long a connection waits for another process that writes.
const BUSY_TRIES: i32 = 10_000;

/// From each version of the tables to the next. A released one is never changed.
const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql"), include_str!("schema_2.sql")];

/// The version of the tables that this program writes.
#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "a handful of migrations")]
pub(super) const VERSION: i32 = MIGRATIONS.len() as i32;

/// The store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory or the file cannot be made or read.
    #[error("{path}: {why}", path = .path.display())]
    Io {
        /// What was opened.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// A newer version of the program has written it.
    #[error(
        "{path}: its tables have version {found}, this program knows up to {known}: use the program that wrote it, \
         or a newer one",
        path = .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its tables.
        found: i32,
        /// The newest version known.
        known: i32,
    },
    /// It is a database, but of another program.
    #[error("{path}: this is not a store of monster-gateway", path = .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The database said no.
    #[error("{path}: {why}", path = .path.display())]
    Sql {
        /// The file.
        path: PathBuf,
        /// What it said.
        why: rusqlite::Error,
    },
}

impl OpenError {
    pub(super) fn sql(path: &Path) -> impl Fn(rusqlite::Error) -> Self + '_ {
        move |why| Self::Sql { path: path.to_owned(), why }
    }

    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        move |why| Self::Io { path: path.to_owned(), why }
    }
}

/// Makes the data directory and, in it, the file, each for the owner alone.
pub(crate) fn prepare_dir(dir: &Path) -> Result<PathBuf, OpenError> {
    if !dir.is_dir() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(OpenError::io(dir))?;
    }
    let mode = fs::metadata(dir).map_err(OpenError::io(dir))?.permissions().mode();
    // A volume may belong to somebody else and yet be ours to write; the file is protected anyway.
    if mode & 0o077 != 0
        && let Err(why) = fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
    {
        tracing::warn!(dir = %dir.display(), %why, "others can read the data directory");
    }
    Ok(dir.join(FILE_NAME))
}

/// Makes a file for the owner alone, if it is not there. (SQLite gives its helper files the same
/// permissions.)
pub(super) fn prepare_file(path: &Path) -> Result<(), OpenError> {
    let file = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(OpenError::io(path))?;
    let mode = file.metadata().map_err(OpenError::io(path))?.permissions().mode();
    if mode & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(OpenError::io(path))?;
    }
    Ok(())
}

/// Opens the connection that writes, and brings the tables up to date.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    prepare_file(path)?;
    let sql = OpenError::sql(path);
    let mut conn = connect(path).map_err(&sql)?;
    let found = version(&conn, path)?;
    conn.pragma_update(None, "journal_mode", "WAL").map_err(&sql)?;
    conn.pragma_update(None, "synchronous", "FULL").map_err(&sql)?;
    conn.pragma_update(None, "cache_size", -32_768).map_err(&sql)?;
    conn.pragma_update(None, "journal_size_limit", 67_108_864).map_err(&sql)?;
    if found < VERSION {
        migrate(&mut conn, path)?;
    }
    Ok(conn)
}

/// Opens a connection that only reads a file that [`open_writer`] has opened.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let conn = connect(path)?;
    conn.pragma_update(None, "query_only", true)?;
    conn.pragma_update(None, "cache_size", -8_192)?;
    Ok(conn)
}

/// Opens a connection that only moves pages from the log into a file that [`open_writer`] has opened.
pub(super) fn open_checkpointer(path: &Path) -> rusqlite::Result<Connection> {
    let conn = connect(path)?;
    // The log has to be durable before the file is changed.
    conn.pragma_update(None, "synchronous", "FULL")?;
    Ok(conn)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    // Short, even pauses: a command gets its turn in the gap between two transactions of a busy
    // gateway, which SQLite's own growing pauses would mostly miss.
    conn.busy_handler(Some(|tries| {
        std::thread::sleep(Duration::from_millis(1));
        tries < BUSY_TRIES
    }))?;
    conn.set_prepared_statement_cache_capacity(96);
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    Ok(conn)
}

/// The version of the tables, if this program can use them; 0 for an empty file.
pub(super) fn version(conn: &Connection, path: &Path) -> Result<i32, OpenError> {
    let sql = OpenError::sql(path);
    let found: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(&sql)?;
    let application: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(&sql)?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(&sql)?;
    if application != APPLICATION_ID && (tables > 0 || application != 0) {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    if found > VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    Ok(found)
}

fn migrate(conn: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let sql = OpenError::sql(path);
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&sql)?;
    // Another process may have done it between our look and our lock.
    let found = version(&tx, path)?;
    for (from, step) in (0..).zip(MIGRATIONS) {
        if from >= found {
            tx.execute_batch(step).map_err(&sql)?;
        }
    }
    tx.pragma_update(None, "user_version", VERSION).map_err(&sql)?;
    tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(&sql)?;
    tx.commit().map_err(&sql)
}
