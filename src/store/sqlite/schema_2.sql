-- Calls, those that go on (no end) and those that are over.
CREATE TABLE calls (
    n           INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    caller      TEXT NOT NULL,
    caller_name TEXT NOT NULL,
    callee      TEXT NOT NULL,
    callee_name TEXT NOT NULL,
    wire        TEXT NOT NULL,
    media       TEXT NOT NULL,
    video       INTEGER NOT NULL,
    began       INTEGER NOT NULL,
    ringing     INTEGER,
    answered    INTEGER,
    first_media INTEGER,
    ended       INTEGER,
    outcome     TEXT,
    reason      TEXT,
    ended_by    TEXT,
    figures     TEXT
) STRICT;
CREATE INDEX calls_going ON calls (n) WHERE ended IS NULL;
CREATE INDEX calls_ended ON calls (ended) WHERE ended IS NOT NULL;
