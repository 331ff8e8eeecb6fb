//! The statistics that a new subject borrows from its kind until it has its own.

use super::Scorer;
use crate::detect::exponential_moments::SignalMoments;
use crate::detect::small_sample;

/// Weight of the statistics that a new subject borrows from its kind, in points; a warm-up has the same weight.
const PRIOR_WEIGHT_POINTS: f64 = 20.0;
/// Share of the borrowed statistics in all that is known, below which they no longer count.
const PRIOR_SHARE_MIN: f64 = 0.1;

impl Scorer {
    /// Starts from the statistics of its kind, which weigh at most a tenth of a day of points.
    pub fn borrow(&mut self, known: &[SignalMoments], points_per_day: f64) {
        let share = PRIOR_SHARE_MIN * points_per_day;
        let points = PRIOR_WEIGHT_POINTS.min(share);
        let known: Vec<SignalMoments> =
            known.iter().map(|it| SignalMoments { points: points.min(it.points), ..*it }).collect();
        self.expectation.borrow(&known);
        (self.points, self.kind_prior_points) = (points, points);
        self.threshold_factor = small_sample::width(points);
    }

    /// Whether borrowed statistics are still a large share of all that is known.
    pub fn is_borrowed(&self) -> bool {
        self.kind_prior_points > PRIOR_SHARE_MIN * self.points
    }

    /// Learned whole points without the borrowed ones, as a sum of weights.
    pub fn own_points(&self) -> f64 {
        self.points - self.kind_prior_points
    }

    /// Statistics of each signal.
    pub fn moments(&self) -> &[SignalMoments] {
        self.expectation.plain().moments()
    }
}
