-- The index, version 2 to 3: whether a session had to be recorded, and what of
-- it was not. RECORDING.md, "Index".

ALTER TABLE sessions ADD COLUMN record TEXT NOT NULL DEFAULT 'required'
    CHECK (record IN ('required', 'best-effort'));
ALTER TABLE sessions ADD COLUMN gap_count INTEGER NOT NULL DEFAULT 0
    CHECK (gap_count >= 0);
ALTER TABLE sessions ADD COLUMN gap_bytes INTEGER NOT NULL DEFAULT 0
    CHECK (gap_bytes >= 0);

PRAGMA user_version = 3;
