//! The expected value of each signal: its adaptive mean, with the time-of-day profile if that explains the signal.
//!
//! Steps 1 and 2 of the pipeline. Each signal is tracked twice, as it is and minus its daily profile. If the profile removes
//! more than 40 % of the variance, the distance from the profile counts, else the plain distance.

use serde::{Deserialize, Serialize};

use super::baseline::BaselineStatistics;
use super::exponential_moments::{ExponentialMoments, SignalMoments};
use super::time_of_day::TimeOfDayProfile;
use super::{DetectorParameters, LearnOptions};
use crate::reading::Timestamp;
use crate::window::Point;

/// The profile is used for a signal if it explains more than this share of its variance.
const EXPLAINED_MIN: f64 = 0.4;
/// Smallest variance, so that a constant signal has no daily profile.
const VARIANCE_MIN: f64 = 1e-12;

/// The learned expectations of all signals of one subject.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Expectations {
    time_of_day: TimeOfDayProfile,
    plain: ExponentialMoments,
    /// Moments of the residual after the daily profile.
    residual: ExponentialMoments,
    /// Difference of each signal from its level at the time of the newest point, if known.
    offsets: Option<Vec<f64>>,
}

/// Distances of one point from the expectation, computed before the point is learned.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalDistances {
    /// Distance of each signal from its expected value, in standard deviations; 0 within the noise floor, for a
    /// missing signal, and with too little history.
    pub z: Vec<f64>,
    /// Share of the noise floor in the variance of each `z`, between 0 and 1.
    pub noise: Vec<f64>,
    /// Whether the daily profile is used for the signal.
    pub seasonal: Vec<bool>,
    /// The point minus its daily profile.
    residual: Point,
}

impl Expectations {
    /// Creates an expectation without learned state.
    pub fn new(parameters: &DetectorParameters) -> Self {
        Self {
            time_of_day: TimeOfDayProfile::new(
                parameters.width(),
                parameters.points_per_day,
                parameters.time_zone.clone(),
            ),
            plain: ExponentialMoments::new(parameters),
            residual: ExponentialMoments::new(parameters),
            offsets: None,
        }
    }

    /// What the clock on the wall shows at an instant, in seconds.
    pub fn local_seconds(&self, at: Timestamp) -> f64 {
        self.time_of_day.local_seconds(at)
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(crate) fn fits(&self, fresh: &Self) -> bool {
        self.time_of_day.fits(&fresh.time_of_day)
            && self.plain.fits(&fresh.plain)
            && self.residual.fits(&fresh.residual)
            && self.offsets.as_ref().is_none_or(|it| it.len() == fresh.plain.moments().len())
    }

    /// Takes what is not serialized from `fresh`.
    pub(crate) fn complete(&mut self, fresh: &Self) {
        self.time_of_day.complete(&fresh.time_of_day);
    }

    /// Moments of the signals without the daily profile.
    pub fn plain(&self) -> &ExponentialMoments {
        &self.plain
    }

    /// The distances of a point; advances the profile to the time of the point.
    pub fn distances(&mut self, point: &Point) -> SignalDistances {
        self.time_of_day.advance_to(point.at);
        self.offsets = self.time_of_day.offsets(point.at);
        let residual = self.residual(point);
        let (plain, rest) = (self.plain.z(point), self.residual.z(&residual));
        let (noise, noise_of_rest) = (self.plain.noise(), self.residual.noise());
        let seasonal: Vec<bool> = (0..plain.len()).map(|idx| self.is_seasonal(idx)).collect();
        let choose = |plain: Vec<f64>, rest: Vec<f64>| {
            let pairs = plain.into_iter().zip(rest).zip(&seasonal);
            pairs.map(|((plain, rest), seasonal)| if *seasonal { rest } else { plain }).collect()
        };
        SignalDistances { z: choose(plain, rest), noise: choose(noise, noise_of_rest), residual, seasonal }
    }

    /// Learns a point with its distances. `whole` is its weight outside an episode.
    pub fn learn(
        &mut self,
        point: &Point,
        distances: &SignalDistances,
        learn_options: LearnOptions,
        whole: f64,
    ) {
        self.plain.learn(point, learn_options);
        self.residual.learn(&distances.residual, learn_options);
        self.time_of_day.learn(point, learn_options, whole);
    }

    /// Starts from the statistics of its kind.
    pub fn borrow(&mut self, known: &[SignalMoments]) {
        self.plain.borrow(known);
        self.residual.borrow(known);
    }

    /// Limits the weight of the history to `points`, so that new values are learned quickly after an acceptance.
    pub fn forget_down_to(&mut self, points: f64) {
        self.plain.forget_down_to(points);
        self.residual.forget_down_to(points);
    }

    /// Statistics of signal `idx` at the time of the newest point; `None` before its first whole point.
    pub fn statistics(&self, idx: usize) -> Option<BaselineStatistics> {
        let plain = BaselineStatistics::of(&self.plain, idx)?;
        if !self.is_seasonal(idx) {
            return Some(plain);
        }
        let offset = self.offsets.as_ref().and_then(|it| it.get(idx).copied()).unwrap_or(0.0);
        let rest = BaselineStatistics::of(&self.residual, idx)?;
        Some(BaselineStatistics { mean: rest.mean + offset, stddev: rest.stddev, ..plain })
    }

    fn is_seasonal(&self, idx: usize) -> bool {
        let (all, rest) = (self.plain.moments()[idx].variance, self.residual.moments()[idx].variance);
        1.0 - rest / all.max(VARIANCE_MIN) > EXPLAINED_MIN
    }

    fn residual(&self, point: &Point) -> Point {
        let mut residual = point.clone();
        if let Some(offsets) = &self.offsets {
            residual.values.iter_mut().zip(offsets).for_each(|(value, offset)| *value -= offset);
        }
        residual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: LearnOptions = LearnOptions { weight: 1.0, step: true, in_episode: false };

    fn point(t: usize, value: f64) -> Point {
        Point { at: Timestamp(t as f64 * 900.0), values: vec![value], missing: vec![false] }
    }

    /// Learns a daily wave with noise, then checks the distance of `value` at `hour`.
    fn check(swing: f64, hour: f64, value: f64, seasonal: bool, far: bool) {
        let parameters =
            DetectorParameters { points_per_day: 96.0, ..DetectorParameters::plain(vec![0.0], 7.0 * 96.0) };
        let mut expectation = Expectations::new(&parameters);
        let days = 14;
        for t in 0..96 * days {
            let noise = ((t * 7919) % 101) as f64 / 101.0 - 0.5;
            let wave = swing * (std::f64::consts::TAU * t as f64 / 96.0).sin();
            let point = point(t, 20.0 + wave + noise);
            let distances = expectation.distances(&point);
            expectation.learn(&point, &distances, WHOLE, 1.0);
        }
        let newest = point(96 * days + (hour * 4.0) as usize, value);
        let found = expectation.distances(&newest);
        assert_eq!(found.seasonal, [seasonal]);
        assert_eq!(found.z[0].abs() > 4.0, far, "{swing} at {hour} h: {found:?}");
    }

    #[test]
    fn a_value_of_noon_is_anomalous_at_night() {
        check(10.0, 6.0, 30.0, true, false);
        check(10.0, 18.0, 30.0, true, true);
    }

    #[test]
    fn a_signal_without_a_daily_profile_uses_its_plain_distance() {
        check(0.1, 18.0, 20.3, false, false);
        check(0.1, 6.0, 23.0, false, true);
    }
}
