//! What detectors see of a point, say of it and learn from it.

use super::{DetectorOutputs, POINTS_MIN, Scorer, ScorerSettings};
use crate::detect::eif::clip;
use crate::detect::expected_values::SignalDistances;
use crate::detect::{DetectorInput, LearnOptions};
use crate::window::Point;

impl Scorer {
    /// The outputs of the detectors that are on, with the excursions up to this point forgotten by their age.
    pub(super) fn judge(
        &mut self,
        point: &Point,
        distances: &SignalDistances,
        elapsed: f64,
        settings: &ScorerSettings,
    ) -> DetectorOutputs {
        self.habituation.forget_until(point.at, elapsed);
        let mut outputs = self.detectors.judge(&self.input(point, distances));
        settings.detectors.silence(&mut outputs);
        outputs
    }

    /// A point as detectors see it.
    pub(super) fn input<'a>(&self, point: &'a Point, distances: &'a SignalDistances) -> DetectorInput<'a> {
        let SignalDistances { z, noise, .. } = distances;
        DetectorInput { point, z, noise, threshold_factor: self.threshold_factor }
    }

    /// Learns a point. `whole` is its weight outside an episode, `ready` whether there is a score.
    pub(super) fn learn(
        &mut self,
        point: &Point,
        distances: &SignalDistances,
        learn_options: LearnOptions,
        whole: f64,
        ready: bool,
    ) {
        let input = self.input(point, distances);
        self.detectors.learn(&input, learn_options);
        // Distances from a borrowed mean show how subjects differ, not how one subject varies.
        if !learn_options.in_episode && self.points >= POINTS_MIN && !self.is_borrowed() {
            let rows = if ready { &mut self.history } else { &mut self.early };
            rows.push(point.at, clip(&distances.z).into_iter().map(|it| it as f32));
        }
        self.ranking.learn(point, learn_options);
        if self.points >= POINTS_MIN {
            self.first_week.learn(point, &distances.z, learn_options);
            let local = self.expectation.local_seconds(point.at);
            self.earlier_days.learn(local, point, learn_options);
        }
        self.expectation.learn(point, distances, learn_options, whole);
    }
}
