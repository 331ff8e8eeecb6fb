//! k-means with two centers, and the range of distances of the training vectors from both.
//!
//! It is the model of Netdata's anomaly detection (`src/ml/ad_charts.cc`): the distance of a vector is the mean of its
//! distances to both centers, scaled by the smallest and the largest distance of the training vectors.

use serde::{Deserialize, Serialize};

/// Values in a vector.
pub const WIDTH: usize = 6;

/// Consecutive values of one signal.
pub type Vector = [f64; WIDTH];

/// Largest number of Lloyd's steps; a few dozen nearly always suffice.
const STEPS_MAX: usize = 1_000;
/// Scaled distance from which a vector is new.
const NEW: f64 = 0.99;

/// Two centers and the range of distances from them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KMeans {
    centers: [Vector; 2],
    least: f64,
    greatest: f64,
}

impl KMeans {
    /// Fits a model to these vectors; `None` without vectors. The first centers are the first vector and the one
    /// furthest from it.
    pub fn fit(vectors: &[Vector]) -> Option<Self> {
        let first = *vectors.first()?;
        let mut centers = [first, first];
        let mut greatest = -1.0;
        for vector in vectors {
            let distance = square(vector, &first);
            if distance > greatest {
                (greatest, centers[1]) = (distance, *vector);
            }
        }
        let mut side: Vec<Option<bool>> = vec![None; vectors.len()];
        for _ in 0..STEPS_MAX {
            if !step(vectors, &mut centers, &mut side) {
                break;
            }
        }
        let mut model = Self { centers, least: f64::INFINITY, greatest: f64::NEG_INFINITY };
        for vector in vectors {
            let distance = model.distance(vector);
            model.least = model.least.min(distance);
            model.greatest = model.greatest.max(distance);
        }
        Some(model)
    }

    /// Whether a vector differs from all training vectors. For a model of a constant, no vector is new.
    pub fn is_new(&self, vector: &Vector) -> bool {
        let range = self.greatest - self.least;
        range > 0.0 && ((self.distance(vector) - self.least) / range).abs() >= NEW
    }

    fn distance(&self, vector: &Vector) -> f64 {
        let [a, b] = &self.centers;
        (square(vector, a).sqrt() + square(vector, b).sqrt()) / 2.0
    }
}

/// Assigns each vector to the nearer center and moves the centers to their means; returns whether any assignment
/// changed.
fn step(vectors: &[Vector], centers: &mut [Vector; 2], side: &mut [Option<bool>]) -> bool {
    let mut sums = [[0.0; WIDTH]; 2];
    let mut counts = [0.0; 2];
    let mut changed = false;
    for (vector, side) in vectors.iter().zip(side) {
        let second = square(vector, &centers[1]) < square(vector, &centers[0]);
        changed |= *side != Some(second);
        *side = Some(second);
        let idx = usize::from(second);
        counts[idx] += 1.0;
        sums[idx].iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
    }
    for ((center, sum), count) in centers.iter_mut().zip(sums).zip(counts) {
        if count > 0.0 {
            *center = sum.map(|it| it / count);
        }
    }
    changed
}

fn square(a: &Vector, b: &Vector) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], newest: f64, expected: bool) {
        let vectors: Vec<Vector> = values.iter().map(|it| [*it; WIDTH]).collect();
        let model = KMeans::fit(&vectors).unwrap();
        assert_eq!(model.is_new(&[newest; WIDTH]), expected, "{newest} to {values:?}: {model:?}");
    }

    #[test]
    fn vectors_outside_the_training_range_are_new() {
        let values = [0.0, 0.1, 0.2, 0.1, 5.0, 5.1, 5.2, 5.1];
        check(&values, 9.0, true);
        check(&values, -4.0, true);
        check(&values, 5.15, false);
        // Between both centers, the mean distance is as small as at either.
        check(&values, 2.5, false);
    }

    #[test]
    fn nothing_is_new_to_a_constant() {
        check(&[3.0; 9], 99.0, false);
        assert_eq!(KMeans::fit(&[]), None);
    }

    #[test]
    fn the_centers_are_the_means_of_the_two_groups() {
        let vectors: Vec<Vector> = [0.0, 1.0, 2.0, 10.0, 12.0].map(|it| [it; WIDTH]).to_vec();
        let model = KMeans::fit(&vectors).unwrap();
        assert_eq!(model.centers, [[1.0; WIDTH], [11.0; WIDTH]]);
    }
}
