//! The result of one tick: the reading and the assessment of each subject.
//!
//! Everything that is served, logged or stored derives from reports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::cost_limit;
use crate::counter_reset::WrongLimit;
use crate::culprit::EpisodeScene;
use crate::detect::{PerDetector, absence};
use crate::forecast::TimeUntilFull;
use crate::grace::ActiveGracePeriods;
use crate::impact::{EpisodeSeverity, ResourceImpact};
use crate::maintenance;
use crate::metric::Metric;
use crate::reading::{Reading, Subject, SubjectValues, Timestamp};
use crate::signal::Signal;
use crate::silence;
use crate::window::Point;

mod episode_templates;

pub use episode_templates::{EpisodeTemplate, TEMPLATE_BYTES_MAX, TEMPLATES_MAX, add_templates};

/// The values of a reading that tell how it is scored; exposed even if other raw values are not.
pub static CIRCUMSTANCES: [&Metric; 3] =
    [&maintenance::ACTIVE, &silence::SILENCED, &cost_limit::FEATURE_ACTIVE];

/// Circumstances that make an anomaly expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpisodeCircumstances {
    /// It lies in a maintenance window.
    pub maintenance: bool,
    /// A silence of Alertmanager matches the alerts of its subject.
    pub silenced: bool,
}

impl EpisodeCircumstances {
    /// Whether there is any.
    pub fn is_any(self) -> bool {
        self != Self::default()
    }

    /// The circumstances of both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self { maintenance: self.maintenance || other.maintenance, silenced: self.silenced || other.silenced }
    }

    /// The names of those that hold.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let all = [("maintenance", self.maintenance), ("silenced", self.silenced)];
        all.into_iter().filter_map(|(name, holds)| holds.then_some(name))
    }
}

/// All results of one tick.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The reading.
    pub reading: Arc<Reading>,
    /// Monotonic time at which the reading began, because the wall clock may be set; `None` in a replay.
    pub began: Option<Instant>,
    /// The assessment of each scored subject.
    pub assessments: BTreeMap<Subject, Assessment>,
    /// The last assessment of each subject that was evicted during an episode, which thereby ends.
    pub evicted: BTreeMap<Subject, Assessment>,
    /// Metrics of hostnorm about itself, beyond those of its sources.
    pub own: SubjectValues,
    /// Active grace periods; `None` if the readings show none of the reasons.
    pub grace: Option<ActiveGracePeriods>,
    /// Timing of the previous tick; the present one has not ended yet.
    pub before: Option<TickTiming>,
    /// Limits of counters that turned out to be wrong; each once.
    pub wrong_limits: Vec<WrongLimit>,
}

impl Report {
    /// All assessments, including those of evicted subjects.
    pub fn concluded(&self) -> impl Iterator<Item = (&Subject, &Assessment)> {
        self.assessments.iter().chain(&self.evicted)
    }
}

/// Timing of one tick.
#[derive(Debug, Clone, PartialEq)]
pub struct TickTiming {
    /// Time of its reading.
    pub at: Timestamp,
    /// Duration, in seconds.
    pub seconds: f64,
    /// Its trace, if it was recorded.
    pub trace: Option<TraceIds>,
}

/// Identifiers of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceIds {
    /// Trace ID, 32 hexadecimal digits.
    pub trace_id: String,
    /// ID of the span in it, 16 hexadecimal digits.
    pub span_id: String,
}

/// The state of one subject after one tick.
#[derive(Debug, Clone, Default)]
pub struct Assessment {
    /// Time of the first score, estimated until it exists.
    pub ready_at: Timestamp,
    /// Whether there is enough history for a score; it never becomes false again.
    pub ready: bool,
    /// Whether the subject is new and scored largely with statistics of its kind or of another host.
    pub uses_kind_prior: bool,
    /// The score and its details; `None` during warm-up and after a long gap in the readings.
    pub details: Option<ScoreDetails>,
    /// Each signal that has a value, with its expected value once there is one.
    pub signals: Vec<SignalState>,
    /// Absent signals, in the order of the signal table.
    pub absent: Vec<AbsentSignal>,
    /// Whether the current episode is worth an alert, and when it would be; `None` before the first score.
    pub alert: Option<AlertState>,
    /// The current episode.
    pub episode: Option<Episode>,
    /// What makes an anomaly expected at this reading, with or without an episode.
    pub current_circumstances: EpisodeCircumstances,
    /// What made the current episode, or the one that just ended, expected at some reading.
    pub circumstances: EpisodeCircumstances,
    /// Number of rejected episodes like the current state, for which its score is discounted; 0 without a discount.
    pub like_rejected: usize,
    /// The current episode in words, at most 512 bytes; the same until [`EpisodeTransition::Changed`].
    pub description: Option<Arc<str>>,
    /// The processes behind the current episode, once its scene is frozen.
    pub scene: Option<Arc<EpisodeScene>>,
    /// Whether `scene` changed with this tick.
    pub scene_is_new: bool,
    /// The kinds of lines that explain the current episode of a log, at most [`TEMPLATES_MAX`], new ones first.
    pub templates: Arc<[EpisodeTemplate]>,
    /// Whether `templates` changed with this tick.
    pub templates_are_new: bool,
    /// How much work waits for each resource.
    pub impact: Vec<ResourceImpact>,
    /// The severity of the current episode: the highest one so far.
    pub severity: Option<EpisodeSeverity>,
    /// Number of episodes so far, including the current one.
    pub episodes: u64,
    /// The transition of the episode at this tick, if any.
    pub transition: Option<EpisodeTransition>,
    /// The whole point that this tick completed, once a window.
    pub point: Option<Arc<LearnedPoint>>,
    /// The signals that are filling up and when they will be full, as of the last minute.
    pub filling: Vec<FillingSignal>,
}

impl Assessment {
    /// Whether the current episode is worth an alert.
    pub fn is_alert(&self) -> bool {
        self.alert.is_some_and(|it| it.is_active)
    }
}

/// Why an episode is no alert although its score or impact would make it one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WithheldReason {
    /// The subject was often like this in its first week.
    FirstWeek,
    /// Each deviating signal was about as high on earlier days or, on a new host, twice before.
    EarlierDays,
    /// Maintenance.
    Maintenance,
}

impl WithheldReason {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::FirstWeek, Self::EarlierDays, Self::Maintenance];

    /// The value of the label `reason`.
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstWeek => "first_week",
            Self::EarlierDays => "earlier_days",
            Self::Maintenance => "maintenance",
        }
    }
}

/// The alert of a subject, and the levels that decide about it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AlertState {
    /// Whether the current episode is worth an alert.
    pub is_active: bool,
    /// The alert level: the score from which an episode is worth an alert.
    pub level: f64,
    /// The threshold in effect on the raw scale, which is a score of 1; higher while few points are known.
    pub threshold: f64,
    /// Share of the budget that the alerts of the last period spent; `None` without a budget.
    pub budget_spent: Option<f64>,
    /// Why the current episode is no alert although its score or impact would make it one.
    pub withheld: Option<WithheldReason>,
}

/// A signal that is filling up.
#[derive(Debug, Clone)]
pub struct FillingSignal {
    /// Which one.
    pub signal: &'static Signal,
    /// The device that is full first, such as a mount point; `None` if the signal is not of one device.
    pub device: Option<String>,
    /// When it will be full, in seconds from when that was computed, at most a minute ago.
    pub time_until_full: TimeUntilFull,
}

/// A whole point, and how it was learned.
#[derive(Debug, Clone)]
pub struct LearnedPoint {
    /// The means of the signals over the window.
    pub point: Point,
    /// The signals, one for each value.
    pub signals: Vec<&'static Signal>,
    /// Whether it lies in an episode, or would without grace.
    pub in_episode: bool,
    /// Weight with which it was learned; 0 while learning is paused.
    pub weight: f64,
}

/// The score of one subject at one tick, with its details.
#[derive(Debug, Clone, Default)]
pub struct ScoreDetails {
    /// The highest smoothed score of the last `score_hold`; 1.0 is the threshold.
    pub score: f64,
    /// The smoothed score of this reading, which decides when an episode ends.
    pub instant_score: f64,
    /// Share of the voting detectors that agree with the majority, between 0 and 1.
    pub confidence: Option<f64>,
    /// The score of each detector divided by its own threshold; `None` while it abstains.
    pub detectors: PerDetector<Option<f64>>,
    /// The largest contributions to `score`, most positive first; their sum is `score`.
    pub contributions: Vec<Contribution>,
    /// The signals to name in a description, largest deviation first, with their contributions to `instant_score`.
    pub causes: Vec<Contribution>,
    /// Score of the shadow model.
    pub shadow: Option<ShadowScore>,
}

/// Score of a shadow model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ShadowScore {
    /// The joint score, smoothed but not held; 1.0 is the threshold.
    pub score: f64,
    /// The score of its forest divided by that forest's threshold.
    pub forest: f64,
}

/// The state of a signal: its value, expected value and normal range.
#[derive(Debug, Clone)]
pub struct SignalState {
    /// The signal.
    pub signal: &'static Signal,
    /// Its mean over the window, in its unit.
    pub value: f64,
    /// Expected value, once there is enough history.
    pub expected: Option<ExpectedValue>,
    /// The value that each detector expects; absent for those that do not judge signal by signal.
    pub expected_by_detector: PerDetector<Option<f64>>,
    /// Drift of its recent values from those the model was trained on; 1.0 is the threshold.
    pub drift: Option<f64>,
}

/// A signal that stopped changing, stopped counting or vanished.
#[derive(Debug, Clone)]
pub struct AbsentSignal {
    /// The signal.
    pub signal: &'static Signal,
    /// How it is absent.
    pub kind: absence::AbsenceKind,
    /// Seconds since it became absent.
    pub seconds: f64,
    /// Usual seconds between its changes or appearances.
    pub usual: f64,
}

/// An expected value and its normal range, in the unit of the signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedValue {
    /// The expected value.
    pub value: f64,
    /// Lower bound of the normal range.
    pub lower: f64,
    /// Upper bound of the normal range.
    pub upper: f64,
}

/// The contribution of one signal to the score.
#[derive(Debug, Clone)]
pub struct Contribution {
    /// The signal.
    pub signal: &'static Signal,
    /// Whether the signal is above or below its expected value.
    pub direction: DeviationDirection,
    /// Its part of the score, in the same unit; negative if it lowers the score.
    pub value: f64,
}

/// Side of the expected value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DeviationDirection {
    /// Above.
    High,
    /// Below.
    Low,
}

impl DeviationDirection {
    /// The value of the label `direction`.
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Low => "low",
        }
    }
}

/// One recorded anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// Start time.
    pub since: Timestamp,
    /// The highest score so far.
    pub peak: f64,
    /// Length in seconds of readings; neither gaps nor steps of the clock count.
    pub lasted: f64,
}

/// A transition of an episode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EpisodeTransition {
    /// It started with this reading.
    Started,
    /// Its description changed.
    Changed,
    /// It ended; contains the episode.
    Ended(Episode),
    /// It was accepted as normal; contains the episode.
    Accepted(Episode),
}
