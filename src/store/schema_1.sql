-- Times are seconds since the epoch, in UTC: SELECT datetime(at, 'unixepoch') …

-- What a number in a record of readings means.
CREATE TABLE series (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: old records have it
    kind TEXT NOT NULL,      -- host, container, log
    subject TEXT NOT NULL,   -- its name
    metric TEXT NOT NULL,    -- as on /metrics
    labels TEXT NOT NULL,    -- JSON object
    seen REAL NOT NULL,      -- when it was read last, to the hour
    UNIQUE (kind, subject, metric, labels)
);

-- Raw readings, a row a minute once it is over; `hostnorm export readings` writes them as a table.
CREATE TABLE readings (
    id INTEGER PRIMARY KEY,
    first_at REAL NOT NULL,
    last_at REAL NOT NULL,
    count INTEGER NOT NULL,
    format INTEGER NOT NULL, -- 1 plain, 2 deflated
    blob BLOB NOT NULL
);
CREATE INDEX readings_at ON readings (last_at);

-- The minute that is not over, a row a commit. Rows are written over and over, as to make and to free pages costs more.
CREATE TABLE tails (
    slot INTEGER PRIMARY KEY,
    first_at REAL NOT NULL,
    last_at REAL NOT NULL,
    count INTEGER NOT NULL,  -- 0: nothing is in it now
    format INTEGER NOT NULL,
    blob BLOB NOT NULL
);

-- Which signals the values of a point belong to.
CREATE TABLE layouts (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    signals TEXT NOT NULL,   -- JSON array of names
    UNIQUE (kind, signals)
);

-- What was learned: the mean of each signal over a window, a row a window.
CREATE TABLE points (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    odd INTEGER NOT NULL,    -- 1 inside an episode
    weight REAL NOT NULL,    -- as how much of a point it was learned
    score REAL,              -- the highest since the point before; 1 is the limit
    momentary REAL,          -- that of this very point
    is_anomaly INTEGER,
    confidence REAL,
    layout INTEGER NOT NULL REFERENCES layouts (id),
    "values" BLOB NOT NULL   -- 32-bit floats, little-endian, then a bit a signal that is 1 where it was missing
);
CREATE INDEX points_at ON points (at);

CREATE VIEW scores AS
SELECT at, kind, subject, score, momentary, is_anomaly, confidence FROM points WHERE score IS NOT NULL;

-- What is normal of each signal, in its unit.
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

CREATE TABLE episodes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    began REAL NOT NULL,
    ended REAL,              -- empty while it goes on
    seen REAL NOT NULL,      -- until when it was seen to go on
    outcome TEXT NOT NULL,   -- open, ended, accepted, interrupted
    peak REAL NOT NULL,      -- the highest score
    causes TEXT NOT NULL,    -- JSON array, the oddest first
    sentence TEXT NOT NULL,
    model TEXT,              -- the model it was judged by
    keep_from REAL,          -- readings from here…
    keep_to REAL             -- …to here are kept beyond their time; empty when they are not
);
CREATE INDEX episodes_began ON episodes (began);

CREATE TABLE models (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    created REAL NOT NULL,
    state TEXT NOT NULL,     -- shadow, current, retired, refused; recorded: kept for episodes that it judged
    card TEXT NOT NULL,      -- JSON
    digest TEXT NOT NULL,
    format INTEGER NOT NULL,
    blob BLOB NOT NULL
) WITHOUT ROWID;

-- The whole state at an instant: a shortcut, as all of it follows from points.
CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    format TEXT NOT NULL,    -- only a program with the same one can use it
    model TEXT,
    cause TEXT,              -- what changed the state besides readings; empty when it was only time
    blob BLOB NOT NULL
);

-- What happened to hostnorm itself, such as learning that was switched off.
CREATE TABLE markers (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL
);
