//! Learns stored points without scoring them.
//!
//! Every point of the last week is learned. Of older points a sample is learned, each with the weight of the points
//! that it represents: they count half at most, and a sample preserves mean and variance. Averages of several points
//! would not, because they vary less. Novelty and correlations use the last week only.

use super::{HistoryPoint, POINTS_AFTER_ACCEPTANCE, POINTS_MIN, Scorer, ScorerSettings};
use crate::detect::LearnOptions;
use crate::detect::expected_values::SignalDistances;
use crate::detect::raw_score::{self, MinimumScores};
use crate::reading::Timestamp;
use crate::window::Point;

/// Age in seconds up to which every point is learned.
const WHOLE_SECONDS: f64 = 7.0 * 86_400.0;
/// Age in seconds up to which points are kept for times of day and week, whose memory is four weeks.
const SEASON_SECONDS: f64 = 28.0 * 86_400.0;
/// Beyond [`WHOLE_SECONDS`] and [`SEASON_SECONDS`], one of this many points is learned.
const STRIDES: [usize; 2] = [8, 32];

/// Points that may be missing within an episode.
const GAP_POINTS: f64 = 10.0;

/// Progress in learning the history of one scorer.
#[derive(Debug)]
pub struct HistoryLearner {
    settings: ScorerSettings,
    /// Time of the newest point to come.
    until: Timestamp,
    /// Points skipped since the last one learned.
    skipped: usize,
    /// Whether the last point was at the alert level.
    in_alert: bool,
    /// The start of the current episode.
    since: Option<Timestamp>,
    /// Time of the last point.
    last: Option<Timestamp>,
}

impl HistoryLearner {
    /// Expects points up to `until`.
    pub fn new(settings: ScorerSettings, until: Timestamp) -> Self {
        Self { settings, until, skipped: 0, in_alert: false, since: None, last: None }
    }

    /// Seconds from this point to the newest.
    pub fn age(&self, past: &HistoryPoint) -> f64 {
        self.until.0 - past.point.at.0
    }

    /// Passes the next point to the scorer, oldest first.
    pub fn push(&mut self, scorer: &mut Scorer, past: &HistoryPoint) {
        self.spend(scorer, past);
        let excluded = self.settings.exclude_episodes_from_short_memory;
        if self.was_accepted(scorer, past) && excluded {
            scorer.expectation.forget_down_to(POINTS_AFTER_ACCEPTANCE);
        }
        let age = self.age(past);
        if age <= WHOLE_SECONDS {
            scorer.learn_point(past, &self.settings);
            return;
        }
        scorer.habituation.forget_until(past.point.at, self.settings.point_seconds);
        let of_season = age <= SEASON_SECONDS;
        if of_season && !past.in_episode {
            scorer.detectors.seasonal.record(&past.point);
        }
        self.skipped += 1;
        let stride = STRIDES[usize::from(!of_season)];
        if self.skipped >= stride {
            self.skipped = 0;
            scorer.learn_coarse_point(past, stride as f64, excluded);
        }
    }

    /// Whether an episode ended before this point because it was accepted: any other would have ended earlier.
    fn was_accepted(&mut self, scorer: &Scorer, past: &HistoryPoint) -> bool {
        let last = self.last.replace(past.point.at);
        if last.is_some_and(|it| past.point.at.0 - it.0 > GAP_POINTS * self.settings.point_seconds) {
            self.since = None;
        }
        if past.in_episode {
            self.since.get_or_insert(past.point.at);
            return false;
        }
        let since = self.since.take();
        since.is_some_and(|it| past.point.at.0 - it.0 >= scorer.release(&self.settings).accept_after)
    }

    /// Adjusts the alert level of the budget with the scores of that time, as far as they are stored.
    fn spend(&mut self, scorer: &mut Scorer, past: &HistoryPoint) {
        let Some(score) = past.score else { return };
        let (elapsed, rule) = (self.settings.point_seconds, &self.settings.alert);
        let in_alert = past.in_episode && score >= scorer.alert_level(&self.settings);
        let has_begun = !std::mem::replace(&mut self.in_alert, in_alert) && in_alert;
        let score = score * scorer.new_host_threshold_factor(&self.settings);
        scorer.alert.learn(elapsed, score, has_begun, rule);
    }
}

impl Scorer {
    /// Learns a historical point with its original weight, and clears the scores that this leaves behind.
    fn learn_point(&mut self, past: &HistoryPoint, settings: &ScorerSettings) {
        let HistoryPoint { point, in_episode, weight, .. } = past;
        let distances = self.expectation.distances(point);
        if self.points >= POINTS_MIN {
            self.recount_excursions(point, &distances, settings);
        }
        let excluded = settings.exclude_episodes_from_short_memory;
        let learn_options = LearnOptions { weight: *weight, step: true, in_episode: *in_episode && excluded };
        self.learn(point, &distances, learn_options, 1.0, true);
        self.grow(*weight, *in_episode);
    }

    /// Counts the excursions of a historical point, as if it were scored.
    fn recount_excursions(&mut self, point: &Point, distances: &SignalDistances, settings: &ScorerSettings) {
        let outputs = self.judge(point, distances, settings.point_seconds, settings);
        // The unscaled score does not depend on them.
        let levels = MinimumScores { threshold: 0.0, absence: 0.0, level_extreme: 0.0 };
        let joint = raw_score::raw_score(&distances.z, &outputs, self.habituation.factor(), levels);
        self.count_excursion(joint.unscaled, settings.point_seconds, settings);
    }

    /// Learns the expectations from a point that represents `count` points.
    fn learn_coarse_point(&mut self, past: &HistoryPoint, count: f64, excluded: bool) {
        let HistoryPoint { point, in_episode, weight, .. } = past;
        let distances = self.expectation.distances(point);
        let learn_options =
            LearnOptions { weight: weight * count, step: true, in_episode: *in_episode && excluded };
        self.expectation.learn(point, &distances, learn_options, count);
        self.grow(learn_options.weight, *in_episode);
    }
}
