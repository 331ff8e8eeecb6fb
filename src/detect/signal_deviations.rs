//! Ranks signals by how anomalous they are, alone or smoothed over five points.
//!
//! Step 10 of the pipeline: `max(|z|, |z of EWMA5(x)|)`. On labeled incidents, this order names the right signals more often
//! than the order of their contributions.

use serde::{Deserialize, Serialize};

use super::exponential_moments::ExponentialMoments;
use super::short_term_means::SMOOTHING_HALF_LIVES;
use super::{DetectorParameters, LearnOptions, smoothing_factor};
use crate::window::Point;

/// The smoothed value of each signal, and its moments.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignalDeviations {
    /// The smoothed signals at the last whole point; `None` before the first.
    smooth: Option<Vec<f64>>,
    smoothed_moments: ExponentialMoments,
}

impl SignalDeviations {
    /// Creates a ranking without learned state.
    pub fn new(parameters: &DetectorParameters) -> Self {
        Self { smooth: None, smoothed_moments: ExponentialMoments::new(parameters) }
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(crate) fn fits(&self, fresh: &Self) -> bool {
        let width = fresh.smoothed_moments.moments().len();
        self.smoothed_moments.fits(&fresh.smoothed_moments)
            && self.smooth.as_ref().is_none_or(|it| it.len() == width)
    }

    /// Deviation of each signal, in standard deviations; at least 0.
    pub fn of(&self, point: &Point, z: &[f64]) -> Vec<f64> {
        let smoothed = self.smoothed_moments.z(&self.smoothed(point));
        z.iter().zip(smoothed).map(|(own, smoothed)| own.abs().max(smoothed.abs())).collect()
    }

    /// Learns the point. Smoothed values advance if `learn_options.step` is set, but not inside an episode.
    pub fn learn(&mut self, point: &Point, learn_options: LearnOptions) {
        let smoothed = self.smoothed(point);
        self.smoothed_moments.learn(&smoothed, learn_options);
        if self.smooth.is_none() || (learn_options.step && !learn_options.in_episode) {
            self.smooth = Some(smoothed.values);
        }
    }

    fn smoothed(&self, point: &Point) -> Point {
        let a = smoothing_factor(SMOOTHING_HALF_LIVES[0]);
        let values = match &self.smooth {
            Some(smooth) => {
                smooth.iter().zip(&point.values).map(|(old, new)| old + a * (new - old)).collect()
            }
            None => point.values.clone(),
        };
        Point { at: point.at, values, missing: point.missing.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: LearnOptions = LearnOptions { weight: 1.0, step: true, in_episode: false };

    fn point(value: f64) -> Point {
        Point { values: vec![value], missing: vec![false], ..Point::default() }
    }

    /// A signal that alternates by one, then stays at 0.8 for some points: only its smoothed value is anomalous.
    #[test]
    fn a_small_lasting_shift_is_anomalous_when_smoothed() {
        let mut blame = SignalDeviations::new(&DetectorParameters::plain(vec![0.0], 1e4));
        for t in 0..2_000 {
            blame.learn(&point(f64::from(t % 2) * 2.0 - 1.0), STEP);
        }
        for _ in 0..15 {
            blame.learn(&point(0.8), STEP);
        }
        let found = blame.of(&point(0.8), &[0.8])[0];
        assert!(found > 3.0, "{found}");
        assert_eq!(blame.of(&point(0.8), &[-99.0]), [99.0]);
    }
}
