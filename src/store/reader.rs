//! Reads the store, with or without a running daemon.
//!
//! No transaction outlasts a call, or a page of rows in long tables, so a slow reader does not keep the daemon from
//! truncating its log.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::block;
use super::data_dir::FILE;
use super::episodes::{EPISODES, EPISODES_IN_RANGE, EPISODES_WITH_SCENES, episode, episodes_with_verdict};
use super::error::StoreError;
use super::row_types::{
    BEGINNING, BaselineRow, LEARNING, LogPositionRow, LogStateRow, MarkerRow, ModelRow, RECORDED,
    SkippedDataCounts, SubjectStateRow, TimeRange, subject_of,
};
use super::schema;
use super::series_index::{BlockSeriesDecoder, labels_of};
use crate::counter_reset::CounterOffset;
use crate::explanation::EpisodeRecord;
use crate::metric::Metric;
use crate::reading::{Reading, Subject, SubjectKind, Timestamp};

/// Number of rows in a page of rows with blocks of readings.
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
        if !directory.is_dir() {
            return Err(StoreError::NotDirectory { path: directory });
        }
        let file = directory.join(FILE);
        schema::open_to_read(&file).map(Self).map_err(|error| error.in_database(&file))
    }

    /// An error of this reader, with the path of its database.
    pub fn locate(&self, error: StoreError) -> StoreError {
        match self.0.path() {
            Some(path) => error.in_database(Path::new(path)),
            None => error,
        }
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
    ) -> Result<SkippedDataCounts, E> {
        let names = BlockSeriesDecoder::load(&self.0, metrics)?;
        let mut left_out = SkippedDataCounts::default();
        let (from, to) = between.bounds();
        let sql = "SELECT id, block FROM readings \
                   WHERE id > ?1 AND id <= ?2 AND +last_at >= ?3 AND +first_at <= ?4 ORDER BY id LIMIT ?5";
        let read = |row: &Row<'_>| row.get::<_, Vec<u8>>(1);
        self.pages(
            // A block that ends behind the range may begin in it.
            self.ends("readings", "last_at", [from, -BEGINNING])?,
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

    /// The names of the subjects with readings or points.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn subject_names(&self) -> Result<BTreeSet<String>, StoreError> {
        let mut statement = self.0.prepare("SELECT subject FROM series UNION SELECT subject FROM points")?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// The newest episodes that overlap a time range, at most `newest`, of one subject or of all; oldest first, without their
    /// scenes.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn episodes(
        &self,
        of: Option<&Subject>,
        between: TimeRange,
        newest: usize,
    ) -> Result<Vec<EpisodeRecord>, StoreError> {
        let (from, to) = between.bounds();
        let of = of.map(|it| (it.kind().name(), it.name())).unzip();
        let newest = i64::try_from(newest).unwrap_or(i64::MAX);
        let mut statement = self
            .0
            .prepare(&format!("{EPISODES} {EPISODES_IN_RANGE} ORDER BY began DESC, id DESC LIMIT ?5"))?;
        let rows = statement.query_map(params![of.0, of.1, from, to, newest], episode)?;
        let mut found = rows.collect::<Result<Vec<_>, _>>()?;
        found.reverse();
        Ok(found)
    }

    /// Number of episodes that overlap a time range, of one subject or of all.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn episode_count(&self, of: Option<&Subject>, between: TimeRange) -> Result<usize, StoreError> {
        let (from, to) = between.bounds();
        let of = of.map(|it| (it.kind().name(), it.name())).unzip();
        let sql = format!("SELECT count(*) FROM episodes {EPISODES_IN_RANGE}");
        let count: i64 = self.0.query_row(&sql, params![of.0, of.1, from, to], |row| row.get(0))?;
        Ok(usize::try_from(count).unwrap_or_default())
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
    pub fn episodes_with_verdict(
        &self,
        of: &Subject,
        newest: usize,
    ) -> Result<Vec<EpisodeRecord>, StoreError> {
        episodes_with_verdict(&self.0, of, newest)
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

    /// What each log taught.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn log_states(&self) -> Result<Vec<LogStateRow>, StoreError> {
        let mut statement = self.0.prepare("SELECT log, content FROM log_states ORDER BY id")?;
        let row = |row: &Row<'_>| Ok(LogStateRow { log: row.get(0)?, bytes: row.get(1)? });
        Ok(statement.query_map([], row)?.collect::<Result<_, _>>()?)
    }

    /// Time of the newest reading.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn newest_reading(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT last_at FROM readings ORDER BY id DESC LIMIT 1";
        Ok(self.0.query_row(sql, [], |row| row.get(0)).optional()?.map(Timestamp))
    }

    /// The readings of the newest row, oldest first, with series of these metrics only; none if the row is corrupt.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn newest_readings(&self, metrics: &[&'static Metric]) -> Result<Vec<Reading>, StoreError> {
        let sql = "SELECT block FROM readings ORDER BY id DESC LIMIT 1";
        let packed: Option<Vec<u8>> = self.0.query_row(sql, [], |row| row.get(0)).optional()?;
        let lines = packed.and_then(|it| block::unpack(&it).ok()).unwrap_or_default();
        let names = BlockSeriesDecoder::load(&self.0, metrics)?;
        Ok(lines.iter().map(|it| names.reading(it).0).collect())
    }

    /// What is added to counters of these metrics that fell or jumped.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn counter_offsets(&self, metrics: &[&'static Metric]) -> Result<Vec<CounterOffset>, StoreError> {
        let mut statement =
            self.0.prepare("SELECT kind, subject, metric, labels, offset FROM counter_offsets")?;
        let mut rows = statement.query([])?;
        let mut offsets = Vec::new();
        while let Some(row) = rows.next()? {
            let name: String = row.get(2)?;
            let Some(metric) = metrics.iter().copied().find(|it| it.name == name) else { continue };
            let labels = labels_of(metric, &row.get::<_, String>(3)?);
            if let (Some(subject), Some(labels)) = (subject_of(row, 0)?, labels) {
                offsets.push(CounterOffset { subject, metric, labels, offset: row.get(4)? });
            }
        }
        Ok(offsets)
    }

    /// All models of the registry, oldest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn models(&self) -> Result<Vec<ModelRow>, StoreError> {
        self.all_models(&bounded("content"))
    }

    /// The same without their content, which is large: the bytes are empty.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn models_without_content(&self) -> Result<Vec<ModelRow>, StoreError> {
        self.all_models("x''")
    }

    fn all_models(&self, content: &str) -> Result<Vec<ModelRow>, StoreError> {
        let sql = format!("{} WHERE state <> ?1 ORDER BY created, id", models(content));
        let mut statement = self.0.prepare(&sql)?;
        Ok(statement.query_map([RECORDED], model)?.collect::<Result<_, _>>()?)
    }

    /// One model, including those kept only for episodes.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn model(&self, id: &str) -> Result<Option<ModelRow>, StoreError> {
        Ok(self
            .0
            .query_row(&format!("{} WHERE id = ?1", models(&bounded("content"))), [id], model)
            .optional()?)
    }

    /// The baseline of each signal.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn baselines(&self) -> Result<Vec<BaselineRow>, StoreError> {
        let mut statement = self.0.prepare(&format!("{BASELINES} ORDER BY kind, subject, signal"))?;
        let baselines = statement.query_map([], baseline)?;
        Ok(baselines.filter_map(Result::transpose).collect::<Result<_, _>>()?)
    }

    /// The baseline of each signal of a subject.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn baselines_of(&self, of: &Subject) -> Result<Vec<BaselineRow>, StoreError> {
        let mut statement =
            self.0.prepare(&format!("{BASELINES} WHERE kind = ?1 AND subject = ?2 ORDER BY signal"))?;
        let baselines = statement.query_map([of.kind().name(), of.name()], baseline)?;
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

/// Selects the columns that [`model`] reads, with this as the content.
fn models(content: &str) -> String {
    format!("SELECT id, kind, created, state, evaluation, digest, format, {content} FROM models")
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

/// Selects the columns that [`baseline`] reads.
const BASELINES: &str = "SELECT kind, subject, signal, mean, stddev, min, max, sample_count, last_updated, p95, p99 \
                         FROM baselines";

fn baseline(row: &Row<'_>) -> Result<Option<BaselineRow>, rusqlite::Error> {
    let Some(subject) = subject_of(row, 0)? else { return Ok(None) };
    Ok(Some(BaselineRow {
        subject,
        signal: row.get(2)?,
        mean: row.get(3)?,
        stddev: row.get(4)?,
        min: row.get::<_, Option<f64>>(5)?.unwrap_or(f64::INFINITY),
        max: row.get::<_, Option<f64>>(6)?.unwrap_or(f64::NEG_INFINITY),
        points: row.get(7)?,
        at: Timestamp(row.get(8)?),
        p95: row.get(9)?,
        p99: row.get(10)?,
    }))
}
