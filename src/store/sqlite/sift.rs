//! Rows that cannot be read are set aside, so that one of them never stops a start or a lane: they
//! go, as text, to the table `quarantine`, and an error is logged. The store reads again after that
//! (`SqliteStore::read`).

use super::writer::Writing;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, OptionalExtension, Row, params};
use std::fmt::Write as _;

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bad {
    /// Its table.
    pub table: &'static str,
    /// Its rowid.
    pub row: i64,
    /// What is wrong with it.
    pub why: String,
}

/// Collects bad rows while good ones are read.
#[derive(Default)]
pub(super) struct Sift {
    pub bad: Vec<Bad>,
}

impl Sift {
    /// Passes a good row on, keeps note of a bad one; other errors are the database's.
    pub(super) fn row<T>(
        &mut self,
        table: &'static str,
        row: i64,
        read: rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(
                error @ (Error::FromSqlConversionFailure(..)
                | Error::InvalidColumnType(..)
                | Error::IntegralValueOutOfRange(..)
                | Error::Utf8Error(..)),
            ) => {
                self.bad(table, row, error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Notes a bad row.
    pub(super) fn bad(&mut self, table: &'static str, row: i64, why: String) {
        let bad = Bad { table, row, why };
        if !self.bad.contains(&bad) {
            self.bad.push(bad);
        }
    }

    /// Runs a query whose first column is the rowid in `table`, and reads each row.
    pub(super) fn all<T>(
        &mut self,
        conn: &Connection,
        table: &'static str,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let mut statement = conn.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut good = Vec::new();
        while let Some(row) = rows.next()? {
            good.extend(self.row(table, row.get(0)?, read(row))?);
        }
        Ok(good)
    }
}

/// Sets bad rows aside, and with a message what belongs to it.
pub(super) fn set_aside(writing: &mut Writing<'_>, bad: &[Bad]) -> rusqlite::Result<()> {
    for Bad { table, row, why } in bad {
        if *table == "messages" {
            for delivery in numbers(writing.conn, "SELECT id FROM deliveries WHERE message = ?1", *row)? {
                set_row_aside(writing, "deliveries", delivery, "its message cannot be read")?;
            }
            writing.unlist(*row)?;
            writing.conn.execute("DELETE FROM given_ids WHERE message = ?1", [row])?;
        }
        set_row_aside(writing, table, *row, why)?;
    }
    Ok(())
}

fn set_row_aside(writing: &mut Writing<'_>, table: &'static str, row: i64, why: &str) -> rusqlite::Result<()> {
    let content = writing
        .conn
        .prepare(&format!("SELECT * FROM {table} WHERE rowid = ?1"))?
        .query_row([row], describe)
        .optional()?;
    // Somebody else may have been first.
    let Some(content) = content else { return Ok(()) };
    writing
        .conn
        .prepare_cached("INSERT INTO quarantine (source, row, why, content, at) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![table, row, why, content, writing.now])?;
    writing.conn.execute(&format!("DELETE FROM {table} WHERE rowid = ?1"), [row])?;
    match table {
        "messages" => writing.counters.messages -= 1,
        "deliveries" => writing.counters.waiting -= 1,
        "dead_letters" => writing.counters.dead -= 1,
        _ => {}
    }
    tracing::error!(table, row, why, "a stored row cannot be read and was set aside; see the table `quarantine`");
    Ok(())
}

pub(super) fn numbers(conn: &Connection, sql: &str, param: i64) -> rusqlite::Result<Vec<i64>> {
    conn.prepare_cached(sql)?.query_map([param], |row| row.get(0))?.collect()
}

/// A row as text: a line per column.
fn describe(row: &Row<'_>) -> rusqlite::Result<String> {
    let mut text = String::new();
    let names: &rusqlite::Statement<'_> = row.as_ref();
    for (index, name) in names.column_names().into_iter().enumerate() {
        // Writing to a string does not fail.
        let _ok = match row.get_ref(index)? {
            ValueRef::Null => writeln!(text, "{name}: null"),
            ValueRef::Integer(number) => writeln!(text, "{name}: {number}"),
            ValueRef::Real(number) => writeln!(text, "{name}: {number}"),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => match std::str::from_utf8(bytes) {
                Ok(words) => writeln!(text, "{name}: {words:?}"),
                Err(_) => writeln!(text, "{name}: x'{}'", hex(bytes)),
            },
        };
    }
    Ok(text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ok = write!(text, "{byte:02x}");
        text
    })
}
