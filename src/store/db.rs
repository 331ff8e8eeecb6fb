//! The open database: entries become rows, a batch a transaction.
//!
//! What is remembered here follows from the rows that were committed. When a batch fails, all of it is dropped and loaded
//! again, so that a rollback leaves no trace.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::dictionary;
use super::entry::{Entry, Judged, Tick};
use super::episodes::Open;
use super::record::{self, Compressor, Record};
use super::request::{self, Verb};
use super::tables::{self, Scored};
use super::{Error, import, retention, schema, tails};
use crate::reading::Subject;

const MINUTE_SECONDS: f64 = 60.0;
/// A record with more values is closed before its minute is over, so that memory is bounded with many subjects.
const OPEN_VALUES_MAX: usize = 1 << 18;

#[derive(Debug)]
pub(super) struct Db {
    connection: Connection,
    dictionary: dictionary::Writer,
    minute: Minute,
    compressor: Compressor,
    episodes: Open,
    /// The highest score of each subject since its last point.
    highest: BTreeMap<Subject, f64>,
    /// The version of the data when requests were looked for last; another process changes it.
    looked_at: Option<i64>,
}

/// The minute that is not over yet.
#[derive(Debug, Default)]
struct Minute {
    /// Minutes since the epoch.
    number: i64,
    record: Record,
    values: usize,
    /// How many of its rows are in the database already, …
    written: usize,
    /// … in how many tails.
    tails: usize,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Values that had to be left out.
    pub(super) dropped: u64,
    /// New requests of commands, with their numbers; nothing for those that are not understood.
    pub(super) requests: Vec<(i64, Option<Verb>)>,
}

impl Db {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let connection = schema::open(path)?;
        let transaction = connection.unchecked_transaction()?;
        let mut compressor = Compressor::default();
        tails::adopt(&transaction, &mut compressor)?;
        let dictionary = dictionary::Writer::load(&transaction)?;
        let episodes = Open::load(&transaction)?;
        transaction.commit()?;
        Ok(Self {
            connection,
            dictionary,
            minute: Minute::default(),
            compressor,
            episodes,
            highest: BTreeMap::new(),
            looked_at: None,
        })
    }

    /// Writes all of it or nothing, and looks for requests with a higher number than this.
    pub(super) fn write<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry>,
        last: bool,
        after: i64,
    ) -> Result<Written, Error> {
        // The borrow of the connection has to end before each of these, so the transaction is begun and ended by hand.
        self.run("BEGIN IMMEDIATE")?;
        let mut written = Written::default();
        for entry in entries {
            written.dropped += self.entry(entry)?;
        }
        if last {
            self.close_minute()?;
        } else {
            self.save_tail()?;
        }
        self.episodes.save(&self.connection)?;
        // Here, where the file is locked already.
        written.requests = self.requests(after)?;
        self.run("COMMIT")?;
        Ok(written)
    }

    fn run(&self, sql: &str) -> Result<(), Error> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) -> Result<u64, Error> {
        let connection = &self.connection;
        match entry {
            Entry::Tick(tick) => return self.tick(tick),
            Entry::Baselines(rows) => tables::baselines(connection, rows)?,
            Entry::Snapshot(it) => tables::snapshot(connection, it)?,
            Entry::Model(it) => tables::model(connection, it)?,
            Entry::ModelState { id, state } => tables::model_state(connection, id, state)?,
            Entry::ModelGone { id } => tables::model_gone(connection, id)?,
            Entry::Bygone(it) => drop(import::insert(connection, it)?),
            Entry::Marker(it) => tables::marker(connection, it)?,
            Entry::Answer { id, at, outcome } => request::answer(connection, *id, *at, outcome)?,
        }
        Ok(0)
    }

    fn tick(&mut self, tick: &Tick) -> Result<u64, Error> {
        let at = tick.reading.at;
        let number = (at.0 / MINUTE_SECONDS).floor() as i64;
        let rows = self.minute.record.rows.len();
        if number != self.minute.number || rows >= record::ROWS_MAX || self.minute.values >= OPEN_VALUES_MAX {
            self.close_minute()?;
            self.minute.number = number;
        }
        let dropped = self.dictionary.add(&self.connection, &tick.reading, &mut self.minute.record)?;
        self.minute.values += self.minute.record.rows.last().map_or(0, |it| it.values.len());
        for judged in &tick.judged {
            self.episodes.note(&self.connection, at, judged)?;
            self.point(judged)?;
        }
        Ok(dropped)
    }

    fn point(&mut self, it: &Judged) -> Result<(), Error> {
        if let Some(momentary) = it.momentary {
            let highest = self.highest.entry(it.subject.clone()).or_insert(momentary);
            *highest = highest.max(momentary);
        }
        let Some(learned) = &it.point else { return Ok(()) };
        let scored = Scored {
            score: self.highest.remove(&it.subject),
            momentary: it.momentary,
            is_anomaly: it.momentary.map(|_| it.episode.is_some()),
            confidence: it.confidence,
        };
        tables::point(&self.connection, &it.subject, learned, scored)
    }

    /// Writes the rows of the open minute that are not in the database yet.
    fn save_tail(&mut self) -> Result<(), Error> {
        let Minute { record, written, tails, .. } = &mut self.minute;
        if *written == record.rows.len() {
            return Ok(());
        }
        let tail = record.part(*written);
        tails::put(&self.connection, *tails, &tail)?;
        *written = record.rows.len();
        *tails += 1;
        Ok(())
    }

    /// Writes the whole minute in the place of its tails.
    fn close_minute(&mut self) -> Result<(), Error> {
        let minute = std::mem::take(&mut self.minute);
        if minute.record.rows.is_empty() {
            return Ok(());
        }
        tails::clear(&self.connection)?;
        tails::insert(&self.connection, &minute.record, &mut self.compressor)
    }

    /// New requests after this one; costs next to nothing as long as no other process wrote anything.
    fn requests(&mut self, after: i64) -> Result<Vec<(i64, Option<Verb>)>, Error> {
        let version: i64 =
            self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.looked_at == Some(version) {
            return Ok(Vec::new());
        }
        let found = request::new(&self.connection, after)?;
        // There may be more than are taken at once.
        self.looked_at = found.is_empty().then_some(version);
        Ok(found)
    }

    /// Deletes what is too old or too much; see `retention.rs`.
    pub(super) fn prune(&mut self, keep: &retention::Keep, now: f64) -> Result<(), Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        retention::prune(&transaction, keep, now)?;
        self.dictionary.prune(&transaction)?;
        transaction.commit()?;
        retention::vacuum(&self.connection)
    }

    /// Moves all from the log of writes into the file itself, as far as readers allow.
    pub(super) fn checkpoint(&self) -> Result<(), Error> {
        Ok(self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }
}
