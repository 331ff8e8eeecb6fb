-- Models and whole states are files in a directory beside this one, hostnorm.db-blobs, named by the digest of what is in
-- them. Rows from before hold theirs themselves until they go.
ALTER TABLE models ADD COLUMN file TEXT;
ALTER TABLE models ADD COLUMN size INTEGER NOT NULL DEFAULT 0;    -- bytes of the file
ALTER TABLE snapshots ADD COLUMN file TEXT;
ALTER TABLE snapshots ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
