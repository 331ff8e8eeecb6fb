//! What was stored, for reading: beside a daemon that writes, or without one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::blobs::Blobs;
use super::entry::{Baseline, Marker, Model, Snapshot};
use super::point::{self, Point};
use super::record::Record;
use super::stored::{Between, EpisodeRow, LEARNING, LeftOut, PointRow, ScoreRow};
use super::tail::{self, Frame};
use super::{Error, FILE, dictionary, head, schema, tables};
use crate::metric::Metric;
use crate::reading::{Reading, Subject, Timestamp};
use crate::sentence;

/// A store that is open for reading.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    connection: Connection,
    blobs: Blobs,
}

impl Archive {
    /// Opens the store in this directory.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(FILE);
        Ok(Self { connection: schema::open_to_read(&path)?, blobs: Blobs::of(&path), path })
    }

    /// Gives each reading of a span to `each`, in the order in which they were read, as far as its series are among these
    /// metrics. Records that make no sense are left out and counted.
    ///
    /// # Errors
    /// When the store cannot be read, or `each` has had enough.
    pub fn readings<E: From<Error>>(
        &self,
        between: Between,
        metrics: &[&'static Metric],
        mut each: impl FnMut(Reading) -> Result<(), E>,
    ) -> Result<LeftOut, E> {
        let mut left_out = LeftOut::default();
        let (transaction, tail) = self.instant()?;
        let dictionary = dictionary::Reader::load(&transaction, metrics)?;
        let mut give = |record: &Record, left_out: &mut LeftOut| {
            let (readings, unknown) = dictionary.readings(record);
            left_out.unknown += unknown;
            readings.into_iter().filter(|it| between.holds(it.at)).try_for_each(&mut each)
        };
        let (from, to) = between.bounds();
        let span = within(between, "last_at >= ?1 AND first_at <= ?2");
        let sql = format!("SELECT format, blob FROM readings WHERE {span} ORDER BY id");
        let mut statement = transaction.prepare(&sql).map_err(Error::from)?;
        let mut rows = statement.query([from, to]).map_err(Error::from)?;
        while let Some(row) = rows.next().map_err(Error::from)? {
            let format = row.get(0).map_err(Error::from)?;
            let bytes = row.get_ref(1).map_err(Error::from)?;
            match Record::read(format, bytes.as_blob().unwrap_or_default()) {
                Ok(record) => give(&record, &mut left_out)?,
                Err(_) => left_out.garbled += 1,
            }
        }
        tail.iter().try_for_each(|it| give(&head::record(&it.lines), &mut left_out))?;
        Ok(left_out)
    }

    /// All of one instant: the database, and what it does not have yet.
    fn instant(&self) -> Result<(Transaction<'_>, Vec<Frame>), Error> {
        // Before the transaction: what is moved into the database meanwhile is of another generation then.
        let bytes = tail::bytes(&self.path)?;
        let transaction = self.connection.unchecked_transaction()?;
        let found = tail::frames(&bytes, tail::generation(&transaction)?);
        Ok((transaction, found.frames))
    }

    /// Gives each point of a span to `each`, the oldest first; of all subjects, or of one.
    ///
    /// # Errors
    /// When the store cannot be read, or `each` has had enough.
    pub fn points<E: From<Error>>(
        &self,
        between: Between,
        subject: Option<&Subject>,
        mut each: impl FnMut(PointRow) -> Result<(), E>,
    ) -> Result<LeftOut, E> {
        let (transaction, tail) = self.instant()?;
        let layouts = point::layouts(&transaction)?;
        let mut left_out = LeftOut::default();
        let (from, to) = between.bounds();
        let span = within(between, "at >= ?1 AND at <= ?2");
        let mut statement = transaction
            .prepare(&format!(
                "SELECT {} FROM points \
                 WHERE {span} AND (?3 IS NULL OR kind = ?3 AND subject = ?4) ORDER BY id",
                point::COLUMNS
            ))
            .map_err(Error::from)?;
        let of = (subject.map(|it| it.kind().name()), subject.map(Subject::name));
        let mut rows = statement.query(params![from, to, of.0, of.1]).map_err(Error::from)?;
        while let Some(row) = rows.next().map_err(Error::from)? {
            match point::read(row, &layouts).map_err(Error::from)? {
                Some(point) => each(point)?,
                None => left_out.garbled += 1,
            }
        }
        let of_subject = |it: &Point| subject.is_none_or(|subject| it.subject() == subject);
        let wanted = |it: &Point| between.holds(it.at()) && of_subject(it);
        let points = tail.into_iter().flat_map(|it| it.points).filter(wanted);
        points.filter_map(Point::row).try_for_each(each)?;
        Ok(left_out)
    }

    /// Gives each score of a span to `each`, the oldest first.
    ///
    /// # Errors
    /// When the store cannot be read, or `each` has had enough.
    pub fn scores<E: From<Error>>(
        &self,
        between: Between,
        mut each: impl FnMut(ScoreRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let (from, to) = between.bounds();
        let span = within(between, "at >= ?1 AND at <= ?2");
        let (transaction, tail) = self.instant()?;
        let mut statement = transaction
            .prepare(&format!(
                "SELECT at, kind, subject, score, momentary, is_anomaly, confidence FROM points \
                 WHERE score IS NOT NULL AND {span} ORDER BY id"
            ))
            .map_err(Error::from)?;
        let mut rows = statement.query([from, to]).map_err(Error::from)?;
        while let Some(row) = rows.next().map_err(Error::from)? {
            if let Some(score) = score(row).map_err(Error::from)? {
                each(score)?;
            }
        }
        let points = tail.into_iter().flat_map(|it| it.points).filter(|it| between.holds(it.at()));
        points.filter_map(Point::score).try_for_each(each)
    }

    /// The episodes that touch a span, the oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn episodes(&self, between: Between) -> Result<Vec<EpisodeRow>, Error> {
        let (from, to) = between.bounds();
        let mut statement = self.connection.prepare(&format!(
            "{EPISODES} WHERE coalesce(ended, seen) >= ?1 AND began <= ?2 ORDER BY began, id"
        ))?;
        Ok(statement.query_map([from, to], episode)?.collect::<Result<_, _>>()?)
    }

    /// The episode of a subject that began within this second.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn episode(&self, subject: &Subject, second: Timestamp) -> Result<Option<EpisodeRow>, Error> {
        let mut statement = self.connection.prepare(&format!(
            "{EPISODES} WHERE kind = ?1 AND subject = ?2 AND began >= ?3 AND began < ?3 + 1 ORDER BY began DESC"
        ))?;
        let of = params![subject.kind().name(), subject.name(), second.0.floor()];
        Ok(statement.query_row(of, episode).optional()?)
    }

    /// The newest snapshot of this format.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn snapshot(&self, format: &str) -> Result<Option<Snapshot>, Error> {
        let sql = format!("{SNAPSHOTS} WHERE format = ?1 ORDER BY id DESC LIMIT 1");
        Ok(self.connection.query_row(&sql, [format], |row| self.snapshot_of(row)).optional()?)
    }

    /// The snapshots from which an episode is explained, the oldest first: the one that its readings begin with, and those
    /// of all that changed the state since.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn snapshots_of(&self, episode: &EpisodeRow) -> Result<Vec<Snapshot>, Error> {
        let Some(from) = episode.keep_from else { return Ok(Vec::new()) };
        let mut statement = self.connection.prepare(&format!(
            "{SNAPSHOTS} WHERE at = ?1 OR (cause IS NOT NULL AND at BETWEEN ?1 AND ?2) ORDER BY id"
        ))?;
        Ok(statement
            .query_map([from, episode.keep_to.unwrap_or(1e300)], |row| self.snapshot_of(row))?
            .collect::<Result<_, _>>()?)
    }

    /// The subjects of which points are stored.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn subjects(&self) -> Result<BTreeSet<Subject>, Error> {
        let (transaction, tail) = self.instant()?;
        let mut statement = transaction.prepare("SELECT DISTINCT kind, subject FROM points")?;
        let mut rows = statement.query([])?;
        let mut subjects: BTreeSet<Subject> =
            tail.iter().flat_map(|it| &it.points).map(|it| it.subject().clone()).collect();
        while let Some(row) = rows.next()? {
            subjects.extend(dictionary::subject_of(row, 0)?);
        }
        Ok(subjects)
    }

    /// When the newest point of a subject was.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn newest_point(&self, subject: &Subject) -> Result<Option<Timestamp>, Error> {
        let (transaction, tail) = self.instant()?;
        let sql = "SELECT max(at) FROM points WHERE kind = ?1 AND subject = ?2";
        let of = params![subject.kind().name(), subject.name()];
        let found: Option<f64> = transaction.query_row(sql, of, |row| row.get(0))?;
        let points = tail.iter().flat_map(|it| &it.points).filter(|it| it.subject() == subject);
        Ok(points.map(|it| it.at().0).chain(found).reduce(f64::max).map(Timestamp))
    }

    /// When the newest reading was made.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn newest_reading(&self) -> Result<Option<Timestamp>, Error> {
        let (transaction, tail) = self.instant()?;
        if let Some(line) = tail.iter().rev().find_map(|it| it.lines.last()) {
            return Ok(Some(Timestamp(line.at)));
        }
        let sql = "SELECT last_at FROM readings ORDER BY id DESC LIMIT 1";
        Ok(transaction.query_row(sql, [], |row| row.get(0)).optional()?.map(Timestamp))
    }

    /// All models of the registry, the oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn models(&self) -> Result<Vec<Model>, Error> {
        let mut statement =
            self.connection.prepare(&format!("{MODELS} WHERE state <> ?1 ORDER BY created, id"))?;
        Ok(statement.query_map([tables::RECORDED], |row| self.model_of(row))?.collect::<Result<_, _>>()?)
    }

    /// One model, also when it is kept for episodes only.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn model(&self, id: &str) -> Result<Option<Model>, Error> {
        let sql = format!("{MODELS} WHERE id = ?1");
        Ok(self.connection.query_row(&sql, [id], |row| self.model_of(row)).optional()?)
    }

    /// What is normal of each signal, as it was written down last.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn baselines(&self) -> Result<Vec<Baseline>, Error> {
        let mut statement = self.connection.prepare(
            "SELECT kind, subject, signal, mean, stddev, min, max, sample_count, last_updated, p95, p99 \
             FROM baselines ORDER BY kind, subject, signal",
        )?;
        let mut rows = statement.query([])?;
        let mut baselines = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(subject) = dictionary::subject_of(row, 0)? else { continue };
            baselines.push(Baseline {
                subject,
                signal: row.get(2)?,
                mean: row.get(3)?,
                deviation: row.get(4)?,
                min: row.get::<_, Option<f64>>(5)?.unwrap_or(f64::INFINITY),
                max: row.get::<_, Option<f64>>(6)?.unwrap_or(f64::NEG_INFINITY),
                points: row.get(7)?,
                at: Timestamp(row.get(8)?),
                p95: row.get(9)?,
                p99: row.get(10)?,
            });
        }
        Ok(baselines)
    }

    /// The markers of a kind, the oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn markers(&self, kind: &str) -> Result<Vec<Marker>, Error> {
        let mut statement =
            self.connection.prepare("SELECT at, kind, text FROM markers WHERE kind = ?1 ORDER BY id")?;
        let row =
            |row: &Row<'_>| Ok(Marker { at: Timestamp(row.get(0)?), kind: row.get(1)?, text: row.get(2)? });
        Ok(statement.query_map([kind], row)?.collect::<Result<_, _>>()?)
    }

    /// Whether is learned, as was said last.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn is_learning(&self) -> Result<bool, Error> {
        Ok(self.markers(LEARNING)?.last().is_none_or(|it| it.text != "off"))
    }

    fn model_of(&self, row: &Row<'_>) -> Result<Model, rusqlite::Error> {
        Ok(Model {
            id: row.get(0)?,
            kind: row.get(1)?,
            created: Timestamp(row.get(2)?),
            state: row.get(3)?,
            card: row.get(4)?,
            digest: row.get(5)?,
            format: row.get(6)?,
            bytes: self.bytes_of(row, 7)?,
        })
    }

    fn snapshot_of(&self, row: &Row<'_>) -> Result<Snapshot, rusqlite::Error> {
        Ok(Snapshot {
            at: Timestamp(row.get(0)?),
            format: row.get(1)?,
            model: row.get(2)?,
            cause: row.get(3)?,
            bytes: self.bytes_of(row, 4)?,
        })
    }

    /// What is in the file that a row names; rows of older versions hold it themselves, in the column before that.
    fn bytes_of(&self, row: &Row<'_>, blob: usize) -> Result<Vec<u8>, rusqlite::Error> {
        match row.get::<_, Option<String>>(blob + 1)? {
            Some(file) => Ok(self.blobs.read(&file)),
            None => row.get(blob),
        }
    }
}

/// The condition on rows of a span. Where all are wanted it asks for nothing of them: by an index they would come in the
/// order of time, and be sorted again.
fn within(between: Between, condition: &'static str) -> &'static str {
    if between == Between::ALL { "?1 <= ?2" } else { condition }
}

const EPISODES: &str = "SELECT kind, subject, began, ended, seen, outcome, peak, causes, sentence, model, \
                        keep_from, keep_to FROM episodes";

const SNAPSHOTS: &str = "SELECT at, format, model, cause, blob, file FROM snapshots";

const MODELS: &str = "SELECT id, kind, created, state, card, digest, format, blob, file FROM models";

fn episode(row: &Row<'_>) -> Result<EpisodeRow, rusqlite::Error> {
    let began = row.get(2)?;
    let subject = dictionary::subject_of(row, 0)?.unwrap_or(Subject::Host);
    Ok(EpisodeRow {
        id: sentence::id(&subject, Timestamp(began)),
        kind: row.get(0)?,
        subject: row.get(1)?,
        began,
        ended: row.get(3)?,
        seen: row.get(4)?,
        outcome: row.get(5)?,
        peak: row.get(6)?,
        causes: serde_json::from_str(&row.get::<_, String>(7)?).unwrap_or_default(),
        sentence: row.get(8)?,
        model: row.get(9)?,
        keep_from: row.get(10)?,
        keep_to: row.get(11)?,
    })
}

fn score(row: &Row<'_>) -> Result<Option<ScoreRow>, rusqlite::Error> {
    let Some(subject) = dictionary::subject_of(row, 1)? else { return Ok(None) };
    let score = row.get(3)?;
    Ok(Some(ScoreRow {
        at: Timestamp(row.get(0)?),
        subject,
        score,
        momentary: row.get::<_, Option<f64>>(4)?.unwrap_or(score),
        is_anomaly: row.get::<_, Option<bool>>(5)?.unwrap_or_default(),
        confidence: row.get(6)?,
    }))
}
