CREATE TABLE issue (
    lane INTEGER PRIMARY KEY,   -- hash of the lane, as in the marker of the issue
    number INTEGER NOT NULL,
    comments INTEGER NOT NULL,
    is_open INTEGER NOT NULL,
    opened_by INTEGER NOT NULL, -- hash of the key of the action that opened it
    changed_at REAL NOT NULL
) STRICT;

-- Actions of the rules whose open issues are all in the table above.
CREATE TABLE listed (action TEXT PRIMARY KEY) STRICT;
