//! Discounts scores like those of rejected episodes, and records the shapes of episodes.

use super::Scorer;
use crate::detect::largest_contributions;
use crate::episode_pattern::{EpisodePattern, PatternMemory, PatternPart};
use crate::report::DeviationDirection;
use crate::window::Point;

impl Scorer {
    /// The shapes of episodes, to add verdicts to them.
    pub fn patterns(&mut self) -> &mut PatternMemory {
        &mut self.patterns
    }

    /// The score of a point after the discount, and the number of rejected episodes like it.
    pub(super) fn discount(&self, point: &Point, score: f64) -> (f64, usize) {
        let since = self.tracker.episode().map_or(point.at, |it| it.since);
        let found = self.patterns.discount(point.at, since, score, || self.shape(point));
        (found.score, found.like_rejected)
    }

    /// Whether an operator confirmed an episode like this point: then nothing that was there before prevents an alert.
    pub(super) fn is_like_confirmed(&self, point: &Point) -> bool {
        self.patterns.is_like_confirmed(|| self.shape(point))
    }

    /// Records the shape of the current episode, if this is its peak so far. `score` is not discounted.
    pub(super) fn note_pattern(&mut self, point: &Point, score: f64) {
        let Some(since) = self.tracker.episode().map(|it| it.since) else { return };
        if self.patterns.is_peak(since, score) {
            let parts = self.shape(point);
            self.patterns.record(EpisodePattern { since, peak: score, parts });
        }
    }

    /// Whether a signal is above or below its expected value.
    pub fn direction(&self, point: &Point, idx: usize) -> DeviationDirection {
        let expected = self.expectation.statistics(idx).map_or(0.0, |it| it.mean);
        if point.values[idx] < expected { DeviationDirection::Low } else { DeviationDirection::High }
    }

    fn shape(&self, point: &Point) -> Vec<PatternPart> {
        let named = largest_contributions::largest(&self.smooth, 1.0).into_iter().filter(|it| it.1 > 0.0);
        let part = |(idx, contribution)| PatternPart {
            idx,
            is_high: self.direction(point, idx) == DeviationDirection::High,
            contribution,
        };
        named.map(part).collect()
    }
}
