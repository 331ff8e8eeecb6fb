//! The open store: entries become rows, and a batch is one act: a frame of the tail, or a transaction.
//!
//! Readings and points alone go to the tail. Every ten minutes, and when there is something else, a transaction takes all
//! there is.
//! What is remembered here follows from the rows that were committed. When a batch fails, all of it is dropped and loaded
//! again, so that a rollback leaves no trace.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::blobs::Blobs;
use super::dictionary;
use super::entry::{Entry, Judged, Tick};
use super::episodes::Open;
use super::head::Head;
use super::point::Point;
use super::record::Compressor;
use super::tail::{self, Tail};
use super::{Error, import, retention, schema, tables};
use crate::reading::Subject;

/// Time between two transactions, in seconds of readings: what `sqlite3` shows is that old at most.
const TRANSACTION_EVERY: f64 = 600.0;
/// The same during an episode: with a transaction is written how far it has come.
const TRANSACTION_EVERY_IN_EPISODES: f64 = 60.0;

#[derive(Debug)]
pub(super) struct Db {
    connection: Connection,
    dictionary: dictionary::Writer,
    head: Head,
    tail: Tail,
    compressor: Compressor,
    blobs: Blobs,
    /// Bytes of all of them.
    blob_bytes: u64,
    /// Whether the batch under way may leave some that no row names.
    sweeps: bool,
    episodes: Open,
    /// The highest score of each subject since its last point.
    highest: BTreeMap<Subject, f64>,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Values that had to be left out.
    pub(super) dropped: u64,
}

impl Db {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let connection = schema::open(path)?;
        let mut compressor = Compressor::default();
        let left = tail::bytes(path)?;
        let transaction = connection.unchecked_transaction()?;
        let generation = adopt(&transaction, path, &left, &mut compressor)?;
        let dictionary = dictionary::Writer::load(&transaction)?;
        let episodes = Open::load(&transaction)?;
        transaction.commit()?;
        let blobs = Blobs::of(path);
        Ok(Self {
            blob_bytes: blobs.sweep(&connection)?,
            sweeps: false,
            blobs,
            connection,
            dictionary,
            head: Head::default(),
            tail: Tail::begin(path, generation)?,
            compressor,
            episodes,
            highest: BTreeMap::new(),
        })
    }

    /// Writes all of it or nothing. `whole` leaves nothing to the tail.
    pub(super) fn write<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry>,
        whole: bool,
    ) -> Result<Written, Error> {
        let mut written = Written::default();
        for entry in entries {
            written.dropped += self.entry(entry)?;
        }
        let every = if self.episodes.is_empty() { TRANSACTION_EVERY } else { TRANSACTION_EVERY_IN_EPISODES };
        if whole || self.head.is_older_than(every) {
            schema::begin(&self.connection)?;
        }
        if self.connection.is_autocommit() {
            self.head.append(&mut self.tail)?;
            return Ok(written);
        }
        self.head.write(&self.connection, &mut self.compressor)?;
        self.episodes.save(&self.connection)?;
        if !self.tail.is_empty() {
            tail::outdate(&self.connection)?;
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        if !self.tail.is_empty() {
            self.tail.restart();
        }
        if self.sweeps {
            // What is committed is not tried again because this fails; the next one sweeps more.
            self.sweeps = self.sweep().is_err();
        }
        Ok(written)
    }

    fn entry(&mut self, entry: &Entry) -> Result<u64, Error> {
        if let Entry::Tick(tick) = entry {
            return self.tick(tick);
        }
        let connection = &self.connection;
        schema::begin(connection)?;
        self.sweeps |= matches!(entry, Entry::Snapshot(_) | Entry::Model(_) | Entry::ModelGone { .. });
        match entry {
            Entry::Tick(_) => {}
            Entry::Baselines(rows) => tables::baselines(connection, rows)?,
            Entry::Snapshot(it) => tables::snapshot(connection, &self.blobs, it)?,
            Entry::Model(it) => tables::model(connection, &self.blobs, it)?,
            Entry::ModelState { id, state } => tables::model_state(connection, id, state)?,
            Entry::ModelGone { id } => tables::model_gone(connection, id)?,
            Entry::Bygone(it) => drop(import::insert(connection, it)?),
            Entry::Marker(it) => tables::marker(connection, it)?,
        }
        Ok(0)
    }

    fn tick(&mut self, tick: &Tick) -> Result<u64, Error> {
        if self.head.is_full() {
            schema::begin(&self.connection)?;
            self.head.write(&self.connection, &mut self.compressor)?;
        }
        let (line, dropped) = self.dictionary.line(&self.connection, tick)?;
        self.head.lines.push(line);
        for judged in &tick.judged {
            self.episodes.note(&self.connection, tick.at, judged)?;
            self.point(judged);
        }
        Ok(dropped)
    }

    fn point(&mut self, it: &Judged) {
        if let Some(momentary) = it.momentary {
            let highest = self.highest.entry(it.subject.clone()).or_insert(momentary);
            *highest = highest.max(momentary);
        }
        if let Some(learned) = &it.point {
            let highest = self.highest.remove(&it.subject);
            self.head.points.push(Point::new(it, learned, highest));
        }
    }

    /// Deletes what is too old or too much; see `retention.rs`.
    pub(super) fn prune(&mut self, keep: &retention::Keep, now: f64) -> Result<(), Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        retention::prune(&transaction, keep, now)?;
        self.dictionary.prune(&transaction)?;
        transaction.commit()?;
        self.sweep()?;
        retention::vacuum(&self.connection)
    }

    /// Removes models and states that are not kept any longer.
    fn sweep(&mut self) -> Result<(), Error> {
        self.blob_bytes = self.blobs.sweep(&self.connection)?;
        Ok(())
    }

    /// Bytes of the files that rows name.
    pub(super) fn blob_bytes(&self) -> u64 {
        self.blob_bytes
    }

    /// Leaves nothing but the file itself, as far as readers allow.
    pub(super) fn close(self) -> Result<(), Error> {
        let done = self.checkpoint();
        self.tail.end();
        done
    }

    /// Moves all from the log of writes into the file itself, as far as readers allow.
    pub(super) fn checkpoint(&self) -> Result<(), Error> {
        Ok(self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }
}

/// Makes rows of what a process that ended left in the tail; gives the generation of the next one.
fn adopt(
    connection: &Connection,
    path: &Path,
    left: &[u8],
    compressor: &mut Compressor,
) -> Result<u32, Error> {
    let generation = tail::generation(connection)?;
    let found = tail::frames(left, generation);
    if found.torn {
        tracing::warn!(
            path = %tail::place(path).display(),
            frames = found.frames.len(),
            "the last commit before hostnorm ended is not whole; what it held is left out"
        );
    }
    // Only where there is something: a file that is merely opened is not written to.
    if found.frames.is_empty() {
        return Ok(generation);
    }
    Head::left(found.frames).write(connection, compressor)?;
    tail::outdate(connection)?;
    tail::generation(connection)
}
