//! Distance from the mean of the last 100 points, in standard deviations (three-sigma rule over a moving window).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::exponential_moments::{ROUNDING, deviations};
use super::{DetectorInput, DetectorOutput, DetectorParameters, LearnOptions};
use crate::learned_state_codec;

/// Points that the moving window holds.
const POINTS_MAX: usize = 100;
/// Number of points needed for a score.
const POINTS_MIN: usize = 10;
/// Distances above this are anomalies, in standard deviations.
const THRESHOLD: f64 = 3.0;

/// Compares each signal with its own last points.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ZScore {
    signals: Vec<MovingWindow>,
    /// Learned points, up to [`POINTS_MIN`].
    points: usize,
}

/// The last points of one signal, with running sums.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct MovingWindow {
    floor: f64,
    values: VecDeque<Option<f64>>,
    count: f64,
    mean: f64,
    /// Sum of the squared distances from the mean (Welford, 1962).
    squares: f64,
    /// Values since the sums were last recomputed, because subtraction accumulates rounding errors.
    since: usize,
}

/// If a smaller share of the squares remains after a subtraction, the rest is rounding.
const LEFT_MIN: f64 = 1e-6;

impl MovingWindow {
    fn push(&mut self, value: Option<f64>) {
        let oldest = if self.values.len() == POINTS_MAX { self.values.pop_front().flatten() } else { None };
        self.values.push_back(value);
        self.since += 1;
        let before = self.squares;
        if let Some(value) = value {
            self.count += 1.0;
            let error = value - self.mean;
            self.mean += error / self.count;
            self.squares += error * (value - self.mean);
        }
        if let Some(oldest) = oldest {
            self.count -= 1.0;
            let error = oldest - self.mean;
            self.mean -= error / self.count.max(1.0);
            self.squares -= error * (oldest - self.mean);
        }
        if self.since >= POINTS_MAX || self.squares < LEFT_MIN * before {
            self.renew();
        }
    }

    fn renew(&mut self) {
        let known = self.values.iter().flatten();
        self.count = known.clone().count() as f64;
        self.mean = known.clone().sum::<f64>() / self.count.max(1.0);
        self.squares = known.map(|it| (it - self.mean).powi(2)).sum();
        self.since = 0;
    }

    /// The distance of a value in deviations; `None` if the signal had too few values.
    fn distance(&self, value: f64) -> Option<f64> {
        if self.count < POINTS_MIN as f64 {
            return None;
        }
        let stddev = (self.squares.max(0.0) / self.count).sqrt();
        let spread = stddev.max(self.mean.abs() * ROUNDING).max(f64::MIN_POSITIVE);
        Some(deviations(value - self.mean, spread, self.floor).abs())
    }
}

impl ZScore {
    pub(super) fn new(parameters: &DetectorParameters) -> Self {
        let signals =
            parameters.floors.iter().map(|floor| MovingWindow { floor: *floor, ..MovingWindow::default() });
        Self { signals: signals.collect(), points: 0 }
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(super) fn fits(&self, fresh: &Self) -> bool {
        let fit = |(one, other): (&MovingWindow, &MovingWindow)| {
            learned_state_codec::is_bit_equal(one.floor, other.floor)
                && one.values.len() <= POINTS_MAX
                && one.since <= POINTS_MAX
        };
        self.signals.len() == fresh.signals.len()
            && self.signals.iter().zip(&fresh.signals).all(fit)
            && self.points <= POINTS_MIN
    }

    /// The mean of the last values of signal `idx`; nothing if it had too few.
    pub(crate) fn expected(&self, idx: usize) -> Option<f64> {
        self.signals.get(idx).filter(|it| it.count >= POINTS_MIN as f64).map(|it| it.mean)
    }

    pub(super) fn judge(&self, input: &DetectorInput<'_>) -> DetectorOutput {
        if self.points < POINTS_MIN {
            return DetectorOutput::Abstain;
        }
        let values = input.point.values.iter().zip(&input.point.missing);
        let known = self.signals.iter().zip(values).filter(|(_, (_, missing))| !**missing);
        let score = known.filter_map(|(past, (value, _))| past.distance(*value)).fold(0.0, f64::max);
        DetectorOutput::Score { score, threshold: THRESHOLD, shares: Vec::new() }
    }

    pub(super) fn learn(&mut self, input: &DetectorInput<'_>, learn_options: LearnOptions) {
        if !learn_options.step || learn_options.in_episode {
            return;
        }
        self.points = (self.points + 1).min(POINTS_MIN);
        let values = input.point.values.iter().zip(&input.point.missing);
        self.signals
            .iter_mut()
            .zip(values)
            .for_each(|(past, (value, missing))| past.push((!missing).then_some(*value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Point;

    fn check(past: &[f64], newest: f64, score: Option<f64>) {
        let mut detector = ZScore::new(&DetectorParameters::plain(vec![0.0], 1e4));
        let point = |value| Point { values: vec![value], missing: vec![false], ..Point::default() };
        for value in past {
            let point = point(*value);
            let input = DetectorInput { point: &point, z: &[0.0], noise: &[0.0], threshold_factor: 1.0 };
            detector.learn(&input, LearnOptions { weight: 1.0, step: true, in_episode: false });
        }
        let point = point(newest);
        let found =
            detector.judge(&DetectorInput { point: &point, z: &[0.0], noise: &[0.0], threshold_factor: 1.0 });
        let expected = score.map(|it| it / THRESHOLD);
        match (found.relative(), expected) {
            (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-9, "{found} {expected}"),
            (found, expected) => assert_eq!(found, expected),
        }
    }

    #[test]
    fn counts_deviations_over_the_last_hundred_points() {
        let wave: Vec<f64> = (0..100).map(|it| f64::from(it % 2)).collect();
        check(&wave, 2.5, Some(4.0));
        let old_shift: Vec<f64> = [50.0; 80].into_iter().chain(wave).collect();
        check(&old_shift, 2.5, Some(4.0));
    }

    #[test]
    fn a_huge_value_leaves_no_rounding_error() {
        let mut past = MovingWindow::default();
        for t in 0..350 {
            past.push(if t == 120 { Some(1e12) } else { Some(f64::from(t % 2)) });
        }
        assert!(past.distance(2.5).is_some_and(|it| (it - 4.0).abs() < 1e-9), "{past:?}");
        (0..POINTS_MAX).for_each(|_| past.push(None));
        assert_eq!(past.distance(2.5), None);
    }

    #[test]
    fn abstains_while_young() {
        check(&[1.0; POINTS_MIN - 1], 2.0, None);
    }
}
