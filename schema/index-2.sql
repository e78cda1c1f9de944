-- The index, version 1 to 2: what changes the store on request and by rule.
-- Both tables repeat the ledger, which decides: the recorder takes them from
-- there at every start. Times in microseconds since 1970 in UTC.

-- Recordings that no rule may remove.
CREATE TABLE holds (
    session  TEXT    NOT NULL PRIMARY KEY CHECK (length(session) = 36),
    reason   TEXT    NOT NULL CHECK (reason <> ''),
    who      TEXT    NOT NULL,
    since_us INTEGER NOT NULL
) STRICT;

-- Recordings that were removed, by whom and why: the ledger's tombstones.
CREATE TABLE removed (
    session    TEXT    NOT NULL PRIMARY KEY CHECK (length(session) = 36),
    reason     TEXT    NOT NULL,
    who        TEXT    NOT NULL,
    removed_us INTEGER NOT NULL
) STRICT;

-- One row while the sessions are not all in the index: it was just made, or is
-- being rebuilt. A recorder that finds it at its start rebuilds it.
CREATE TABLE rebuilding (
    since_us INTEGER NOT NULL
) STRICT;

INSERT INTO rebuilding
    SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM sessions);

PRAGMA user_version = 2;
