//! Row types: the data that is written to the store and read from it.

use std::sync::Arc;

use crate::episode_pattern::OperatorVerdict;
use crate::reading::{Subject, SubjectKind, Timestamp};
use crate::signal::Signal;
use crate::window::Point;
use rusqlite::Row;

/// Kind of the markers for enabled or paused learning.
pub const LEARNING: &str = "learning";

/// Kind of the markers for maintenance that a command started or stopped.
pub const MAINTENANCE: &str = "maintenance";

/// Kind of the marker for the statistics of another host.
pub const BORROWED: &str = "borrowed";

/// Kind of the markers for imported points.
pub const IMPORTED: &str = "imported";

/// Seconds before the start and after the end that belong to an episode. A later snapshot may have learned its start.
pub const AROUND_SECONDS: f64 = 600.0;

/// Before all times, as a finite number.
pub(super) const BEGINNING: f64 = -1e300;

/// A time range; both ends are included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeRange {
    /// Start of the range.
    pub from: Timestamp,
    /// End of the range.
    pub to: Timestamp,
}

impl TimeRange {
    /// All time.
    pub const ALL: Self = Self { from: Timestamp(f64::NEG_INFINITY), to: Timestamp(f64::INFINITY) };

    pub(super) fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at <= self.to
    }

    /// The ends as finite numbers, because SQLite has no literal for infinity.
    pub(super) fn bounds(&self) -> (f64, f64) {
        (self.from.0.max(BEGINNING), self.to.0.min(-BEGINNING))
    }
}

/// Counts of data that could not be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SkippedDataCounts {
    /// Values of series that this program does not know.
    pub unknown: u64,
    /// Corrupt rows.
    pub corrupt: u64,
}

/// A point: the mean of each signal over a window.
#[derive(Debug, Clone, PartialEq)]
pub struct PointRow {
    /// End of the window.
    pub at: Timestamp,
    /// Its subject.
    pub subject: Subject,
    /// Whether it is inside an episode.
    pub in_episode: bool,
    /// Weight with which it was learned, 0 to 1.
    pub weight: f64,
    /// Highest score since the previous point, 1.0 is the threshold; absent before the first score.
    pub score: Option<f64>,
    /// Names of the signals, one for each value.
    pub signals: Arc<[String]>,
    /// The values; a missing one is the last known value.
    pub values: Vec<f64>,
    /// Whether each value is missing.
    pub missing: Vec<bool>,
}

/// The score of one subject at a point.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRow {
    /// Time of the point.
    pub at: Timestamp,
    /// Its subject.
    pub subject: Subject,
    /// Highest score since the previous point; 1.0 is the threshold.
    pub score: f64,
    /// Score of the point itself.
    pub instant_score: f64,
    /// Whether it is inside an episode.
    pub is_anomaly: bool,
    /// Share of the detectors that agree, 0 to 1.
    pub confidence: Option<f64>,
}

/// The baseline of one signal, in the unit of the signal.
#[derive(Debug, Clone, PartialEq)]
pub struct BaselineRow {
    /// Its subject.
    pub subject: Subject,
    /// Name of the signal.
    pub signal: String,
    /// Exponentially weighted mean.
    pub mean: f64,
    /// Exponentially weighted standard deviation, including the noise floor.
    pub stddev: f64,
    /// Smallest value outside episodes.
    pub min: f64,
    /// Largest value outside episodes.
    pub max: f64,
    /// Number of points learned, by weight.
    pub points: f64,
    /// Time of the last learned point, or of the row while all is borrowed from other subjects.
    pub at: Timestamp,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
}

/// A snapshot of the engine, as bytes that the store does not interpret.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotRow {
    /// Time of the last reading in it.
    pub at: Timestamp,
    /// Only a program with the same snapshot format can use it.
    pub format: String,
    /// The models in use, one for each kind that has one.
    pub models: Vec<String>,
    /// Event beyond readings that changed the state, such as a new model; readings alone do not reproduce it.
    pub cause: Option<String>,
    /// The state.
    pub bytes: Vec<u8>,
}

/// A snapshot with its place in the order of what was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSnapshot {
    /// The snapshot.
    pub row: SnapshotRow,
    /// Number of the last row of readings before it.
    pub readings: i64,
    /// Number of the last marker before it.
    pub markers: i64,
}

/// The learned state of an evicted subject, as bytes that the store does not interpret.
#[derive(Debug, Clone, PartialEq)]
pub struct SubjectStateRow {
    /// Kind of the subject.
    pub kind: SubjectKind,
    /// Identity that survives restarts of the subject, such as workload and container name.
    pub identity: String,
    /// Time of the eviction.
    pub at: Timestamp,
    /// Only a program with the same snapshot format can use it.
    pub format: String,
    /// The state, at most [`SUBJECT_STATE_BYTES_MAX`](super::SUBJECT_STATE_BYTES_MAX) bytes.
    pub bytes: Vec<u8>,
}

/// State of a model that is kept only for the episodes that it scored.
pub(super) const RECORDED: &str = "recorded";

/// A trained model with its evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRow {
    /// Its identifier, a timestamp.
    pub id: String,
    /// Kind of the subjects that it scores.
    pub kind: String,
    /// Time of the training.
    pub created: Timestamp,
    /// current, shadow, retired, refused, …
    pub state: String,
    /// Its evaluation, as JSON.
    pub evaluation: String,
    /// Digest of the bytes.
    pub digest: String,
    /// Version of the encoding of the bytes.
    pub format: i64,
    /// The model; empty if the stored one is too large to be valid.
    pub bytes: Vec<u8>,
}

impl ModelRow {
    /// Whether it is kept only to explain the episodes that it scored.
    pub fn is_only_for_episodes(&self) -> bool {
        self.state == RECORDED
    }
}

/// How far a part of a log was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPositionRow {
    /// Name of the log.
    pub log: String,
    /// The part of it.
    pub part: String,
    /// The position; none if it is to be deleted.
    pub position: Option<String>,
}

/// What a log taught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStateRow {
    /// Name of the log.
    pub log: String,
    /// The state, from [`LogStream::learned`](crate::log_stream::LogStream::learned).
    pub bytes: Vec<u8>,
}

/// An event of hostnorm itself.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkerRow {
    /// Its time.
    pub at: Timestamp,
    /// Its kind: learning, forget, …
    pub kind: String,
    /// Details.
    pub text: String,
}

/// A verdict of an operator.
#[derive(Debug, Clone, PartialEq)]
pub struct VerdictRow {
    /// Subject of the episode.
    pub subject: Subject,
    /// Second in which the episode started.
    pub second: Timestamp,
    /// The verdict.
    pub verdict: OperatorVerdict,
    /// When it was given.
    pub at: Timestamp,
}

/// Points from another source, oldest first.
#[derive(Debug, Clone)]
pub struct BackfillPoints {
    /// Their subject.
    pub subject: Subject,
    /// The signals, one for each value.
    pub signals: Vec<&'static Signal>,
    /// The points.
    pub points: Vec<Point>,
}

/// The outcome of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BackfillCounts {
    /// Number of points written.
    pub written: usize,
    /// Number of points skipped, because the store already has points of that time.
    pub overlapping: usize,
}

/// The subject in two columns of a row, kind first; absent for an unknown kind.
pub(super) fn subject_of(row: &Row<'_>, column: usize) -> Result<Option<Subject>, rusqlite::Error> {
    let text = |column: usize| row.get_ref(column).map(|it| it.as_str().unwrap_or_default());
    Ok(subject(text(column)?, text(column + 1)?))
}

/// The subject of this kind and name.
pub(super) fn subject(kind: &str, name: &str) -> Option<Subject> {
    Some(match SubjectKind::read(kind)? {
        SubjectKind::Host => Subject::Host,
        SubjectKind::Container => Subject::Container(name.into()),
        SubjectKind::Log => Subject::Log(name.into()),
        SubjectKind::Pod => Subject::Pod(name.into()),
        SubjectKind::Service => Subject::Service(name.into()),
    })
}
