//! Exponentially weighted mean and variance of each signal, and the distance from the mean in standard deviations.
//!
//! Mean and variance follow West (1979) with the weight of a half-life; the first points have equal weight. The noise floor
//! counts twice: a distance below it is 0, and a third of it is added to the standard deviation as noise, so that a tiny
//! change of a nearly constant signal does not become twenty deviations.

use serde::{Deserialize, Serialize};

use super::p2_quantile::P2Quantile;
use super::{DetectorParameters, LearnOptions, gain, smoothing_factor};
use crate::learned_state_codec;
use crate::reading::Timestamp;
use crate::window::Point;

/// Smallest standard deviation, as a share of the range outside episodes.
const SPAN_SHARE_MIN: f64 = 0.01;
/// Smallest standard deviation; signals scaled to 0…1 need it.
const SPREAD_MIN: f64 = 1e-6;
/// Inside an episode of a live host, values are clipped to this many deviations before they are learned.
const OUTLIER_DEVIATIONS: f64 = 20.0;
/// A standard deviation below this share of the mean is rounding.
pub(super) const ROUNDING: f64 = 1e-9;
/// A distance of one noise floor counts as this many deviations of a constant signal.
const DEVIATIONS_PER_FLOOR: f64 = 3.0;

/// Learned statistics of one signal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SignalMoments {
    /// Adaptive mean, in the unit of the signal.
    pub mean: f64,
    /// Adaptive variance, without the noise floor.
    pub variance: f64,
    /// Smallest value outside episodes.
    pub min: f64,
    /// Largest value outside episodes.
    pub max: f64,
    /// Learned points, as a sum of weights.
    pub points: f64,
    /// Time of the last learned point; `None` while all is borrowed from other subjects.
    pub learned_at: Option<Timestamp>,
}

impl Default for SignalMoments {
    fn default() -> Self {
        Self {
            mean: 0.0,
            variance: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            points: 0.0,
            learned_at: None,
        }
    }
}

impl SignalMoments {
    /// Standard deviation of the signal itself.
    fn spread(&self) -> f64 {
        let least = (SPAN_SHARE_MIN * (self.max - self.min)).max(SPREAD_MIN).max(ROUNDING * self.mean.abs());
        self.variance.sqrt().max(least)
    }

    /// Standard deviation with the noise floor as additional noise.
    pub fn stddev(&self, floor: f64) -> f64 {
        with_floor(self.spread(), floor)
    }

    /// Statistics from a mean and a standard deviation with its noise floor, as they are stored.
    pub fn of_baseline(mean: f64, stddev: f64, floor: f64, points: f64) -> Self {
        let variance = stddev.powi(2) - (floor / DEVIATIONS_PER_FLOOR).powi(2);
        Self { mean, variance: variance.max(0.0), points, ..Self::default() }
    }

    /// Pooled statistics of several subjects with a weight of `points`: values that are normal for any of them are
    /// normal. Minimum and maximum are left out, because they are never forgotten.
    pub fn pool_statistics<'a>(each: impl Iterator<Item = &'a Self>, points: f64) -> Self {
        let (mut count, mut mean, mut between, mut within) = (0.0, 0.0, 0.0, 0.0);
        for it in each.filter(|it| it.points > 0.0) {
            count += 1.0;
            let error = it.mean - mean;
            mean += error / count;
            between += error * (it.mean - mean);
            within += it.variance;
        }
        if count == 0.0 {
            return Self::default();
        }
        let between = between / (count - 1.0).max(1.0);
        Self { mean, variance: between + within / count, points, ..Self::default() }
    }

    fn learn(&mut self, value: f64, learn_options: LearnOptions, smoothing_factor: f64) {
        let a = gain(smoothing_factor, learn_options, self.points);
        let error = if self.points > 0.0 { value - self.mean } else { 0.0 };
        // A large incident must not hide a later one of a tenth of its size.
        let far = OUTLIER_DEVIATIONS * self.spread();
        let error = if learn_options.in_episode { error.clamp(-far, far) } else { error };
        self.mean = if self.points > 0.0 { self.mean + a * error } else { value };
        self.variance = (1.0 - a) * (self.variance + a * error * error);
        if !learn_options.in_episode {
            self.min = self.min.min(value);
            self.max = self.max.max(value);
        }
        self.points += learn_options.weight;
    }
}

/// A standard deviation with the noise floor as additional noise.
pub(super) fn with_floor(spread: f64, floor: f64) -> f64 {
    spread.hypot(floor / DEVIATIONS_PER_FLOOR)
}

/// A distance from the mean in deviations; 0 within the noise floor.
pub(super) fn deviations(error: f64, spread: f64, floor: f64) -> f64 {
    if error.abs() <= floor { 0.0 } else { error / with_floor(spread, floor) }
}

/// The moments of all signals of one subject.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExponentialMoments {
    moments: Vec<SignalMoments>,
    /// 95th and 99th percentile of each signal.
    quantiles: Vec<[P2Quantile; 2]>,
    floors: Vec<f64>,
    smoothing_factor: f64,
    points_min: f64,
}

impl ExponentialMoments {
    /// Creates moments without learned state.
    pub fn new(parameters: &DetectorParameters) -> Self {
        Self {
            moments: vec![SignalMoments::default(); parameters.width()],
            quantiles: vec![[P2Quantile::new(0.95), P2Quantile::new(0.99)]; parameters.width()],
            floors: parameters.floors.clone(),
            smoothing_factor: smoothing_factor(parameters.half_life),
            points_min: parameters.points_min,
        }
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(super) fn fits(&self, fresh: &Self) -> bool {
        self.moments.len() == fresh.moments.len()
            && self.quantiles.len() == fresh.quantiles.len()
            && self.quantiles.iter().flatten().all(P2Quantile::fits)
            && self.floors == fresh.floors
            && learned_state_codec::is_bit_equal(self.smoothing_factor, fresh.smoothing_factor)
            && learned_state_codec::is_bit_equal(self.points_min, fresh.points_min)
    }

    /// The moments of each signal.
    pub fn moments(&self) -> &[SignalMoments] {
        &self.moments
    }

    /// 95th and 99th percentile of whole points outside episodes, for each signal.
    pub fn quantiles(&self) -> &[[P2Quantile; 2]] {
        &self.quantiles
    }

    /// The noise floor of a signal, in its unit.
    pub fn floor(&self, idx: usize) -> f64 {
        self.floors.get(idx).copied().unwrap_or(0.0)
    }

    /// Starts from the statistics of its kind; signals unknown to the kind stay unknown.
    pub fn borrow(&mut self, known: &[SignalMoments]) {
        for ((own, quantiles), known) in self.moments.iter_mut().zip(&mut self.quantiles).zip(known) {
            if known.points > 0.0 {
                *own = *known;
                quantiles.iter_mut().for_each(|it| it.learn(known.mean));
            }
        }
    }

    /// Distance of each signal from its mean, in deviations; 0 within the noise floor, for a missing signal, and with
    /// too little history.
    pub fn z(&self, point: &Point) -> Vec<f64> {
        let each = self.moments.iter().zip(&self.floors).zip(point.values.iter().zip(&point.missing));
        each.map(|((known, floor), (value, missing))| {
            let error = value - known.mean;
            match *missing || known.points < self.points_min {
                true => 0.0,
                false => deviations(error, known.spread(), *floor),
            }
        })
        .collect()
    }

    /// Share of the noise floor in the variance of each signal's z, between 0 and 1.
    pub fn noise(&self) -> Vec<f64> {
        let each = self.moments.iter().zip(&self.floors);
        each.map(|(known, floor)| (floor / DEVIATIONS_PER_FLOOR / known.stddev(*floor)).powi(2)).collect()
    }

    /// Limits the weight of the history to `points`, so that new values are learned quickly after an acceptance.
    pub fn forget_down_to(&mut self, points: f64) {
        self.moments.iter_mut().for_each(|it| it.points = it.points.min(points));
    }

    /// Learns the signals that are present in the point.
    pub fn learn(&mut self, point: &Point, learn_options: LearnOptions) {
        for (idx, known) in self.moments.iter_mut().enumerate().filter(|(idx, _)| !point.missing[*idx]) {
            known.learn(point.values[idx], learn_options, self.smoothing_factor);
            known.learned_at = Some(point.at);
            if learn_options.step && !learn_options.in_episode {
                self.quantiles[idx].iter_mut().for_each(|it| it.learn(point.values[idx]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: LearnOptions = LearnOptions { weight: 1.0, step: true, in_episode: false };

    fn point(value: f64) -> Point {
        Point { values: vec![value], missing: vec![false], ..Point::default() }
    }

    fn learned(floor: f64, values: &[f64], learn_options: LearnOptions) -> ExponentialMoments {
        let mut adaptive = ExponentialMoments::new(&DetectorParameters::plain(vec![floor], 20_160.0));
        for value in values {
            adaptive.learn(&point(*value), learn_options);
        }
        adaptive
    }

    fn check(floor: f64, values: &[f64], newest: f64, z: f64) {
        let found = learned(floor, values, WHOLE).z(&point(newest))[0];
        assert!((found - z).abs() < 1e-3, "{values:?} then {newest}: {found}, expected {z}");
    }

    #[test]
    fn z_is_the_distance_in_deviations() {
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        check(0.0, &values, 9.0, 2.0);
        check(0.0, &values, 1.0, -2.0);
    }

    #[test]
    fn a_distance_within_the_floor_is_zero() {
        check(0.05, &[0.02; 50], 0.05, 0.0);
        check(0.05, &[0.02; 50], 0.07, 0.0);
        check(0.05, &[0.02; 50], 0.12, 6.0);
    }

    #[test]
    fn unknown_and_missing_signals_have_no_distance() {
        check(0.0, &[], 9.0, 0.0);
        check(0.0, &[1.0, 2.0, 1.0, 2.0], 9.0, 0.0);
        let missing = Point { missing: vec![true], ..point(9.0) };
        assert_eq!(learned(0.0, &[1.0, 2.0, 1.0, 2.0, 1.0, 2.0], WHOLE).z(&missing), [0.0]);
    }

    #[test]
    fn shares_of_a_point_weigh_as_much_as_the_point() {
        let whole = learned(0.0, &[1.0, 2.0, 3.0], WHOLE);
        let tenths: Vec<f64> = [1.0, 2.0, 3.0].iter().flat_map(|it| [*it; 10]).collect();
        let tenths = learned(0.0, &tenths, LearnOptions { weight: 0.1, ..WHOLE });
        let (whole, tenths) = (whole.moments()[0], tenths.moments()[0]);
        assert!((whole.mean - tenths.mean).abs() < 1e-9);
        assert!((whole.variance - tenths.variance).abs() < 1e-9);
        assert!((whole.points - tenths.points).abs() < 1e-9);
    }

    #[test]
    fn a_constant_signal_is_not_an_anomaly_by_rounding() {
        check(0.0, &[0.1 + 0.2; 1000], 0.3, 0.0);
    }

    #[test]
    fn half_of_it_is_forgotten_after_the_half_life() {
        let mut adaptive = ExponentialMoments::new(&DetectorParameters::plain(vec![0.0], 10.0));
        for _ in 0..1000 {
            adaptive.learn(&point(0.0), WHOLE);
        }
        for _ in 0..10 {
            adaptive.learn(&point(1.0), WHOLE);
        }
        assert!((adaptive.moments()[0].mean - 0.5).abs() < 1e-9);
    }
}
