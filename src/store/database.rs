//! The database, open for writing. A batch of entries is one transaction.
//!
//! Cached state derives from committed rows. If a batch fails, the database is reopened and the state is reloaded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::block::{BlockReading, ReadingBlockPacker};
use super::data_dir::{self, LOG};
use super::episodes::OpenEpisodes;
use super::error::StoreError;
use super::file_permissions::FileId;
use super::points;
use super::retention::{self, RetentionLimits};
use super::row_types::{BackfillCounts, BackfillPoints};
use super::schema;
use super::series_index::SeriesIndex;
use super::statements;
use super::store_write::{StoreWrite, TickEntry};
use crate::reading::Subject;

const MINUTE_SECONDS: f64 = 60.0;
/// Largest number of values in a block: with many subjects, a block covers less than a minute.
const BLOCK_VALUES_MAX: usize = 1 << 16;
/// A write-ahead log that is larger after a commit, for example with a model, is checkpointed at once.
const LOG_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    identity: Option<FileId>,
    limits: RetentionLimits,
    connection: Connection,
    index: SeriesIndex,
    minute: OpenMinute,
    episodes: OpenEpisodes,
    /// Highest score of each subject since its last point.
    highest: BTreeMap<Subject, f64>,
}

/// The readings of the current minute: one row, rewritten by each commit until the minute is over.
#[derive(Debug, Default)]
struct OpenMinute {
    lines: Vec<BlockReading>,
    row: Option<i64>,
    is_written: bool,
    packer: ReadingBlockPacker,
}

impl Database {
    /// Opens a database, or creates it. `check` runs a full integrity check first.
    pub(super) fn open(path: &Path, keep: RetentionLimits, check: bool) -> Result<Self, StoreError> {
        let connection = schema::open(path, check)?;
        retention::limit(&connection, &keep)?;
        let transaction = begin(&connection)?;
        let (index, episodes) = (SeriesIndex::load(&transaction)?, OpenEpisodes::load(&transaction)?);
        transaction.commit()?;
        Ok(Self {
            path: path.to_owned(),
            identity: data_dir::identity(path),
            limits: keep,
            connection,
            index,
            minute: OpenMinute::default(),
            episodes,
            highest: BTreeMap::new(),
        })
    }

    /// Device and inode of the file.
    pub(super) fn identity(&self) -> Option<FileId> {
        self.identity
    }

    /// Whether its path still leads to the open file.
    pub(super) fn is_in_place(&self) -> bool {
        self.identity.is_some() && self.identity == data_dir::identity(&self.path)
    }

    /// Writes all of these entries or none; returns the number of dropped values.
    pub(super) fn write(&mut self, entries: &[StoreWrite]) -> Result<u64, StoreError> {
        if entries.is_empty() {
            return Ok(0);
        }
        data_dir::check_space(&self.path)?;
        if self.log_bytes() > self.limits.log_bytes() {
            schema::checkpoint(&self.connection)?;
            if self.log_bytes() > self.limits.log_bytes() {
                return Err(StoreError::LogHeld { path: data_dir::suffixed(&self.path, LOG) });
            }
        }
        let transaction = begin(&self.connection)?;
        let mut dropped = 0;
        // An entry that takes most of the space would be the last one.
        let fits = |it: &&StoreWrite| it.bytes() <= self.limits.database_bytes() / 4;
        let more = entries.iter().filter(fits).map(StoreWrite::bytes).sum();
        if retention::is_full(&transaction, &self.limits, more)? {
            retention::make_room(&transaction, &self.limits, more)?;
        }
        for entry in entries {
            dropped += match entry {
                StoreWrite::Tick(tick) => {
                    let (line, dropped) = self.index.line(&transaction, tick)?;
                    self.minute.add(&transaction, line)?;
                    judged(&transaction, tick, &mut self.episodes, &mut self.highest)?;
                    dropped
                }
                other if fits(&other) => {
                    if matches!(other, StoreWrite::Snapshot(_)) {
                        // The readings after the snapshot begin a row of their own.
                        self.minute.end(&transaction)?;
                    }
                    write(&transaction, other)?
                }
                _ => 1,
            };
        }
        self.minute.save(&transaction)?;
        self.episodes.save(&transaction)?;
        transaction.commit()?;
        if self.log_bytes() > LOG_BYTES_MAX.min(self.limits.log_bytes()) {
            // What is committed is safe; if this fails, the next commit tries again.
            let _ = schema::checkpoint(&self.connection);
        }
        Ok(dropped)
    }

    /// Imports points from another source.
    pub(super) fn import(&mut self, history: &BackfillPoints) -> Result<BackfillCounts, StoreError> {
        let transaction = begin(&self.connection)?;
        let imported = statements::import(&transaction, history)?;
        transaction.commit()?;
        Ok(imported)
    }

    fn log_bytes(&self) -> u64 {
        data_dir::size(&data_dir::suffixed(&self.path, LOG))
    }

    /// Deletes rows beyond the retention. `now` is the time on the clock, for when series were seen.
    pub(super) fn prune(&mut self, now: f64) -> Result<(), StoreError> {
        let transaction = begin(&self.connection)?;
        retention::prune(&transaction, &self.limits)?;
        self.index.prune(&transaction, now)?;
        Ok(transaction.commit()?)
    }

    /// Returns unused pages to the file system, in bounded steps.
    pub(super) fn vacuum(&self) -> Result<(), StoreError> {
        retention::vacuum(&self.connection)
    }

    /// Closes the connection and removes everything but the database file, as far as readers allow.
    pub(super) fn close(self) -> Result<(), StoreError> {
        schema::close(&self.connection)
    }
}

fn begin(connection: &Connection) -> Result<Transaction<'_>, StoreError> {
    Ok(Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?)
}

fn write(connection: &Connection, entry: &StoreWrite) -> Result<u64, StoreError> {
    match entry {
        StoreWrite::Tick(_) => {}
        StoreWrite::CounterOffsets(it) => statements::counter_offsets(connection, it)?,
        StoreWrite::Baselines(rows) => statements::baselines(connection, rows)?,
        StoreWrite::Snapshot(it) => statements::snapshot(connection, it)?,
        StoreWrite::SubjectState(it) => return statements::subject_state(connection, it),
        StoreWrite::Model(it) => statements::model(connection, it)?,
        StoreWrite::ModelState { id, state } => statements::model_state(connection, id, state)?,
        StoreWrite::ModelGone { id } => statements::model_gone(connection, id)?,
        StoreWrite::Backfill(it) => drop(statements::import(connection, it)?),
        StoreWrite::Marker(it) => statements::marker(connection, it)?,
        StoreWrite::LogPositions(rows) => statements::log_positions(connection, rows)?,
        StoreWrite::LogState(it) => statements::log_state(connection, it)?,
        StoreWrite::Verdict(it) => statements::verdict(connection, it)?,
    }
    Ok(0)
}

fn judged(
    connection: &Connection,
    tick: &TickEntry,
    episodes: &mut OpenEpisodes,
    highest: &mut BTreeMap<Subject, f64>,
) -> Result<(), StoreError> {
    for it in &tick.assessed {
        episodes.record(connection, tick.at, it)?;
        if let Some(instant_score) = it.instant_score {
            let highest = highest.entry(it.subject.clone()).or_insert(instant_score);
            *highest = highest.max(instant_score);
        }
        if let Some(learned) = &it.point {
            points::insert(connection, it, learned, highest.remove(&it.subject))?;
        }
    }
    Ok(())
}

impl OpenMinute {
    /// Adds a reading; writes the minute first if it is over or full.
    fn add(&mut self, connection: &Connection, line: BlockReading) -> Result<(), StoreError> {
        let minute = |it: &BlockReading| (it.at / MINUTE_SECONDS).floor() as i64;
        let values: usize = (1 + line.values.len()) * (1 + self.lines.len());
        let is_over = self.lines.first().is_some_and(|it| minute(it) != minute(&line));
        if is_over || values > BLOCK_VALUES_MAX {
            self.end(connection)?;
        }
        self.lines.push(line);
        self.is_written = false;
        Ok(())
    }

    /// Writes the row of the minute; the next reading begins another one.
    fn end(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.save(connection)?;
        self.lines.clear();
        self.row = None;
        Ok(())
    }

    /// Writes the row of the minute.
    fn save(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if self.is_written || self.lines.is_empty() {
            return Ok(());
        }
        // After a clock step, the first reading may not be the earliest.
        let times = || self.lines.iter().map(|it| it.at);
        let (first, last) =
            (times().fold(f64::INFINITY, f64::min), times().fold(f64::NEG_INFINITY, f64::max));
        let (count, block) = (self.lines.len() as i64, self.packer.pack(&self.lines)?);
        if let Some(row) = self.row {
            let sql = "UPDATE readings SET first_at = ?1, last_at = ?2, count = ?3, block = ?4 WHERE id = ?5";
            connection.prepare_cached(sql)?.execute(params![first, last, count, block, row])?;
        } else {
            let sql = "INSERT INTO readings (first_at, last_at, count, block) VALUES (?1, ?2, ?3, ?4)";
            connection.prepare_cached(sql)?.execute(params![first, last, count, block])?;
            self.row = Some(connection.last_insert_rowid());
        }
        self.is_written = true;
        Ok(())
    }
}
