//! The statistics that a new subject borrows from its kind until it has its own.

use super::Scorer;
use crate::detect::exponential_moments::Moments;
use crate::detect::small_sample;

/// What a new subject borrows from its kind weighs as many points as this, as much as a warm-up teaches…
const PRIOR_WEIGHT_POINTS: f64 = 20.0;
/// …and counts until its share in all that is known is below this.
const PRIOR_SHARE_MIN: f64 = 0.1;

impl Scorer {
    /// Starts from what others of its kind know of each signal, until it knows enough itself: a tenth of a day at most.
    pub fn borrow(&mut self, known: &[Moments], points_per_day: f64) {
        let share = PRIOR_SHARE_MIN * points_per_day;
        let points = PRIOR_WEIGHT_POINTS.min(share);
        let known: Vec<Moments> =
            known.iter().map(|it| Moments { points: points.min(it.points), ..*it }).collect();
        self.expectation.borrow(&known);
        (self.points, self.kind_prior_points) = (points, points);
        self.threshold_factor = small_sample::width(points);
    }

    /// Whether much of what it knows is still borrowed from other subjects of the kind.
    pub fn is_borrowed(&self) -> bool {
        self.kind_prior_points > PRIOR_SHARE_MIN * self.points
    }

    /// Whole points learned that were not borrowed, in weights.
    pub fn own_points(&self) -> f64 {
        self.points - self.kind_prior_points
    }

    /// What it knows of each signal.
    pub fn moments(&self) -> &[Moments] {
        self.expectation.plain().moments()
    }
}
