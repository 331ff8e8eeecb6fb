//! Reads the store, with or without a running daemon.
//!
//! No transaction outlasts a call, or a page of rows in long tables, so a slow reader does not keep the daemon from
//! truncating its log.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::block;
use super::data_dir::FILE;
use super::episodes::{EPISODES, EPISODES_WITH_SCENES, episode, judged_episodes};
use super::error::StoreError;
use super::points;
use super::row_types::{
    BEGINNING, BaselineRow, LEARNING, LogPositionRow, MarkerRow, ModelRow, PointRow, ScoreRow, Skipped,
    SubjectStateRow, TimeRange, subject_of,
};
use super::schema;
use super::series_index::SeriesNames;
use super::statements::RECORDED;
use crate::explanation::EpisodeRecord;
use crate::metric::Metric;
use crate::reading::{Reading, Subject, SubjectKind, Timestamp};

/// Number of rows in a page: of small rows, and of rows with blocks of readings.
const PAGE_ROWS: u32 = 1_024;
pub(super) const PAGE_BLOCKS: u32 = 16;

/// A store that is open for reading.
#[derive(Debug)]
pub struct StoreReader(pub(super) Connection);

impl StoreReader {
    /// Opens the store in this directory. On a full or read-only disk, it is read without writing.
    ///
    /// # Errors
    /// If there is no store, or it cannot be read.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        // SQLite is configured to follow no links, including directories.
        let directory = match directory.canonicalize() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::None { path: directory.join(FILE) });
            }
            found => found.map_err(|source| StoreError::Io { path: directory.to_owned(), source })?,
        };
        Ok(Self(schema::open_to_read(&directory.join(FILE))?))
    }

    /// Passes the readings of a time range to `each`, oldest first, with series of these metrics only. Corrupt blocks
    /// are skipped and counted.
    ///
    /// # Errors
    /// If the store cannot be read, or `each` fails.
    pub fn readings<E: From<StoreError>>(
        &self,
        between: TimeRange,
        metrics: &[&'static Metric],
        mut each: impl FnMut(Reading) -> Result<(), E>,
    ) -> Result<Skipped, E> {
        let names = SeriesNames::load(&self.0, metrics)?;
        let mut left_out = Skipped::default();
        let (from, to) = between.bounds();
        let sql = "SELECT id, block FROM readings \
                   WHERE id > ?1 AND id <= ?2 AND +last_at >= ?3 AND +first_at <= ?4 ORDER BY id LIMIT ?5";
        let read = |row: &Row<'_>| row.get::<_, Vec<u8>>(1);
        self.pages(
            // A block that ends behind the range may begin in it.
            ("readings", "last_at", [from, -BEGINNING]),
            sql,
            PAGE_BLOCKS,
            &[&from, &to],
            read,
            |packed| -> Result<(), E> {
                let Ok(lines) = block::unpack(&packed) else {
                    left_out.corrupt += 1;
                    return Ok(());
                };
                for line in lines.iter().filter(|it| between.holds(Timestamp(it.at))) {
                    let (reading, unknown) = names.reading(line);
                    left_out.unknown += unknown;
                    each(reading)?;
                }
                Ok(())
            },
        )?;
        Ok(left_out)
    }

    /// Passes the points of a time range to `each`, oldest first; of all subjects or one.
    ///
    /// # Errors
    /// If the store cannot be read, or `each` fails.
    pub fn points<E: From<StoreError>>(
        &self,
        between: TimeRange,
        subject: Option<&Subject>,
        mut each: impl FnMut(PointRow) -> Result<(), E>,
    ) -> Result<Skipped, E> {
        let layouts = points::layouts(&self.0)?;
        let mut left_out = Skipped::default();
        let (from, to) = between.bounds();
        let of = subject.map(|it| (it.kind().name(), it.name()));
        // Without a subject, the statement compares columns with themselves.
        let (kind, name) = of.unwrap_or_default();
        let of = if of.is_some() { "kind = ?3 AND subject = ?4" } else { "?3 = ?4" };
        let sql = format!(
            "SELECT {} FROM points WHERE id > ?1 AND id <= ?2 AND {of} AND +at >= ?5 AND +at <= ?6 \
             ORDER BY id LIMIT ?7",
            points::POINT
        );
        let read = |row: &Row<'_>| points::point(row, &layouts);
        self.pages(
            ("points", "at", [from, to]),
            &sql,
            PAGE_ROWS,
            &[&kind, &name, &from, &to],
            read,
            |point| -> Result<(), E> {
                match point {
                    Some(point) => each(point)?,
                    None => left_out.corrupt += 1,
                }
                Ok(())
            },
        )?;
        Ok(left_out)
    }

    /// Passes the scores of a time range to `each`, oldest first.
    ///
    /// # Errors
    /// If the store cannot be read, or `each` fails.
    pub fn scores<E: From<StoreError>>(
        &self,
        between: TimeRange,
        mut each: impl FnMut(ScoreRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let (from, to) = between.bounds();
        let sql = format!(
            "SELECT {} FROM points WHERE id > ?1 AND id <= ?2 AND score IS NOT NULL AND +at >= ?3 AND +at <= ?4 \
             ORDER BY id LIMIT ?5",
            points::SCORE
        );
        self.pages(("points", "at", [from, to]), &sql, PAGE_ROWS, &[&from, &to], points::score, |score| {
            score.map_or(Ok(()), &mut each)
        })
    }

    /// Passes the rows of a table to `each`, page by page, up to the row that is newest at the start. The first and the last
    /// row are found by their times, so the rows before and behind a range are not read. Parameters of the statement: number
    /// of the last row of the previous page, number of the last row, `parameters`, and page length.
    pub(super) fn pages<T, E: From<StoreError>>(
        &self,
        (table, time, [from, to]): (&str, &str, [f64; 2]),
        sql: &str,
        rows: u32,
        parameters: &[&dyn ToSql],
        read: impl Fn(&Row<'_>) -> Result<T, rusqlite::Error>,
        mut each: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut bounds = Vec::new();
        bounds.extend((from > BEGINNING).then(|| format!("{time} >= {from:e}")));
        bounds.extend((to < -BEGINNING).then(|| format!("{time} <= {to:e}")));
        let within =
            if bounds.is_empty() { String::new() } else { format!("WHERE {}", bounds.join(" AND ")) };
        let ends = format!(
            "SELECT (SELECT min(id) - 1 FROM {table} {within}), (SELECT max(id) FROM {table} {within})"
        );
        let ends = self.0.query_row(&ends, [], |row| Ok((row.get(0)?, row.get(1)?)));
        let (Some(mut before), Some(newest)) = ends.map_err(StoreError::from)? else { return Ok(()) };
        let (_, _): (i64, i64) = (before, newest);
        let mut statement = self.0.prepare(sql).map_err(StoreError::from)?;
        loop {
            let all = [&[&before as &dyn ToSql, &newest], parameters, &[&rows]].concat();
            let page = statement.query_map(&all[..], |row| Ok((row.get(0)?, read(row)?)));
            let page: Vec<(i64, T)> = page.and_then(Iterator::collect).map_err(StoreError::from)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            before = *last;
            page.into_iter().try_for_each(|(_, row)| each(row))?;
        }
    }

    /// The episodes that overlap a time range, oldest first, without their scenes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn episodes(&self, between: TimeRange) -> Result<Vec<EpisodeRecord>, StoreError> {
        let (from, to) = between.bounds();
        let mut statement = self.0.prepare(&format!(
            "{EPISODES} WHERE coalesce(ended, last_seen) >= ?1 AND began <= ?2 ORDER BY began, id"
        ))?;
        Ok(statement.query_map([from, to], episode)?.collect::<Result<_, _>>()?)
    }

    /// The episodes that were open at the last commit, without their scenes.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn open_episodes(&self) -> Result<Vec<EpisodeRecord>, StoreError> {
        let mut statement = self.0.prepare(&format!("{EPISODES} WHERE outcome = 'open' ORDER BY id"))?;
        Ok(statement.query_map([], episode)?.collect::<Result<_, _>>()?)
    }

    /// The episode of a subject that started in this second, with its scenes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn episode(&self, subject: &Subject, second: Timestamp) -> Result<Option<EpisodeRecord>, StoreError> {
        let mut statement = self.0.prepare(&format!(
            "{EPISODES_WITH_SCENES} WHERE kind = ?1 AND subject = ?2 AND began >= ?3 AND began < ?3 + 1 ORDER BY began DESC"
        ))?;
        let of = params![subject.kind().name(), subject.name(), second.0.floor()];
        Ok(statement.query_row(of, episode).optional()?)
    }

    /// The newest episodes of a subject and those with a verdict, oldest first, without their scenes.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn judged_episodes(&self, of: &Subject, newest: usize) -> Result<Vec<EpisodeRecord>, StoreError> {
        judged_episodes(&self.0, of, newest)
    }

    /// The state of an evicted subject, by its kind and identity.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn subject_state(
        &self,
        kind: SubjectKind,
        identity: &str,
    ) -> Result<Option<SubjectStateRow>, StoreError> {
        let sql = format!(
            "SELECT at, format, {} FROM subject_states WHERE kind = ?1 AND identity = ?2",
            bounded("content")
        );
        let row = |row: &Row<'_>| {
            let at = Timestamp(row.get(0)?);
            Ok(SubjectStateRow {
                kind,
                identity: identity.to_owned(),
                at,
                format: row.get(1)?,
                bytes: row.get(2)?,
            })
        };
        Ok(self.0.query_row(&sql, [kind.name(), identity], row).optional()?)
    }

    /// How far logs were read.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn log_positions(&self) -> Result<Vec<LogPositionRow>, StoreError> {
        let mut statement = self.0.prepare("SELECT log, part, position FROM log_positions ORDER BY id")?;
        let row =
            |row: &Row<'_>| Ok(LogPositionRow { log: row.get(0)?, part: row.get(1)?, position: row.get(2)? });
        Ok(statement.query_map([], row)?.collect::<Result<_, _>>()?)
    }

    /// The subjects with stored points.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn subjects(&self) -> Result<BTreeSet<Subject>, StoreError> {
        let mut statement = self.0.prepare("SELECT DISTINCT kind, subject FROM points")?;
        let subjects = statement.query_map([], |row| subject_of(row, 0))?;
        Ok(subjects.filter_map(Result::transpose).collect::<Result<_, _>>()?)
    }

    /// Time of the point of a subject that was stored last.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn newest_point(&self, subject: &Subject) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT at FROM points INDEXED BY points_subject WHERE kind = ?1 AND subject = ?2 \
                   ORDER BY id DESC LIMIT 1";
        let of = params![subject.kind().name(), subject.name()];
        Ok(self.0.query_row(sql, of, |row| row.get(0)).optional()?.map(Timestamp))
    }

    /// Time of the newest reading.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn newest_reading(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT last_at FROM readings ORDER BY id DESC LIMIT 1";
        Ok(self.0.query_row(sql, [], |row| row.get(0)).optional()?.map(Timestamp))
    }

    /// All models of the registry, oldest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn models(&self) -> Result<Vec<ModelRow>, StoreError> {
        let sql = format!("{} WHERE state <> ?1 ORDER BY created, id", models());
        let mut statement = self.0.prepare(&sql)?;
        Ok(statement.query_map([RECORDED], model)?.collect::<Result<_, _>>()?)
    }

    /// One model, including those kept only for episodes.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn model(&self, id: &str) -> Result<Option<ModelRow>, StoreError> {
        Ok(self.0.query_row(&format!("{} WHERE id = ?1", models()), [id], model).optional()?)
    }

    /// The baseline of each signal.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn baselines(&self) -> Result<Vec<BaselineRow>, StoreError> {
        let mut statement = self.0.prepare(
            "SELECT kind, subject, signal, mean, stddev, min, max, sample_count, last_updated, p95, p99 \
             FROM baselines ORDER BY kind, subject, signal",
        )?;
        let baselines = statement.query_map([], baseline)?;
        Ok(baselines.filter_map(Result::transpose).collect::<Result<_, _>>()?)
    }

    /// The markers of a kind, oldest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn markers(&self, kind: &str) -> Result<Vec<MarkerRow>, StoreError> {
        let mut statement =
            self.0.prepare("SELECT at, kind, text FROM markers WHERE kind = ?1 ORDER BY id")?;
        let row = |row: &Row<'_>| {
            Ok(MarkerRow { at: Timestamp(row.get(0)?), kind: row.get(1)?, text: row.get(2)? })
        };
        Ok(statement.query_map([kind], row)?.collect::<Result<_, _>>()?)
    }

    /// Whether learning is enabled.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn is_learning(&self) -> Result<bool, StoreError> {
        Ok(self.markers(LEARNING)?.last().is_none_or(|it| it.text != "off"))
    }
}

/// Selects a column of large values, but empty if too large to be valid. SQLite knows the length without reading the
/// value.
pub(super) fn bounded(column: &str) -> String {
    format!("CASE WHEN length({column}) <= {} THEN {column} ELSE x'' END", schema::VALUE_BYTES_MAX)
}

fn models() -> String {
    format!("SELECT id, kind, created, state, evaluation, digest, format, {} FROM models", bounded("content"))
}

fn model(row: &Row<'_>) -> Result<ModelRow, rusqlite::Error> {
    Ok(ModelRow {
        id: row.get(0)?,
        kind: row.get(1)?,
        created: Timestamp(row.get(2)?),
        state: row.get(3)?,
        evaluation: row.get(4)?,
        digest: row.get(5)?,
        format: row.get(6)?,
        bytes: row.get(7)?,
    })
}

fn baseline(row: &Row<'_>) -> Result<Option<BaselineRow>, rusqlite::Error> {
    let Some(subject) = subject_of(row, 0)? else { return Ok(None) };
    Ok(Some(BaselineRow {
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
    }))
}
