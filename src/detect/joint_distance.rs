//! Mahalanobis distance of the point on three time scales, and of its change over three points.
//!
//! Steps 4 and 5 of the pipeline: `mah` on `[c, EWMA5(c), EWMA30(c)]` and `mah3` on `c[t] - c[t-3]`, where `c` is z clipped
//! to ±20. The result is their sum; the change counts less if there are few signals.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::adaptive_covariance::ExponentialCovariance;
use super::short_term_means::ShortTermMeans;
use super::{DetectorInput, DetectorOutput, DetectorParameters, LearnOptions, smoothing_factor};
use crate::learned_state_codec;

/// Largest distance of one signal; a larger one would dominate the covariance.
const CLIP: f64 = 20.0;
/// A normal point scores about 2, the sum of two distances of about 1.
const THRESHOLD: f64 = 5.0;

/// Scores all signals jointly, by their covariance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JointDistance {
    memory: ShortTermMeans,
    scales: ExponentialCovariance,
    change: ExponentialCovariance,
    /// Weight of the change: 0 for a single signal, 1 from nine signals on.
    change_weight: f64,
    /// The output for a point within the noise floors of all signals, until something is learned. Most points of most subjects
    /// are such points.
    #[serde(skip)]
    output_of_zeros: OnceLock<DetectorOutput>,
}

impl JointDistance {
    pub(super) fn new(parameters: &DetectorParameters) -> Self {
        let width = parameters.width();
        let a = smoothing_factor(parameters.half_life);
        Self {
            memory: ShortTermMeans::new(width),
            scales: ExponentialCovariance::new(3 * width, a),
            change: ExponentialCovariance::new(width, a),
            change_weight: DetectorParameters::share_of_many(width),
            output_of_zeros: OnceLock::new(),
        }
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(super) fn fits(&self, fresh: &Self) -> bool {
        self.memory.fits(&fresh.memory)
            && self.scales.fits(&fresh.scales)
            && self.change.fits(&fresh.change)
            && learned_state_codec::is_bit_equal(self.change_weight, fresh.change_weight)
    }

    pub(super) fn judge(&self, input: &DetectorInput<'_>) -> DetectorOutput {
        match input.z.iter().all(|it| *it == 0.0) {
            true => self.output_of_zeros.get_or_init(|| self.output(input.z)).clone(),
            false => self.output(input.z),
        }
    }

    fn output(&self, z: &[f64]) -> DetectorOutput {
        let width = z.len();
        let clipped = clip(z);
        let (far, shares_of_scales) = self.scales.distance(&self.memory.scales(&clipped));
        let (changed, shares_of_change) = self.change.distance(&self.memory.change(&clipped));
        let shares = (0..width).map(|i| {
            let scales: f64 = shares_of_scales.iter().skip(i).step_by(width).sum();
            scales + self.change_weight * shares_of_change[i]
        });
        let score = far + self.change_weight * changed;
        DetectorOutput::Score { score, threshold: THRESHOLD, shares: shares.collect() }
    }

    pub(super) fn learn(&mut self, input: &DetectorInput<'_>, learn_options: LearnOptions) {
        self.output_of_zeros = OnceLock::new();
        let width = input.z.len();
        let clipped = clip(input.z);
        let variances = ShortTermMeans::variances();
        self.scales.learn(&self.memory.scales(&clipped), learn_options, |i| {
            input.noise[i % width] * variances[i / width]
        });
        // A change is the difference of two values, so it has the noise of both.
        self.change.learn(&self.memory.change(&clipped), learn_options, |i| 2.0 * input.noise[i]);
        self.memory.learn(&clipped, learn_options);
    }
}

fn clip(z: &[f64]) -> Vec<f64> {
    z.iter().map(|it| it.clamp(-CLIP, CLIP)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Point;

    fn input<'a>(point: &'a Point, z: &'a [f64]) -> DetectorInput<'a> {
        DetectorInput { point, z, noise: &[0.1; 3], threshold_factor: 1.0 }
    }

    #[test]
    fn a_point_of_zeros_is_scored_by_what_was_learned_last() {
        let parameters = DetectorParameters::plain(vec![0.0; 3], 100.0);
        let (mut kept, mut fresh) = (JointDistance::new(&parameters), JointDistance::new(&parameters));
        let point = Point::default();
        let learn_options = LearnOptions { weight: 1.0, step: true, in_episode: false };
        for number in 0..20 {
            // Only one of them scores points of zeros before the last one.
            for _ in 0..2 {
                kept.judge(&input(&point, &[0.0; 3]));
            }
            let z = [1.0, f64::from(number % 4), -1.0];
            kept.learn(&input(&point, &z), learn_options);
            fresh.learn(&input(&point, &z), learn_options);
        }
        assert_eq!(kept.judge(&input(&point, &[0.0; 3])), fresh.judge(&input(&point, &[0.0; 3])));
    }
}
