//! The writer's statements that run for every message, prepared once. Rarer ones go through
//! rusqlite's statement cache where they are used.

use super::writer::Counters;
use rusqlite::{Connection, Statement, params};

pub(super) struct Statements<'c> {
    pub begin: Statement<'c>,
    pub commit: Statement<'c>,
    pub data_version: Statement<'c>,
    pub find_print: Statement<'c>,
    pub insert_message: Statement<'c>,
    pub insert_unindexed: Statement<'c>,
    pub insert_delivery: Statement<'c>,
    pub delete_delivery: Statement<'c>,
    read_counters: Statement<'c>,
    write_counters: Statement<'c>,
}

impl<'c> Statements<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            begin: conn.prepare("BEGIN IMMEDIATE")?,
            commit: conn.prepare("COMMIT")?,
            data_version: conn.prepare("PRAGMA data_version")?,
            insert_message: conn.prepare(
                "INSERT INTO messages (id, conversation, origin_print, key_print, journalled, at, key, venue, \
                 author, author_name, origin_id, excerpt, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, \
                 ?12, ?13)",
            )?,
            find_print: conn.prepare("SELECT message FROM messages_by_print WHERE print = ?1")?,
            insert_unindexed: conn.prepare(
                "INSERT INTO messages_unindexed (message, conversation, origin_print, key_print) \
                 VALUES (?1, ?2, ?3, ?4)",
            )?,
            insert_delivery: conn.prepare(
                "INSERT INTO deliveries (id, lane, message, attempts, not_before) VALUES (?1, ?2, ?3, 0, 0)",
            )?,
            delete_delivery: conn.prepare("DELETE FROM deliveries WHERE id = ?1")?,
            read_counters: conn
                .prepare("SELECT next_message, next_delivery, messages, waiting, dead, proved FROM state")?,
            write_counters: conn.prepare(
                "UPDATE state SET next_message = ?1, next_delivery = ?2, messages = ?3, waiting = ?4, dead = ?5, \
                 proved = ?6",
            )?,
        })
    }

    pub(super) fn read_counters(&mut self) -> rusqlite::Result<Counters> {
        self.read_counters.query_row([], |row| {
            Ok(Counters {
                next_message: row.get(0)?,
                next_delivery: row.get(1)?,
                messages: row.get(2)?,
                waiting: row.get(3)?,
                dead: row.get(4)?,
                proved: row.get(5)?,
            })
        })
    }

    pub(super) fn write_counters(&mut self, counters: &Counters) -> rusqlite::Result<()> {
        let Counters { next_message, next_delivery, messages, waiting, dead, proved } = *counters;
        self.write_counters.execute(params![next_message, next_delivery, messages, waiting, dead, proved])?;
        Ok(())
    }
}
