//! Learns stored points without scoring them.
//!
//! The last week is learned point by point. Of older points only a sample is learned, each with the weight of its neighbors:
//! they have at most half weight, and a sample keeps mean and variance. Means would not do, because they vary less than
//! points. Novelty and correlations use the last week only.

use super::{Scorer, ScorerHistory, ScorerSettings};
use crate::detect::LearnStep;
use crate::reading::Timestamp;

/// Points of so many of the last seconds are learned one by one.
const WHOLE_SECONDS: f64 = 7.0 * 86_400.0;
/// Points of so many of the last seconds are kept for times of day and week, which remember four weeks.
const SEASON_SECONDS: f64 = 28.0 * 86_400.0;
/// Of points older than [`WHOLE_SECONDS`] and [`SEASON_SECONDS`] one of so many is learned.
const STRIDES: [usize; 2] = [8, 32];

/// How far the past of one scorer is learned.
#[derive(Debug)]
pub struct HistoryLearner {
    settings: ScorerSettings,
    /// When the newest of the points will be.
    until: Timestamp,
    /// Points since one was learned.
    skipped: usize,
    /// Whether the last one was inside an episode.
    in_anomaly: bool,
}

impl HistoryLearner {
    /// Points up to this instant will come.
    pub fn new(settings: ScorerSettings, until: Timestamp) -> Self {
        Self { settings, until, skipped: 0, in_anomaly: false }
    }

    /// Seconds from this point to the newest.
    pub fn age(&self, past: &ScorerHistory) -> f64 {
        self.until.0 - past.point.at.0
    }

    /// Lets the scorer learn the next point, in the order in which they were.
    pub fn push(&mut self, scorer: &mut Scorer, past: &ScorerHistory) {
        self.spend(scorer, past);
        let sheltered = self.settings.shelter_short_memory;
        let age = self.age(past);
        if age <= WHOLE_SECONDS {
            scorer.learn_point(past, sheltered);
            return;
        }
        let of_season = age <= SEASON_SECONDS;
        if of_season && !past.in_anomaly {
            scorer.detectors.seasonal.note(&past.point);
        }
        self.skipped += 1;
        let stride = STRIDES[usize::from(!of_season)];
        if self.skipped >= stride {
            self.skipped = 0;
            scorer.learn_coarse_point(past, stride as f64, sheltered);
        }
    }

    /// The limit follows from the scores that were, as far as they are known.
    fn spend(&mut self, scorer: &mut Scorer, past: &ScorerHistory) {
        let (elapsed, limit) = (self.settings.point_seconds, self.settings.threshold);
        let began = past.in_anomaly && !std::mem::replace(&mut self.in_anomaly, past.in_anomaly);
        scorer.limit(&self.settings);
        if let (Some((tail, ledger)), Some(score)) = (&mut scorer.budget, past.score) {
            tail.learn(elapsed, score * limit);
            ledger.step(elapsed, began);
        }
    }
}

impl Scorer {
    /// Learns a point of the past as it was learned then, less what the judging of it left behind.
    fn learn_point(&mut self, past: &ScorerHistory, sheltered: bool) {
        let ScorerHistory { point, in_anomaly, weight, .. } = past;
        let distances = self.expectation.distances(point);
        let lesson = LearnStep { weight: *weight, step: true, in_anomaly: *in_anomaly && sheltered };
        self.learn(point, &distances, lesson, 1.0, true);
        self.grow(*weight, *in_anomaly);
    }

    /// Learns what is expected from a point that stands for `count` of them.
    fn learn_coarse_point(&mut self, past: &ScorerHistory, count: f64, sheltered: bool) {
        let ScorerHistory { point, in_anomaly, weight, .. } = past;
        let distances = self.expectation.distances(point);
        let lesson = LearnStep { weight: weight * count, step: true, in_anomaly: *in_anomaly && sheltered };
        self.expectation.learn(point, &distances, lesson, count);
        self.grow(lesson.weight, *in_anomaly);
    }
}
