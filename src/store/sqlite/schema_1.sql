-- Version 1. Times are milliseconds since the epoch. References between tables are kept by the
-- code: SQLite's own checks would cost an accepted message a look-up per reference.

-- One row: what the writer counts on with, and the secret of the prints.
CREATE TABLE state (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    secret        BLOB NOT NULL,
    next_message  INTEGER NOT NULL,
    next_delivery INTEGER NOT NULL,
    messages      INTEGER NOT NULL,
    waiting       INTEGER NOT NULL,
    dead          INTEGER NOT NULL,
    proved        INTEGER NOT NULL
) STRICT;
INSERT INTO state VALUES (1, randomblob(32), 1, 1, 0, 0, 0, 0);

-- The journal. Lanes and conversations are numbered; a number is never used again.
CREATE TABLE lanes (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    recipient TEXT NOT NULL,
    via       TEXT NOT NULL,
    UNIQUE (recipient, via)
) STRICT;

CREATE TABLE conversations (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE messages (
    id           INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    origin_print INTEGER NOT NULL,
    key_print    INTEGER NOT NULL,
    journalled   INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    key          TEXT NOT NULL,
    venue        TEXT NOT NULL,
    author       TEXT NOT NULL,
    author_name  TEXT NOT NULL,
    origin_id    TEXT NOT NULL,
    excerpt      TEXT NOT NULL,
    body         BLOB NOT NULL
) STRICT;

-- The index of the messages, kept by the code (`index.rs`): first a narrow table to which new ones
-- are only appended, then what they are found by.
CREATE TABLE messages_unindexed (
    message      INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    origin_print INTEGER NOT NULL,
    key_print    INTEGER NOT NULL
) STRICT;
CREATE TABLE messages_by_print (
    print   INTEGER NOT NULL,
    message INTEGER NOT NULL,
    PRIMARY KEY (print, message)
) STRICT, WITHOUT ROWID;
CREATE TABLE messages_by_conversation (
    conversation INTEGER NOT NULL,
    message      INTEGER NOT NULL,
    PRIMARY KEY (conversation, message)
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
    id         INTEGER PRIMARY KEY,
    lane       INTEGER NOT NULL,
    message    INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    error      TEXT
) STRICT;
CREATE INDEX deliveries_lane ON deliveries (lane);

CREATE TABLE given_ids (
    n       INTEGER PRIMARY KEY,
    message INTEGER NOT NULL,
    print   INTEGER NOT NULL,
    place   TEXT NOT NULL,
    id      TEXT NOT NULL
) STRICT;
CREATE INDEX given_ids_message ON given_ids (message);
CREATE INDEX given_ids_print ON given_ids (print);

CREATE TABLE dead_letters (
    id          INTEGER PRIMARY KEY,
    recipient   TEXT NOT NULL,
    via         TEXT NOT NULL,
    message_key TEXT NOT NULL,
    author      TEXT NOT NULL,
    error       TEXT NOT NULL,
    at          INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_letters_at ON dead_letters (at);

CREATE TABLE answers (
    n          INTEGER PRIMARY KEY,
    account    TEXT NOT NULL,
    address    TEXT NOT NULL,
    message_id TEXT NOT NULL,
    answer     TEXT NOT NULL,
    at         INTEGER NOT NULL,
    UNIQUE (account, address, message_id)
) STRICT;
CREATE INDEX answers_at ON answers (at);

-- Accounts and how they stand to places.
CREATE TABLE accounts (
    n        INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    kind     TEXT NOT NULL,
    nickname TEXT,
    picture  TEXT,
    pass     TEXT,
    created  INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
    hash    BLOB PRIMARY KEY,
    account TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_account ON tokens (account);

CREATE TABLE relations (
    n        INTEGER PRIMARY KEY,
    account  TEXT NOT NULL,
    place    TEXT NOT NULL,
    state    TEXT NOT NULL,
    pass     TEXT,
    nickname TEXT,
    since    INTEGER NOT NULL,
    UNIQUE (account, place)
) STRICT;

CREATE TABLE links (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE link_ends (
    n       INTEGER PRIMARY KEY,
    link    INTEGER NOT NULL,
    address TEXT NOT NULL UNIQUE,
    posting TEXT
) STRICT;
CREATE INDEX link_ends_link ON link_ends (link);

-- Addresses and what they stand for.
CREATE TABLE mappings (
    n         INTEGER PRIMARY KEY,
    bridge    TEXT NOT NULL,
    address   TEXT NOT NULL,
    remote_id TEXT NOT NULL,
    alias     INTEGER NOT NULL,
    UNIQUE (bridge, address)
) STRICT;
CREATE INDEX mappings_address ON mappings (address);
CREATE INDEX mappings_alias ON mappings (alias) WHERE alias = 1;

-- What bridges and the gateway keep for themselves.
CREATE TABLE kept (
    n     INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (owner, key)
) STRICT;

-- Rows that could not be read, as text, for a person to look at.
CREATE TABLE quarantine (
    n       INTEGER PRIMARY KEY,
    source  TEXT NOT NULL,
    row     INTEGER NOT NULL,
    why     TEXT NOT NULL,
    content TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
