//! Distance from the mean of the last days; a distance above 3 standard deviations is an anomaly.
//!
//! The distance is `z`, which all detectors share. This file holds the threshold and the table of statistics.

use serde::{Deserialize, Serialize};

use super::exponential_moments::ExponentialMoments;
use super::{DetectorInput, DetectorOutput};

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
    pub deviation: f64,
    /// Smallest value outside episodes.
    pub min: f64,
    /// Largest value outside episodes.
    pub max: f64,
    /// Learned points, as a sum of weights.
    pub points: f64,
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
        // A subject with borrowed statistics has no values of its own yet.
        let seen = |it: f64| if it.is_finite() { it } else { moments.mean };
        Some(Self {
            mean: moments.mean,
            deviation: moments.deviation(adaptive.floor(idx)),
            min: seen(moments.min),
            max: seen(moments.max),
            points: moments.points,
            p95: p95.value()?,
            p99: p99.value()?,
        })
    }

    /// Mean ± 3σ · `width`, which is more than 1 while few points are known.
    pub fn bounds(&self, width: f64) -> (f64, f64) {
        let reach = THRESHOLD * width * self.deviation;
        (self.mean - reach, self.mean + reach)
    }
}
