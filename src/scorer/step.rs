//! The steps of scoring one point.

use super::ScoreHold;
use crate::budget::Budget;
use crate::detect::PerDetector;
use crate::detect::absence::AbsenceDetector;
use crate::episode::ResolveRule;
use crate::report::{EpisodeTransition, ShadowScore};
use crate::window::Point;

/// How points are judged.
#[derive(Debug, Clone, PartialEq)]
pub struct ScorerSettings {
    /// Seconds that a point stands for.
    pub point_seconds: f64,
    /// The joint score that is the limit, on the raw scale.
    pub threshold: f64,
    /// Episodes that are allowed; the limit follows from it once enough is known.
    pub budget: Budget,
    /// When an episode ends.
    pub resolve: ResolveRule,
    /// After so many points half of what the score was is left, where the newest point is ordinary.
    pub smoothing: f64,
    /// How a high score stays.
    pub score_hold: ScoreHold,
    /// As how much of a point one inside an episode is learned.
    pub anomaly_weight: f64,
    /// Whether what is inside an episode leaves no trace in short memories, in the rows of the forest and in the pace of
    /// a young host, as a fault must not outlast itself (ADR 007).
    pub shelter_short_memory: bool,
}

impl ScorerSettings {
    /// What is left of a score after a point.
    pub(super) fn retention_factor(&self) -> f64 {
        0.5_f64.powf(1.0 / self.smoothing)
    }
}

/// How a point is to be taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScorerStep {
    /// Seconds since the one before, gaps left out.
    pub elapsed: f64,
    /// Whether enough is known for a score.
    pub ready: bool,
    /// As how much of a point it is learned outside an episode; nothing when it is judged only.
    pub weight: Option<f64>,
    /// Whether a whole point is complete with it: memories that count points move on.
    pub whole: bool,
}

/// A whole point as it was stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScorerHistory {
    /// The point.
    pub point: Point,
    /// Whether it lay inside an episode, or in what would have been one but for grace.
    pub in_anomaly: bool,
    /// As how much of a point it was learned; 0 while nothing was.
    pub weight: f64,
    /// The highest score since the point before, in units of the limit; nothing where there was none.
    pub score: Option<f64>,
}

/// The joint judgement of one point.
#[derive(Debug, Clone, Default)]
pub struct SubjectScore {
    /// The score that is held; 1.0 is the limit.
    pub held: f64,
    /// The smoothed score of this point.
    pub momentary: f64,
    /// The largest shares of `held`, most positive first; their sum is `held`.
    pub contributions: Vec<(usize, f64)>,
    /// The signals to name for this point, the oddest first, with their shares of `momentary`.
    pub causes: Vec<(usize, f64)>,
    /// The score of each detector divided by its own threshold; `None` while it abstains.
    pub detectors: PerDetector<Option<f64>>,
    /// Share of the voting detectors that agree with the majority.
    pub confidence: Option<f64>,
    /// The signals that ceased.
    pub absences: Vec<AbsenceDetector>,
    /// Share of the budget that was spent in the last period; nothing without a budget.
    pub budget_spent: Option<f64>,
    /// What became of the episode.
    pub transition: Option<EpisodeTransition>,
    /// What a new model says that is tried out.
    pub shadow: Option<ShadowScore>,
}
