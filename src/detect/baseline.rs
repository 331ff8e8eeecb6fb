//! Distance from the mean of the last days; a distance above 3 standard deviations is an anomaly.
//!
//! The distance is `z`, which all detectors share. This file holds the threshold and the table of statistics.

use serde::{Deserialize, Serialize};

use super::exponential_moments::ExponentialMoments;
use super::{DetectorInput, DetectorOutput};
use crate::reading::Timestamp;

/// Distances above this are anomalies, in standard deviations.
pub const THRESHOLD: f64 = 3.0;

/// The three-sigma rule; it has no state of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ThreeSigma;

impl ThreeSigma {
    pub(super) fn judge(&self, input: &DetectorInput<'_>) -> DetectorOutput {
        let score = input.z.iter().fold(0.0, |highest: f64, z| highest.max(z.abs()));
        DetectorOutput::Score { score, threshold: THRESHOLD * input.threshold_factor, shares: Vec::new() }
    }
}

/// The baseline of one signal, in its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BaselineStatistics {
    /// Exponentially weighted mean.
    pub mean: f64,
    /// Exponentially weighted standard deviation, including the noise floor.
    pub stddev: f64,
    /// Smallest value outside episodes; infinite without one.
    pub min: f64,
    /// Largest value outside episodes; infinite without one.
    pub max: f64,
    /// Learned points, as a sum of weights.
    pub points: f64,
    /// Time of the last learned point; `None` while all is borrowed from other subjects.
    pub learned_at: Option<Timestamp>,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
}

impl BaselineStatistics {
    /// Statistics of signal `idx`; `None` before its first whole point.
    pub fn of(adaptive: &ExponentialMoments, idx: usize) -> Option<Self> {
        let moments = adaptive.moments().get(idx)?;
        let [p95, p99] = adaptive.quantiles().get(idx)?;
        let p95 = p95.value()?;
        Some(Self {
            mean: moments.mean,
            stddev: moments.stddev(adaptive.floor(idx)),
            min: moments.min,
            max: moments.max,
            points: moments.points,
            learned_at: moments.learned_at,
            p95,
            // Each is an estimate of its own: for a signal that hardly changes, their errors may exceed their distance.
            p99: p99.value()?.max(p95),
        })
    }

    /// Mean ± 3σ · `width`, which is more than 1 while few points are known.
    pub fn bounds(&self, width: f64) -> (f64, f64) {
        let reach = THRESHOLD * width * self.stddev;
        (self.mean - reach, self.mean + reach)
    }
}
