//! The result of one tick: the reading and the assessment of each subject.
//!
//! Everything that is served, logged or stored derives from reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::detect::{PerDetector, absence};
use crate::grace::Grace;
use crate::reading::{Reading, Subject, Timestamp, Values};
use crate::signal::Signal;
use crate::window::Point;

/// The state of everything after one reading.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The reading that was judged.
    pub reading: Arc<Reading>,
    /// One row for each subject of the reading that is judged.
    pub assessments: BTreeMap<Subject, Assessment>,
    /// The last judgements of subjects that were evicted amid an episode, which ends with them.
    pub departed: BTreeMap<Subject, Assessment>,
    /// What hostnorm measures of itself, besides what its sources do.
    pub own: Values,
    /// Which reasons to hold back episodes there are; nothing where readings do not tell of any.
    pub grace: Option<Grace>,
    /// What the tick before took: this one's own end is not known yet.
    pub before: Option<TickTiming>,
}

impl Report {
    /// All that was concluded, also of subjects that left.
    pub fn concluded(&self) -> impl Iterator<Item = (&Subject, &Assessment)> {
        self.assessments.iter().chain(&self.departed)
    }
}

/// What one tick took.
#[derive(Debug, Clone, PartialEq)]
pub struct TickTiming {
    /// When its reading was made.
    pub at: Timestamp,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Its trace, if it is recorded.
    pub trace: Option<TraceIds>,
}

/// Where a trace is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceIds {
    /// The trace, 32 digits of hexadecimal.
    pub trace_id: String,
    /// The span within it, 16 digits.
    pub span_id: String,
}

/// What is known of one subject.
#[derive(Debug, Clone, Default)]
pub struct Assessment {
    /// When the score is, or was, there for the first time.
    pub ready_at: Timestamp,
    /// Whether enough is known for a score; once it is, it stays so.
    pub ready: bool,
    /// Whether much of what it is judged by is borrowed from other subjects of its kind, as it is new.
    pub uses_kind_prior: bool,
    /// The score and its explanation; nothing while too little is known, or after a long gap in the readings.
    pub details: Option<ScoreDetails>,
    /// Each signal that has a value, with what was expected of it once that is known.
    pub signals: Vec<SignalState>,
    /// Signals that ceased, by their index in the table of signals.
    pub absent: Vec<AbsentSignal>,
    /// Share of the budget that the episodes of the last period took; nothing without a budget.
    pub budget_spent: Option<f64>,
    /// The episode that is under way.
    pub episode: Option<Episode>,
    /// The current episode in words, at most 512 bytes; the same until [`EpisodeTransition::Changed`].
    pub description: Option<Arc<str>>,
    /// Number of episodes so far, including the current one.
    pub episodes: u64,
    /// What happened to the episode at this tick, if anything.
    pub transition: Option<EpisodeTransition>,
    /// The whole point that was complete with this tick, once a window.
    pub point: Option<Arc<LearnedPoint>>,
}

/// A whole point, and how it was learned.
#[derive(Debug, Clone)]
pub struct LearnedPoint {
    /// The means of the signals over the window.
    pub point: Point,
    /// The signals, one for each value.
    pub signals: Vec<&'static Signal>,
    /// Whether it lies in an episode, or in what would be one but for grace.
    pub in_anomaly: bool,
    /// As how much of a point it was learned; 0 while nothing is learned.
    pub weight: f64,
}

/// The joint judgement of one subject at one tick.
#[derive(Debug, Clone, Default)]
pub struct ScoreDetails {
    /// The highest smoothed score of the last `score_hold`; 1.0 is the limit, 0 is utterly ordinary.
    pub score: f64,
    /// The smoothed score of this very reading; an episode ends by it.
    pub momentary: f64,
    /// Share of the voting detectors that agree with the majority, within 0 and 1.
    pub confidence: Option<f64>,
    /// The score of each detector divided by its own threshold; `None` while it abstains.
    pub detectors: PerDetector<Option<f64>>,
    /// The largest contributions to `score`, most positive first; their sum is `score`.
    pub contributions: Vec<Contribution>,
    /// The signals to name in a sentence about this very reading, the oddest first, with what each adds to
    /// `momentary`.
    pub causes: Vec<Contribution>,
    /// What a new model says that is tried out.
    pub shadow: Option<ShadowScore>,
}

/// What a new model says of a reading while it is tried out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ShadowScore {
    /// The joint score with it, smoothed but not held; 1.0 is the limit.
    pub score: f64,
    /// The score of its forest divided by the threshold of that.
    pub forest: f64,
}

/// A signal, what was expected of it, and within which bounds.
#[derive(Debug, Clone)]
pub struct SignalState {
    /// Which one.
    pub signal: &'static Signal,
    /// Its mean over the window, in its unit.
    pub value: f64,
    /// What was expected, once enough is known.
    pub expected: Option<ExpectedValue>,
    /// How far its values of late are from those that the model was trained on; 1.0 is the limit.
    pub drift: Option<f64>,
}

/// A signal that used to move, or to be there, and does no more.
#[derive(Debug, Clone)]
pub struct AbsentSignal {
    /// Which one.
    pub signal: &'static Signal,
    /// In which way.
    pub kind: absence::AbsenceKind,
    /// For how many seconds.
    pub seconds: f64,
    /// After how many seconds it used to move, or to be there again.
    pub usual: f64,
}

/// A value and the bounds that ordinary values keep to, in the unit of the signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedValue {
    /// The value itself.
    pub value: f64,
    /// The lower bound.
    pub lower: f64,
    /// The upper bound.
    pub upper: f64,
}

/// What one signal adds to the score.
#[derive(Debug, Clone)]
pub struct Contribution {
    /// Which signal.
    pub signal: &'static Signal,
    /// Whether the signal is higher or lower than expected.
    pub direction: Direction,
    /// Its share, in units of the score; negative where the signal speaks against an anomaly.
    pub value: f64,
}

/// On which side of the expected value a signal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Above.
    High,
    /// Below.
    Low,
}

impl Direction {
    /// The value of the label `direction`.
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Low => "low",
        }
    }
}

/// A span in which a subject is not as it used to be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// When it began.
    pub since: Timestamp,
    /// The highest score so far.
    pub peak: f64,
}

/// What happened to an episode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EpisodeTransition {
    /// It began with this reading.
    Began,
    /// Its description was renewed and is a different one.
    Changed,
    /// It is over; this is what it was.
    Ended(Episode),
    /// It lasted so long that it is the new normal now; this is what it was.
    Accepted(Episode),
}
