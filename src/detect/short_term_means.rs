//! The short memory of recent points: means over 5 and 30 points, and the change over 3 points.
//!
//! A point inside an episode enters it as a normal point. Otherwise a fault would affect scores after its end: the
//! mean over 30 points would stay anomalous for a quarter of an hour.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{LearnOptions, smoothing_factor};

/// Half-lives of the smoothed values, in points.
pub const SMOOTHING_HALF_LIVES: [f64; 2] = [5.0, 30.0];
/// A change compares with the point this many points ago.
const LAG: usize = 3;

/// Smoothed values and last points of a vector.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShortTermMeans {
    means: [Vec<f64>; SMOOTHING_HALF_LIVES.len()],
    past: VecDeque<Vec<f64>>,
}

impl ShortTermMeans {
    /// Creates a memory of normal points, which are 0.
    pub fn new(width: usize) -> Self {
        Self {
            means: [vec![0.0; width], vec![0.0; width]],
            past: std::iter::repeat_n(vec![0.0; width], LAG).collect(),
        }
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(super) fn fits(&self, fresh: &Self) -> bool {
        let as_wide = |(one, other): (&Vec<f64>, &Vec<f64>)| one.len() == other.len();
        self.past.len() == fresh.past.len()
            && self.means.iter().zip(&fresh.means).all(as_wide)
            && self.past.iter().zip(&fresh.past).all(as_wide)
    }

    /// The vector, followed by its smoothed values including it.
    pub fn scales(&self, newest: &[f64]) -> Vec<f64> {
        let mut scales = newest.to_vec();
        for (mean, half_life) in self.means.iter().zip(SMOOTHING_HALF_LIVES) {
            let a = smoothing_factor(half_life);
            scales.extend(mean.iter().zip(newest).map(|(old, new)| old + a * (new - old)));
        }
        scales
    }

    /// The vector minus the one three points ago.
    pub fn change(&self, newest: &[f64]) -> Vec<f64> {
        let past = self.past.front().map(Vec::as_slice).unwrap_or_default();
        newest.iter().zip(past).map(|(new, old)| new - old).collect()
    }

    /// Advances by one point if `learn_options.step` is set.
    pub fn learn(&mut self, newest: &[f64], learn_options: LearnOptions) {
        if !learn_options.step {
            return;
        }
        let ordinary = if learn_options.in_episode { 0.0 } else { 1.0 };
        for (mean, half_life) in self.means.iter_mut().zip(SMOOTHING_HALF_LIVES) {
            let a = smoothing_factor(half_life);
            for (old, new) in mean.iter_mut().zip(newest) {
                *old += a * (ordinary * new - *old);
            }
        }
        self.past.rotate_left(1);
        if let Some(oldest) = self.past.back_mut() {
            oldest.iter_mut().zip(newest).for_each(|(old, new)| *old = ordinary * new);
        }
    }

    /// Variance of white noise of variance 1 on each of the scales, in order.
    pub fn variances() -> [f64; 1 + SMOOTHING_HALF_LIVES.len()] {
        let smoothed = SMOOTHING_HALF_LIVES.map(|half_life| {
            let a = smoothing_factor(half_life);
            a / (2.0 - a)
        });
        [1.0, smoothed[0], smoothed[1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: LearnOptions = LearnOptions { weight: 1.0, step: true, in_episode: false };

    #[test]
    fn means_take_half_of_a_shift_in_their_half_life() {
        let mut memory = ShortTermMeans::new(1);
        for _ in 0..30 {
            memory.learn(&[8.0], STEP);
        }
        let scales = memory.scales(&[8.0]);
        assert!((scales[1] - 8.0 * (1.0 - 0.5_f64.powf(31.0 / 5.0))).abs() < 1e-9);
        assert!((scales[2] - 8.0 * (1.0 - 0.5_f64.powf(31.0 / 30.0))).abs() < 1e-9);
    }

    #[test]
    fn a_change_is_against_three_points_ago() {
        let mut memory = ShortTermMeans::new(1);
        for value in [1.0, 2.0, 3.0, 4.0] {
            memory.learn(&[value], STEP);
        }
        assert_eq!(memory.change(&[9.0]), [7.0]);
    }

    #[test]
    fn points_inside_episodes_and_without_step_are_not_stored() {
        let mut memory = ShortTermMeans::new(1);
        for _ in 0..10 {
            memory.learn(&[20.0], LearnOptions { in_episode: true, ..STEP });
            memory.learn(&[20.0], LearnOptions { step: false, ..STEP });
        }
        assert_eq!(memory.scales(&[0.0]), [0.0, 0.0, 0.0]);
        assert_eq!(memory.change(&[0.0]), [0.0]);
    }
}
