//! The highest score within `score_hold`, which is exposed so that no scrape misses a peak.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::reading::Timestamp;
use crate::report::DeviationDirection;

/// How a high score is held.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ScoreHold {
    /// Unchanged for this many seconds: for readings, which are more frequent than scrapes.
    Seconds(f64),
    /// With this half-life in points: for rows of a minute or more, where an alert waits for several rows.
    HalfLife(f64),
}

/// Contributions to a score, by signal index, with the direction at that time.
pub(super) type SignalContributions = Vec<(usize, DeviationDirection, f64)>;

/// The held scores.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct RecentPeaks {
    /// Scores that no later one exceeds, newest last; a single one with a half-life.
    held: VecDeque<(Timestamp, f64, SignalContributions)>,
}

impl RecentPeaks {
    /// Whether this restored state is valid for this number of signals.
    pub(super) fn fits(&self, signals: usize) -> bool {
        self.held.iter().all(|(_, _, parts)| parts.iter().all(|(idx, ..)| *idx < signals))
    }

    /// Takes a score; returns the held one.
    pub(super) fn hold(
        &mut self,
        at: Timestamp,
        score: f64,
        of: SignalContributions,
        hold: ScoreHold,
    ) -> (f64, SignalContributions) {
        match hold {
            ScoreHold::HalfLife(points) => {
                let fade = 0.5_f64.powf(1.0 / points);
                match self.held.front_mut().filter(|(_, old, _)| *old * fade > score) {
                    Some((_, old, of)) => {
                        *old *= fade;
                        of.iter_mut().for_each(|(.., share)| *share *= fade);
                    }
                    None => self.held = VecDeque::from([(at, score, of)]),
                }
            }
            ScoreHold::Seconds(seconds) => {
                while self.held.back().is_some_and(|(_, older, _)| *older <= score) {
                    self.held.pop_back();
                }
                self.held.push_back((at, score, of));
                // After a backward clock step, scores from the future are removed as well.
                while self
                    .held
                    .front()
                    .is_some_and(|(then, _, _)| !(0.0..=seconds).contains(&(at.0 - then.0)))
                {
                    self.held.pop_front();
                }
            }
        }
        self.held.front().map(|(_, score, of)| (*score, of.clone())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DeviationDirection::High;

    fn check(hold: ScoreHold, scores: &[f64], expected: &[f64]) {
        let mut peak = RecentPeaks::default();
        let step =
            |(t, score): (usize, &f64)| peak.hold(Timestamp(t as f64), *score, vec![(0, High, *score)], hold);
        let found: Vec<f64> = scores
            .iter()
            .enumerate()
            .map(step)
            .inspect(|(it, of)| assert_eq!(of, &[(0, High, *it)]))
            .map(|it| it.0)
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_highest_of_the_last_seconds_stands() {
        check(ScoreHold::Seconds(2.0), &[1.0, 5.0, 2.0, 1.0, 1.0, 0.0], &[1.0, 5.0, 5.0, 5.0, 2.0, 1.0]);
    }

    #[test]
    fn a_peak_fades_by_half() {
        check(ScoreHold::HalfLife(1.0), &[8.0, 1.0, 0.0, 3.0, 2.0], &[8.0, 4.0, 2.0, 3.0, 2.0]);
    }

    #[test]
    fn a_clock_that_steps_back_holds_nothing_of_the_future() {
        let mut peak = RecentPeaks::default();
        peak.hold(Timestamp(100.0), 9.0, Vec::new(), ScoreHold::Seconds(60.0));
        let (found, _) = peak.hold(Timestamp(10.0), 1.0, Vec::new(), ScoreHold::Seconds(60.0));
        assert!((found - 1.0).abs() < 1e-12, "{found}");
    }
}
