CREATE TABLE action (
    id INTEGER PRIMARY KEY,     -- the order
    rule_action TEXT NOT NULL,  -- RULE/POSITION/KIND
    key TEXT NOT NULL UNIQUE,   -- equal for the same state of the same alert
    lane TEXT NOT NULL,         -- actions of a lane are done in order
    payload TEXT NOT NULL,      -- JSON; empty when it is done
    state INTEGER NOT NULL,     -- 0 waits, 1 is being sent, 2 done, 3 dropped
    attempts INTEGER NOT NULL DEFAULT 0,
    memo TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    last_requested_at REAL NOT NULL, -- when a notification last asked for it
    next_at REAL NOT NULL,
    tried_at REAL
) STRICT;
CREATE INDEX waiting ON action (rule_action, id) WHERE state < 2;
CREATE INDEX lane ON action (lane, id) WHERE state < 2;
CREATE INDEX finished ON action (last_requested_at) WHERE state >= 2;
CREATE INDEX tried ON action (rule_action, tried_at);

CREATE TABLE cluster_action (
    action TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    at REAL NOT NULL
) STRICT;
