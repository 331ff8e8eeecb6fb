-- What was committed since the last transaction is in a file beside this one, hostnorm.db-tail: minutes come here whole.
INSERT INTO readings (first_at, last_at, count, format, blob)
SELECT first_at, last_at, count, format, blob FROM tails WHERE count > 0 ORDER BY slot;
DROP TABLE tails;

-- Which content of that file is not here yet: that of this generation. It begins anywhere, so that the file of another
-- database does not fit.
CREATE TABLE tail (generation INTEGER NOT NULL);
INSERT INTO tail VALUES (random() & 4294967295);

-- With numbers for its rows: blobs can be written page by page then.
ALTER TABLE models RENAME TO models_1;
CREATE TABLE models (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    created REAL NOT NULL,
    state TEXT NOT NULL,     -- shadow, current, retired, refused; recorded: kept for episodes that it judged
    card TEXT NOT NULL,      -- JSON
    digest TEXT NOT NULL,
    format INTEGER NOT NULL,
    blob BLOB NOT NULL
);
INSERT INTO models SELECT id, kind, created, state, card, digest, format, blob FROM models_1;
DROP TABLE models_1;
