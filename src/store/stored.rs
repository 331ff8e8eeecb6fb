//! What is read from the store, row by row.

use std::sync::Arc;

use serde::Serialize;

use crate::reading::{Subject, Timestamp};

/// The kind of the markers that say whether is learned.
pub const LEARNING: &str = "learning";

/// The kind of the markers that say that points came from elsewhere.
pub const IMPORTED: &str = "imported";

/// From an instant to another, both included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Between {
    /// The first instant.
    pub from: Timestamp,
    /// The last instant.
    pub to: Timestamp,
}

impl Between {
    /// Everything.
    pub const ALL: Self = Self { from: Timestamp(f64::NEG_INFINITY), to: Timestamp(f64::INFINITY) };

    pub(super) fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at <= self.to
    }

    /// SQLite knows infinities only as numbers that are too large.
    pub(super) fn bounds(&self) -> (f64, f64) {
        (self.from.0.max(-1e300), self.to.0.min(1e300))
    }
}

/// What was left out of what was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Values of series that this program does not know.
    pub unknown: u64,
    /// Records that make no sense.
    pub garbled: u64,
}

/// What was learned at once: the mean of each signal over a window.
#[derive(Debug, Clone, PartialEq)]
pub struct PointRow {
    /// When.
    pub at: Timestamp,
    /// Of whom.
    pub subject: Subject,
    /// Whether it lies in an episode.
    pub odd: bool,
    /// As how much of a point it was learned.
    pub weight: f64,
    /// The highest score since the point before, 1.0 is the limit; nothing where there was none.
    pub score: Option<f64>,
    /// The names of the signals, one for each value.
    pub signals: Arc<[String]>,
    /// The values; where one is missing, the last one that was known.
    pub values: Vec<f64>,
    /// Which signals had no value.
    pub missing: Vec<bool>,
}

/// The score of one subject at a point.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRow {
    /// When.
    pub at: Timestamp,
    /// Of whom.
    pub subject: Subject,
    /// The highest since the point before; 1.0 is the limit.
    pub score: f64,
    /// That of the point itself.
    pub momentary: f64,
    /// Whether it lies in an episode.
    pub is_anomaly: bool,
    /// Share of the detectors that agree.
    pub confidence: Option<f64>,
}

/// An episode as it was written down.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EpisodeRow {
    /// Its identifier, see [`sentence::id`](crate::sentence::id).
    pub id: String,
    /// Kind of its subject.
    pub kind: String,
    /// Name of its subject.
    pub subject: String,
    /// When it began, in seconds since the epoch.
    pub began: f64,
    /// When it ended; nothing while it goes on.
    pub ended: Option<f64>,
    /// Until when it was seen to go on.
    pub seen: f64,
    /// open, ended, accepted, interrupted.
    pub outcome: String,
    /// The highest score.
    pub peak: f64,
    /// The signals to blame, the oddest first.
    pub causes: serde_json::Value,
    /// Its last description.
    pub sentence: String,
    /// The model it was judged by.
    pub model: Option<String>,
    /// From when on its readings are kept; nothing when they are not kept for it any longer.
    pub keep_from: Option<f64>,
    /// Until when.
    pub keep_to: Option<f64>,
}
