//! Accounts, tokens, relations, answers, and what bridges keep: reading and writing them.

use super::sift::Sift;
use super::writer::{Fault, Writing};
use crate::store::{Account, AccountKind, Relation, RelationState, StoreError};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

type Read<T> = rusqlite::Result<T>;

impl ToSql for AccountKind {
    fn to_sql(&self) -> Read<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Person => "person",
            Self::Group => "group",
        }
        .into())
    }
}

impl FromSql for AccountKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "person" => Ok(Self::Person),
            "group" => Ok(Self::Group),
            other => Err(FromSqlError::Other(format!("`{other}` is no kind of account").into())),
        }
    }
}

impl ToSql for RelationState {
    fn to_sql(&self) -> Read<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Accepted => "accepted",
            Self::Asked => "asked",
            Self::Invited => "invited",
        }
        .into())
    }
}

impl FromSql for RelationState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "accepted" => Ok(Self::Accepted),
            "asked" => Ok(Self::Asked),
            "invited" => Ok(Self::Invited),
            other => Err(FromSqlError::Other(format!("`{other}` is no state of a relation").into())),
        }
    }
}

fn missing_account(name: &str) -> Fault {
    Fault::Refused(StoreError::Missing(format!("there is no account `{name}`")))
}

fn is_account(conn: &Connection, name: &str) -> Read<bool> {
    conn.prepare_cached("SELECT 1 FROM accounts WHERE name = ?1")?.exists([name])
}

// -- accounts ------------------------------------------------------------------------------------

fn account_from(row: &Row<'_>) -> Read<Account> {
    Ok(Account {
        name: row.get(1)?,
        kind: row.get(2)?,
        nickname: row.get(3)?,
        picture: row.get(4)?,
        pass: row.get(5)?,
        created: row.get(6)?,
    })
}

/// [`crate::store::Store::account`].
pub(super) fn account(conn: &Connection, name: &str, sift: &mut Sift) -> Read<Option<Account>> {
    let sql = "SELECT n, name, kind, nickname, picture, pass, created FROM accounts WHERE name = ?1";
    Ok(sift.all(conn, "accounts", sql, [name], account_from)?.into_iter().next())
}

/// [`crate::store::Store::accounts`].
pub(super) fn accounts(conn: &Connection, sift: &mut Sift) -> Read<Vec<Account>> {
    let sql = "SELECT n, name, kind, nickname, picture, pass, created FROM accounts ORDER BY name";
    sift.all(conn, "accounts", sql, [], account_from)
}

/// [`crate::store::Store::add_account`].
pub(super) fn add_account(writing: &Writing<'_>, account: &Account) -> Result<(), Fault> {
    let Account { name, kind, nickname, picture, pass, created } = account;
    if is_account(writing.conn, name)? {
        return Err(Fault::Refused(StoreError::Conflict(format!("there is an account `{name}` already"))));
    }
    writing
        .conn
        .prepare_cached(
            "INSERT INTO accounts (name, kind, nickname, picture, pass, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![name, kind, nickname, picture, pass, created])?;
    Ok(())
}

/// [`crate::store::Store::update_account`].
pub(super) fn update_account(writing: &Writing<'_>, account: &Account) -> Result<(), Fault> {
    let Account { name, nickname, picture, pass, .. } = account;
    let changed = writing
        .conn
        .prepare_cached("UPDATE accounts SET nickname = ?2, picture = ?3, pass = ?4 WHERE name = ?1")?
        .execute(params![name, nickname, picture, pass])?;
    if changed == 0 { Err(missing_account(name)) } else { Ok(()) }
}

/// [`crate::store::Store::remove_account`].
pub(super) fn remove_account(writing: &mut Writing<'_>, name: &str, address: &str) -> Result<(), Fault> {
    if !is_account(writing.conn, name)? {
        return Err(missing_account(name));
    }
    let conn = writing.conn;
    conn.execute("DELETE FROM accounts WHERE name = ?1", [name])?;
    conn.execute("DELETE FROM tokens WHERE account = ?1", [name])?;
    conn.execute("DELETE FROM relations WHERE account = ?1 OR place = ?1", [address])?;
    conn.execute("DELETE FROM answers WHERE account = ?1 OR address = ?1", [address])?;
    super::places::remove_end(conn, address)?;
    let dropped =
        conn.execute("DELETE FROM deliveries WHERE lane IN (SELECT id FROM lanes WHERE recipient = ?1)", [address])?;
    writing.counters.waiting -= i64::try_from(dropped).unwrap_or(i64::MAX);
    Ok(())
}

// -- tokens --------------------------------------------------------------------------------------

/// [`crate::store::Store::add_token`].
pub(super) fn add_token(writing: &Writing<'_>, account: &str, hash: &[u8; 32]) -> Result<(), Fault> {
    if !is_account(writing.conn, account)? {
        return Err(missing_account(account));
    }
    writing
        .conn
        .prepare_cached("INSERT OR REPLACE INTO tokens (hash, account) VALUES (?1, ?2)")?
        .execute(params![hash, account])?;
    Ok(())
}

/// [`crate::store::Store::revoke_tokens`].
pub(super) fn revoke_tokens(writing: &Writing<'_>, account: &str, keep: Option<&[u8; 32]>) -> Result<(), Fault> {
    writing
        .conn
        .prepare_cached("DELETE FROM tokens WHERE account = ?1 AND hash IS NOT ?2")?
        .execute(params![account, keep])?;
    Ok(())
}

/// [`crate::store::Store::account_of_token`].
pub(super) fn account_of_token(conn: &Connection, hash: &[u8; 32]) -> Read<Option<String>> {
    // An unreadable name is nobody's.
    let account = conn
        .prepare_cached("SELECT account FROM tokens WHERE hash = ?1")?
        .query_row([hash], |row| Ok(row.get(0).ok()))
        .optional()?;
    Ok(account.flatten())
}

// -- relations -----------------------------------------------------------------------------------

/// [`crate::store::Store::set_relation`].
pub(super) fn set_relation(writing: &Writing<'_>, relation: &Relation) -> Result<(), Fault> {
    let Relation { account, place, state, pass, nickname, since } = relation;
    writing
        .conn
        .prepare_cached(
            "INSERT INTO relations (account, place, state, pass, nickname, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (account, place) DO UPDATE SET state = excluded.state, pass = excluded.pass, \
             nickname = excluded.nickname, since = excluded.since",
        )?
        .execute(params![account, place, state, pass, nickname, since])?;
    Ok(())
}

/// [`crate::store::Store::remove_relation`].
pub(super) fn remove_relation(writing: &Writing<'_>, account: &str, place: &str) -> Result<(), Fault> {
    writing
        .conn
        .prepare_cached("DELETE FROM relations WHERE account = ?1 AND place = ?2")?
        .execute([account, place])?;
    Ok(())
}

/// [`crate::store::Store::relations`].
pub(super) fn relations(conn: &Connection, sift: &mut Sift) -> Read<Vec<Relation>> {
    let sql = "SELECT n, account, place, state, pass, nickname, since FROM relations ORDER BY account, place";
    sift.all(conn, "relations", sql, [], |row| {
        Ok(Relation {
            account: row.get(1)?,
            place: row.get(2)?,
            state: row.get(3)?,
            pass: row.get(4)?,
            nickname: row.get(5)?,
            since: row.get(6)?,
        })
    })
}

// -- answers -------------------------------------------------------------------------------------

/// [`crate::store::Store::answer`].
pub(super) fn answer(conn: &Connection, request: [&str; 3], sift: &mut Sift) -> Read<Option<String>> {
    let sql = "SELECT n, answer FROM answers WHERE account = ?1 AND address = ?2 AND message_id = ?3";
    Ok(sift.all(conn, "answers", sql, request, |row| row.get(1))?.into_iter().next())
}

/// [`crate::store::Store::remember_answer`].
pub(super) fn remember_answer(writing: &Writing<'_>, request: [&str; 3], answer: &str) -> Result<(), Fault> {
    let [account, address, message_id] = request;
    writing
        .conn
        .prepare_cached(
            "INSERT INTO answers (account, address, message_id, answer, at) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (account, address, message_id) DO NOTHING",
        )?
        .execute(params![account, address, message_id, answer, writing.now])?;
    Ok(())
}

// -- what bridges and the gateway keep -------------------------------------------------------------

/// [`crate::store::Store::save`], and the cursor of a message.
pub(super) fn keep(conn: &Connection, owner: &str, key: &str, value: Option<&str>) -> Read<()> {
    match value {
        Some(value) => conn
            .prepare_cached(
                "INSERT INTO kept (owner, key, value) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (owner, key) DO UPDATE SET value = excluded.value",
            )?
            .execute([owner, key, value])?,
        None => conn.prepare_cached("DELETE FROM kept WHERE owner = ?1 AND key = ?2")?.execute([owner, key])?,
    };
    Ok(())
}

/// [`crate::store::Store::load`].
pub(super) fn load(conn: &Connection, owner: &str, key: &str, sift: &mut Sift) -> Read<Option<String>> {
    let sql = "SELECT n, value FROM kept WHERE owner = ?1 AND key = ?2";
    Ok(sift.all(conn, "kept", sql, [owner, key], |row| row.get(1))?.into_iter().next())
}

/// [`crate::store::Store::load_all`].
pub(super) fn load_all(conn: &Connection, owner: &str, prefix: &str, sift: &mut Sift) -> Read<Vec<(String, String)>> {
    let sql = "SELECT n, key, value FROM kept WHERE owner = ?1 AND key >= ?2 AND key < ?3 ORDER BY key";
    // The last character there is, and no character to anybody.
    let end = format!("{prefix}\u{10FFFF}");
    sift.all(conn, "kept", sql, [owner, prefix, &end], |row| Ok((row.get(1)?, row.get(2)?)))
}
