//! Habituation: a factor of the raw score, which is lower the more small excursions the subject had lately.
//!
//! A busy host crosses any low level dozens of times a day, so the same score means less there than on a quiet one. The
//! number of *small* excursions tells this better than the size of large ones, and no fault of its own raises it much: an
//! excursion counts once, however high or long, and only after it has ended, so it never lowers itself. On labeled
//! metrics of servers, one threshold for all hosts then finds .63 instead of .51 of the events at one false alert a week.

use serde::{Deserialize, Serialize};

use crate::learned_state_codec::COUNT_MAX;
use crate::reading::Timestamp;

/// The number of excursions of an unknown subject. Its factor is 1.
const PRIOR: f64 = 5.0;
/// The smallest number that counts: a host without excursions is not infinitely quiet.
const COUNT_MIN: f64 = 2.0;
/// Half-life of the number, in seconds.
pub const HALF_LIFE: f64 = 3.0 * 86_400.0;
/// The unscaled joint score from which an excursion begins.
const LEVEL: f64 = 2.0;
/// Exponent of the factor.
const EXPONENT: f64 = -0.4;

/// The recent excursions of one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Habituation {
    /// The smoothed unscaled joint score.
    smooth: f64,
    /// Number of excursions, exponentially forgotten.
    count: f64,
    /// Whether an excursion is current.
    is_high: bool,
    /// Seconds for which the score has been low since the current excursion.
    seconds_low: f64,
    /// Time of the newest point.
    newest: Option<Timestamp>,
}

/// The score of one point, and how it is counted.
#[derive(Debug, Clone, Copy)]
pub struct ExcursionInput {
    /// The joint score before breadth and habituation, on the raw scale.
    pub unscaled: f64,
    /// Factor by which the smoothed score decays.
    pub retention_factor: f64,
    /// Seconds since the previous point, without gaps.
    pub elapsed: f64,
    /// Factor of the level while few points are known; at least 1.
    pub threshold_factor: f64,
    /// Seconds below the level after which an excursion has ended.
    pub gap_seconds: f64,
    /// Whether it counts: not in grace, nor while an accepted state settles.
    pub counts: bool,
}

impl Default for Habituation {
    fn default() -> Self {
        Self { smooth: 0.0, count: PRIOR, is_high: false, seconds_low: 0.0, newest: None }
    }
}

impl Habituation {
    /// Whether this restored state is valid.
    pub(crate) fn fits(&self) -> bool {
        self.smooth.is_finite() && (0.0..COUNT_MAX as f64).contains(&self.count)
    }

    /// The number of recent excursions, as it counts.
    pub fn excursions(&self) -> f64 {
        self.count.max(COUNT_MIN)
    }

    /// The factor of the joint score: 1.3 for the quietest subject, 1 for an unknown one or 1.2 excursions a day, 0.3 for
    /// 28 excursions a day.
    pub fn factor(&self) -> f64 {
        ((1.0 + self.excursions()) / (1.0 + PRIOR)).powf(EXPONENT)
    }

    /// Forgets excursions up to the time of a point, `elapsed` seconds after the previous one. Time in gaps counts.
    pub fn forget_until(&mut self, at: Timestamp, elapsed: f64) {
        // After a backward clock step, the previous point lies in the future.
        let since = self.newest.map(|it| at.0 - it.0).filter(|it| *it >= 0.0).unwrap_or(elapsed);
        self.count *= 0.5_f64.powf(since / HALF_LIFE);
        self.newest = Some(at);
    }

    /// Records a gap in the points: whether a current excursion goes on is unknown.
    pub fn interrupt(&mut self) {
        (self.is_high, self.seconds_low) = (false, 0.0);
    }

    /// Takes the score of a point, for the factor of later ones.
    pub fn step(&mut self, now: ExcursionInput) {
        let keep = now.retention_factor;
        self.smooth = keep * self.smooth + (1.0 - keep) * now.unscaled;
        if !now.counts {
            self.interrupt();
        } else if self.smooth > LEVEL * now.threshold_factor {
            (self.is_high, self.seconds_low) = (true, 0.0);
        } else if self.is_high {
            self.seconds_low += now.elapsed;
            if self.seconds_low >= now.gap_seconds {
                self.interrupt();
                self.count += 1.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: f64 = 60.0;

    /// Scores of consecutive minutes.
    fn check(scores: &[f64], counts: bool, expected: f64) {
        let mut it = Habituation { count: 0.0, ..Habituation::default() };
        for (t, unscaled) in scores.iter().enumerate() {
            it.forget_until(Timestamp(t as f64 * MINUTE), MINUTE);
            it.step(ExcursionInput {
                unscaled: *unscaled,
                retention_factor: 0.0,
                elapsed: MINUTE,
                threshold_factor: 1.0,
                gap_seconds: 180.0,
                counts,
            });
        }
        assert!((it.count - expected).abs() < 0.01, "{scores:?}: {}", it.count);
    }

    #[test]
    fn an_excursion_counts_once_it_has_ended() {
        check(&[3.0, 9.0, 3.0, 1.0, 1.0], true, 0.0);
        check(&[3.0, 9.0, 3.0, 1.0, 1.0, 1.0], true, 1.0);
        check(&[3.0, 1.0, 1.0, 3.0, 1.0, 1.0, 1.0, 1.0], true, 1.0);
        check(&[3.0, 1.0, 1.0, 1.0, 3.0, 1.0, 1.0, 1.0], true, 2.0);
        check(&[3.0, 1.0, 1.0, 1.0], false, 0.0);
        check(&[2.0, 1.0, 1.0, 1.0], true, 0.0);
    }

    #[test]
    fn a_young_subject_is_as_it_was_and_a_restless_one_quieter() {
        let factor = |count: f64| Habituation { count, ..Habituation::default() }.factor();
        assert!((Habituation::default().factor() - 1.0).abs() < 1e-12);
        for (count, expected) in [(0.0, 1.32), (2.0, 1.32), (44.0, 0.447), (120.0, 0.301)] {
            assert!((factor(count) - expected).abs() < 2e-3, "{count}: {}", factor(count));
        }
    }

    #[test]
    fn a_gap_fades_the_number_and_ends_the_excursion() {
        let mut it =
            Habituation { count: 8.0, is_high: true, newest: Some(Timestamp(0.0)), ..Habituation::default() };
        it.interrupt();
        it.forget_until(Timestamp(HALF_LIFE), 1.0);
        assert!((it.count - 4.0).abs() < 1e-9 && !it.is_high);
        it.forget_until(Timestamp(0.0), 1.0);
        assert!((it.count - 4.0).abs() < 1e-4, "the clock stepped back");
    }
}
