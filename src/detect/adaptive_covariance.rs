//! Mahalanobis distance (1936) from an adaptive mean under an adaptive covariance, shrunk towards independence.

use serde::{Deserialize, Serialize};

use super::{LearnOptions, gain};
use crate::learned_state_codec;

/// Share by which covariances are shrunk towards zero (Ledoit and Wolf, 2004).
const SHRINKAGE: f64 = 0.1;
/// This share of [`SHRINKAGE`] is added to each variance, so that the matrix stays invertible with constant signals.
const TARGET: f64 = 0.2;
/// Largest number of points between two updates of the inverse.
const REFRESH_POINTS: f64 = 60.0;
/// Number of points per dimension from which the covariance is fully used. With fewer, it is blended with the
/// identity, because a covariance of few points has arbitrary directions of small variance.
const POINTS_PER_DIMENSION: f64 = 10.0;

/// Exponentially weighted mean and covariance of a vector.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExponentialCovariance {
    mean: Vec<f64>,
    covariance: SquareMatrix,
    /// Inverse of the shrunk covariance at the last update.
    precision: SquareMatrix,
    smoothing_factor: f64,
    points: f64,
    refreshed: f64,
}

impl ExponentialCovariance {
    /// Creates mean 0 and an identity covariance.
    pub fn new(width: usize, smoothing_factor: f64) -> Self {
        Self {
            mean: vec![0.0; width],
            covariance: SquareMatrix::identity(width),
            precision: SquareMatrix::identity(width),
            smoothing_factor,
            points: 0.0,
            refreshed: 0.0,
        }
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(super) fn fits(&self, fresh: &Self) -> bool {
        self.mean.len() == fresh.mean.len()
            && self.covariance.is_as_large(&fresh.covariance)
            && self.precision.is_as_large(&fresh.precision)
            && learned_state_codec::is_bit_equal(self.smoothing_factor, fresh.smoothing_factor)
    }

    /// The distance divided by the square root of the width, and the signed contribution of each dimension; their sum
    /// is the distance.
    pub fn distance(&self, x: &[f64]) -> (f64, Vec<f64>) {
        let error: Vec<f64> = x.iter().zip(&self.mean).map(|(x, mean)| x - mean).collect();
        let mut shares: Vec<f64> =
            self.precision.rows().zip(&error).map(|(row, own)| own * dot(row, &error)).collect();
        let width = x.len() as f64;
        let square = shares.iter().sum::<f64>().abs() / width;
        let distance = square.sqrt();
        let scale = if distance > 0.0 { 1.0 / (width * distance) } else { 0.0 };
        shares.iter_mut().for_each(|it| *it *= scale);
        (distance, shares)
    }

    /// Learns `x`; `noise` is the variance to add to each dimension.
    pub fn learn(&mut self, x: &[f64], learn_options: LearnOptions, noise: impl Fn(usize) -> f64) {
        // The initial identity counts as one point.
        let a = gain(self.smoothing_factor, learn_options, self.points + 1.0);
        let error: Vec<f64> = x.iter().zip(&self.mean).map(|(x, mean)| x - mean).collect();
        self.mean.iter_mut().zip(&error).for_each(|(mean, error)| *mean += a * error);
        // Symmetric: only the lower triangle is used.
        for (i, (row, own)) in self.covariance.rows_mut().zip(&error).enumerate() {
            let scaled = a * own;
            row[..=i].iter_mut().zip(&error).for_each(|(c, other)| *c = (1.0 - a) * (*c + scaled * other));
        }
        self.points += learn_options.weight;
        // It changes fast at first, so it is updated whenever the history grows by a tenth.
        let young = self.points < 10.0 * REFRESH_POINTS;
        let refreshes = |points: f64| (points / REFRESH_POINTS).floor();
        if young && self.points - self.refreshed >= (self.points / 10.0).max(1.0)
            || refreshes(self.points) > refreshes(self.refreshed)
        {
            self.refresh(noise);
        }
    }

    fn refresh(&mut self, noise: impl Fn(usize) -> f64) {
        let width = self.mean.len();
        let known = (self.points / (POINTS_PER_DIMENSION * width as f64)).min(1.0);
        let mut shrunk = self.covariance.clone();
        for (i, row) in shrunk.rows_mut().enumerate() {
            let own = row[i] + noise(i) + SHRINKAGE * TARGET;
            row.iter_mut().for_each(|it| *it *= known * (1.0 - SHRINKAGE));
            row[i] = known * own + (1.0 - known);
        }
        // A covariance that cannot be inverted, because of huge values, keeps the old inverse.
        if let Some(inverse) = shrunk.inverse() {
            self.precision = inverse;
        }
        self.refreshed = self.points;
    }
}

/// Eight partial sums, so that the compiler can use vector registers in a fixed order.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a8.zip(b8) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// A symmetric matrix, row by row.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SquareMatrix {
    width: usize,
    cells: Vec<f64>,
}

impl SquareMatrix {
    fn zero(width: usize) -> Self {
        Self { width, cells: vec![0.0; width * width] }
    }

    fn identity(width: usize) -> Self {
        let mut it = Self::zero(width);
        it.rows_mut().enumerate().for_each(|(i, row)| row[i] = 1.0);
        it
    }

    fn is_as_large(&self, other: &Self) -> bool {
        self.width == other.width && self.cells.len() == other.cells.len()
    }

    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.cells.chunks_exact(self.width.max(1))
    }

    fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        self.cells.chunks_exact_mut(self.width.max(1))
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.cells[i * self.width..(i + 1) * self.width]
    }

    /// Inverse by Cholesky decomposition; `None` if the matrix is not positive definite.
    fn inverse(&self) -> Option<Self> {
        let lower = self.cholesky()?;
        // Row j of the transposed inverse of the lower factor: solves L y = e_j.
        let mut inverse_of_lower = Self::zero(self.width);
        for j in 0..self.width {
            for i in j..self.width {
                let unit = if i == j { 1.0 } else { 0.0 };
                let solved = dot(&lower.row(i)[j..i], &inverse_of_lower.row(j)[j..i]);
                inverse_of_lower.cells[j * self.width + i] = (unit - solved) / lower.row(i)[i];
            }
        }
        let mut inverse = Self::zero(self.width);
        for i in 0..self.width {
            for j in 0..=i {
                let value = dot(&inverse_of_lower.row(i)[i..], &inverse_of_lower.row(j)[i..]);
                inverse.cells[i * self.width + j] = value;
                inverse.cells[j * self.width + i] = value;
            }
        }
        inverse.cells.iter().all(|it| it.is_finite()).then_some(inverse)
    }

    /// The lower factor L with L L' = self.
    fn cholesky(&self) -> Option<Self> {
        let mut lower = Self::zero(self.width);
        for i in 0..self.width {
            for j in 0..=i {
                let rest = self.row(i)[j] - dot(&lower.row(i)[..j], &lower.row(j)[..j]);
                let value = if i == j { rest.sqrt() } else { rest / lower.row(j)[j] };
                if !value.is_finite() || (i == j && value <= 0.0) {
                    return None;
                }
                lower.cells[i * self.width + j] = value;
            }
        }
        Some(lower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: LearnOptions = LearnOptions { weight: 1.0, step: true, in_episode: false };

    fn square(cells: &[f64]) -> SquareMatrix {
        SquareMatrix { width: cells.len().isqrt(), cells: cells.to_vec() }
    }

    #[test]
    fn the_inverse_undoes_the_matrix() {
        let matrix = square(&[4.0, 2.0, 0.6, 2.0, 5.0, 1.0, 0.6, 1.0, 3.0]);
        let inverse = matrix.inverse().unwrap();
        for i in 0..3 {
            for j in 0..3 {
                let product = dot(matrix.row(i), inverse.row(j));
                let unit = if i == j { 1.0 } else { 0.0 };
                assert!((product - unit).abs() < 1e-12, "{i},{j}: {product}");
            }
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_has_no_inverse() {
        assert!(square(&[1.0, 2.0, 2.0, 1.0]).inverse().is_none());
        assert!(square(&[0.0]).inverse().is_none());
        assert!(square(&[f64::NAN]).inverse().is_none());
    }

    /// Points along a diagonal: a point off the diagonal is more distant than one far along it.
    #[test]
    fn a_broken_correlation_is_far_and_shares_add_up() {
        let mut known = ExponentialCovariance::new(2, 1e-4);
        for t in 0..5000 {
            let x = (f64::from(t) * 0.7).sin() * 1.4;
            let off = (f64::from(t) * 1.3).sin() * 0.1;
            known.learn(&[x + off, x - off], WHOLE, |_| 0.0);
        }
        let (along, _) = known.distance(&[2.0, 2.0]);
        let (across, shares) = known.distance(&[1.0, -1.0]);
        assert!(across > 1.5 * along, "{across} against {along}");
        assert!((shares.iter().sum::<f64>() - across).abs() < 1e-9);
    }

    #[test]
    fn few_points_are_treated_as_independent() {
        let mut known = ExponentialCovariance::new(30, 1e-4);
        for t in 0..10 {
            known.learn(&[f64::from(t % 2); 30], WHOLE, |_| 0.0);
        }
        let mut odd = [0.5; 30];
        odd[0] = 3.0;
        let (distance, _) = known.distance(&odd);
        assert!(distance < 1.0, "{distance}");
    }
}
