-- The index, version 0 to 1. RECORDING.md, "Index", says what it is for; the
-- names are those of meta.h, times in microseconds since 1970 in UTC.
--
-- Only the recorder writes it, and everything in it can be rebuilt from the
-- recordings. A later version gets a file of its own, index-2.sql and so on;
-- this one never changes once it was released.

CREATE TABLE sessions (
    id              TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 36),
    status          TEXT    NOT NULL CHECK (status IN
                        ('active', 'complete', 'refused', 'failed')),
    type            TEXT    NOT NULL CHECK (type IN
                        ('exec', 'attach', 'debug', 'run', 'cp',
                         'port-forward')),
    user            TEXT    NOT NULL,
    groups          TEXT    NOT NULL CHECK (json_valid(groups)
                        AND json_type(groups) = 'array'),
    uid             TEXT    NOT NULL,
    source          TEXT    NOT NULL,
    cluster         TEXT    NOT NULL,
    namespace       TEXT    NOT NULL,
    pod             TEXT    NOT NULL,
    container       TEXT    NOT NULL,
    command         TEXT    NOT NULL CHECK (json_valid(command)
                        AND json_type(command) = 'array'),
    tty             INTEGER NOT NULL CHECK (tty IN (0, 1)),
    protocol        TEXT    NOT NULL CHECK (protocol IN ('spdy', 'websocket')),
    subprotocol     TEXT    NOT NULL,
    start_us        INTEGER NOT NULL,
    end_us          INTEGER,           -- NULL while active
    exit_code       INTEGER,           -- NULL when unknown
    reason          TEXT    NOT NULL,
    bytes_stdin     INTEGER NOT NULL CHECK (bytes_stdin >= 0),
    bytes_stdout    INTEGER NOT NULL CHECK (bytes_stdout >= 0),
    bytes_stderr    INTEGER NOT NULL CHECK (bytes_stderr >= 0),
    file            TEXT    NOT NULL,  -- relative to the state folder
    size            INTEGER NOT NULL CHECK (size >= 0),
    sealed          INTEGER NOT NULL CHECK (sealed IN (0, 1)),
    user_agent      TEXT    NOT NULL,
    kubectl_session TEXT    NOT NULL,
    kubectl_command TEXT    NOT NULL,
    stdin_recorded  INTEGER NOT NULL CHECK (stdin_recorded IN (0, 1))
) STRICT;

-- `kubetape ls` shows the newest first, whatever it filters by.
CREATE INDEX sessions_by_start ON sessions (start_us DESC);
CREATE INDEX sessions_by_user ON sessions (user, start_us DESC);
CREATE INDEX sessions_by_pod ON sessions (namespace, pod, start_us DESC);
CREATE INDEX sessions_by_status ON sessions (status, start_us DESC);

PRAGMA application_id = 0x4b544150; -- "KTAP", for file(1)
PRAGMA user_version = 1;
