-- Times are seconds since the epoch in UTC: SELECT datetime(at, 'unixepoch') FROM points.

-- The series of readings, by the numbers that blocks of readings use.
CREATE TABLE series (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused, because old blocks refer to it
    kind TEXT NOT NULL,      -- host, container, pod, service or log
    subject TEXT NOT NULL,   -- name of the subject
    metric TEXT NOT NULL,    -- as on /metrics
    labels TEXT NOT NULL,    -- JSON object
    last_seen REAL NOT NULL,      -- last reading with this series, to the hour
    UNIQUE (kind, subject, metric, labels)
);

-- Raw readings, one row a minute; `hostnorm export readings` prints them as a table.
CREATE TABLE readings (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of readings, whatever the clock said; never reused
    first_at REAL NOT NULL,
    last_at REAL NOT NULL,
    count INTEGER NOT NULL,
    block BLOB NOT NULL      -- compressed columns, see block.rs
);
CREATE INDEX readings_last_at ON readings (last_at);

-- What is added to a counter as the kernel shows it, since it fell or jumped; written with the readings.
CREATE TABLE counter_offsets (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    metric TEXT NOT NULL,
    labels TEXT NOT NULL,    -- JSON object
    offset REAL NOT NULL,
    PRIMARY KEY (kind, subject, metric, labels)
) WITHOUT ROWID;

-- The signals that the values of a point belong to.
CREATE TABLE layouts (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    signals TEXT NOT NULL,   -- JSON array of names
    UNIQUE (kind, signals)
);

-- Points: the mean of each signal over a window.
CREATE TABLE points (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    in_episode INTEGER NOT NULL, -- 1 inside an episode
    weight REAL NOT NULL,    -- weight with which the point was learned, 0 to 1
    score REAL,              -- highest score since the previous point; 1 is the threshold
    instant_score REAL,      -- score of this point
    is_anomaly INTEGER,
    confidence REAL,
    layout INTEGER NOT NULL REFERENCES layouts (id),
    "values" BLOB NOT NULL   -- 32-bit floats, little-endian, then one bit a signal: 1 if its value is missing
);
CREATE INDEX points_at ON points (at);
CREATE INDEX points_subject ON points (kind, subject);

CREATE VIEW scores AS
SELECT at, kind, subject, score, instant_score, is_anomaly, confidence FROM points WHERE score IS NOT NULL;

-- The normal range of each signal, in the unit of the signal.
CREATE TABLE baselines (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    signal TEXT NOT NULL,
    mean REAL NOT NULL,
    stddev REAL NOT NULL,
    min REAL,
    max REAL,
    sample_count REAL NOT NULL,
    last_updated REAL NOT NULL,
    p95 REAL NOT NULL,
    p99 REAL NOT NULL,
    PRIMARY KEY (kind, subject, signal)
) WITHOUT ROWID;

-- Anomalies.
CREATE TABLE episodes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    began REAL NOT NULL,
    ended REAL,              -- NULL while it lasts
    last_seen REAL NOT NULL,      -- last reading inside the episode
    lasted REAL,             -- length in seconds of readings, without gaps and steps of the clock; NULL if unknown
    outcome TEXT NOT NULL,   -- open, ended, accepted or interrupted
    peak REAL NOT NULL,      -- highest score
    causes TEXT NOT NULL,    -- JSON array, the largest contribution first
    description TEXT NOT NULL, -- one sentence, as in the log
    circumstances TEXT NOT NULL DEFAULT '[]', -- JSON array: what made it expected, such as maintenance
    severity TEXT,           -- info, warning or critical, by its highest impact; NULL if unknown
    verdict TEXT,            -- rejected or confirmed by an operator; NULL without a verdict
    verdict_at REAL,         -- when it was given
    culprits TEXT NOT NULL DEFAULT '[]', -- JSON array: the processes with most of what deviates
    scenes TEXT NOT NULL DEFAULT '[]', -- JSON array: the host at the start and at the peak
    templates TEXT NOT NULL DEFAULT '[]', -- JSON array: the masked kinds of lines that explain it, of a log
    model TEXT,              -- model that judged it
    retained_from REAL,      -- readings from here
    retained_to REAL         -- to here are kept longer than others; both NULL when they are not
);
CREATE INDEX episodes_began ON episodes (began);

CREATE TABLE models (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    created REAL NOT NULL,
    state TEXT NOT NULL,     -- shadow, current, retired or refused; recorded: kept for episodes that it judged
    evaluation TEXT NOT NULL, -- JSON
    digest TEXT NOT NULL,
    format INTEGER NOT NULL,
    content BLOB NOT NULL
);

-- Snapshots of everything that was learned. They save time: the same follows from points.
CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    format TEXT NOT NULL,    -- only a program with the same format can read it
    model TEXT,              -- the models in use, one for each kind, separated by spaces
    cause TEXT,              -- event that changed the state besides readings; NULL if none did
    readings INTEGER NOT NULL, -- last row of readings before it
    markers INTEGER NOT NULL,  -- last marker before it
    content BLOB NOT NULL
);

-- What was learned of subjects that are gone, for when they return.
CREATE TABLE subject_states (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    identity TEXT NOT NULL,  -- stable across restarts of the subject
    at REAL NOT NULL,        -- when it was evicted from memory
    format TEXT NOT NULL,    -- only a program with the same format can read it
    content BLOB NOT NULL,
    UNIQUE (kind, identity)
);
CREATE INDEX subject_states_at ON subject_states (at);

-- How far each log was read. No line of a log is stored.
CREATE TABLE log_positions (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,        -- when it was last written
    log TEXT NOT NULL,       -- name of the log in the settings
    part TEXT NOT NULL,      -- part of the log, such as a file by device and inode
    position TEXT NOT NULL,  -- in the form of the source
    UNIQUE (log, part)
);
CREATE INDEX log_positions_at ON log_positions (at);

-- What each log taught: hashes of the words of its templates, and how often errors and pauses come. It has no text.
CREATE TABLE log_states (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,        -- when it was last written
    log TEXT NOT NULL UNIQUE, -- name of the log in the settings
    content BLOB NOT NULL
);
CREATE INDEX log_states_at ON log_states (at);

-- Events of hostnorm itself, such as learning turned off.
CREATE TABLE markers (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL
);
