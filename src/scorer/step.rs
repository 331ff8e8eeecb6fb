//! The steps of scoring one point.

use super::ScoreHold;
use crate::alert::AlertStartRule;
use crate::detect::PerDetector;
use crate::detect::absence::Absence;
use crate::detect::detector_settings::DetectorSettings;
use crate::episode::EpisodeEndRule;
use crate::report::{DeviationDirection, EpisodeTransition, ShadowScore};
use crate::window::Point;

/// Settings of a scorer.
#[derive(Debug, Clone, PartialEq)]
pub struct ScorerSettings {
    /// Length of a point, in seconds.
    pub point_seconds: f64,
    /// Threshold on the raw scale of the joint score.
    pub threshold: f64,
    /// When an episode is worth an alert.
    pub alert: AlertStartRule,
    /// Which detectors count, and what decides.
    pub detectors: DetectorSettings,
    /// When an episode ends.
    pub resolve: EpisodeEndRule,
    /// Half-life of the smoothed score, in points.
    pub smoothing: f64,
    /// How a high score is held.
    pub score_hold: ScoreHold,
    /// Weight with which a point inside an episode is learned.
    pub anomaly_learning_weight: f64,
    /// Whether points inside an episode are kept out of short memories, of the rows for the forest and of the growth
    /// of a new host, because a fault must not change what is learned about it (ADR 007).
    pub exclude_episodes_from_short_memory: bool,
}

impl ScorerSettings {
    /// Factor by which a score decays with each point.
    pub(super) fn retention_factor(&self) -> f64 {
        0.5_f64.powf(1.0 / self.smoothing)
    }
}

/// How a point is scored and learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepOptions {
    /// Seconds since the previous point, without gaps.
    pub elapsed: f64,
    /// Whether enough is known for a score.
    pub ready: bool,
    /// Weight with which it is learned outside an episode; `None` to score it only.
    pub weight: Option<f64>,
    /// Whether it completes a whole point, which advances memories that count points.
    pub whole: bool,
}

/// A stored whole point.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistoryPoint {
    /// The point.
    pub point: Point,
    /// Whether it was inside an episode, or would have been without grace.
    pub in_episode: bool,
    /// Weight with which it was learned; 0 while learning was paused.
    pub weight: f64,
    /// Highest score since the previous point; 1.0 is the threshold. `None` if there was no score.
    pub score: Option<f64>,
}

/// The joint assessment of one point.
#[derive(Debug, Clone, Default)]
pub struct SubjectScore {
    /// The held score; 1.0 is the threshold.
    pub held: f64,
    /// The smoothed score of this point.
    pub instant_score: f64,
    /// The largest contributions to `held`, most positive first, with the direction at its time; their sum is `held`.
    pub contributions: Vec<(usize, DeviationDirection, f64)>,
    /// The signals to name for this point, largest deviation first, with their contributions to `instant_score`.
    pub causes: Vec<(usize, f64)>,
    /// The score of each detector divided by its own threshold; `None` while it abstains.
    pub detectors: PerDetector<Option<f64>>,
    /// Share of the voting detectors that agree with the majority.
    pub confidence: Option<f64>,
    /// Absent signals.
    pub absences: Vec<Absence>,
    /// The score that starts and ends episodes and alerts: `held` for rows of a table, `instant_score` for readings.
    pub decisive: f64,
    /// The threshold in effect, on the raw scale; higher while few points are known.
    pub threshold: f64,
    /// Number of rejected episodes like this one, for which the score is discounted; 0 without a discount.
    pub like_rejected: usize,
    /// Transition of the episode, if any.
    pub transition: Option<EpisodeTransition>,
    /// Score of the shadow model.
    pub shadow: Option<ShadowScore>,
}
