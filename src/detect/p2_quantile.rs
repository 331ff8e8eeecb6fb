//! A running quantile in five numbers: the P² algorithm (Jain and Chlamtac, CACM 28(10), 1985).

use serde::{Deserialize, Serialize};

use crate::learned_state_codec::COUNT_MAX;

/// Number of markers.
const MARKERS: usize = 5;

/// An estimate of one quantile of all values so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct P2Quantile {
    p: f64,
    count: usize,
    /// Heights of the markers: the minimum, three estimates, the maximum.
    heights: [f64; MARKERS],
    /// Number of values at or below each marker.
    positions: [f64; MARKERS],
}

impl P2Quantile {
    /// Creates an estimate of quantile `p`, between 0 and 1.
    pub fn new(p: f64) -> Self {
        Self { p, count: 0, heights: [0.0; MARKERS], positions: [1.0, 2.0, 3.0, 4.0, 5.0] }
    }

    /// Whether this restored state is valid: no count is close to overflow.
    pub(super) fn fits(&self) -> bool {
        self.count < COUNT_MAX
    }

    /// The estimate; exact for up to five values, `None` before the first.
    pub fn value(&self) -> Option<f64> {
        match self.count {
            0 => None,
            count if count <= MARKERS => {
                let rank = (self.p * (count - 1) as f64).round() as usize;
                self.heights.get(rank.min(count - 1)).copied()
            }
            _ => Some(self.heights[2]),
        }
    }

    /// Adds a finite value.
    pub fn learn(&mut self, value: f64) {
        if self.count < MARKERS {
            let place = self.heights[..self.count].partition_point(|it| *it <= value);
            self.heights[place..=self.count].rotate_right(1);
            self.heights[place] = value;
            self.count += 1;
            return;
        }
        self.count += 1;
        self.heights[0] = self.heights[0].min(value);
        self.heights[4] = self.heights[4].max(value);
        let above = self.heights.iter().skip(1).position(|it| value < *it).map_or(MARKERS - 1, |it| it + 1);
        self.positions[above..].iter_mut().for_each(|it| *it += 1.0);
        let wanted =
            [self.p / 2.0, self.p, (1.0 + self.p) / 2.0].map(|it| 1.0 + it * (self.count - 1) as f64);
        for (wanted, i) in wanted.into_iter().zip(1..) {
            let lag = wanted - self.positions[i];
            let room = |to: usize| (self.positions[to] - self.positions[i]).abs() > 1.0;
            if (lag >= 1.0 && room(i + 1)) || (lag <= -1.0 && room(i - 1)) {
                self.adjust(i, lag.signum());
            }
        }
    }

    /// Moves marker `i` by one position and its height along a parabola, or along a line if the parabola would break
    /// the order.
    fn adjust(&mut self, i: usize, step: f64) {
        let (q, n) = (&self.heights, &self.positions);
        let up = (q[i + 1] - q[i]) / (n[i + 1] - n[i]);
        let down = (q[i] - q[i - 1]) / (n[i] - n[i - 1]);
        let span = n[i + 1] - n[i - 1];
        let parabola = q[i] + step / span * ((n[i] - n[i - 1] + step) * up + (n[i + 1] - n[i] - step) * down);
        let line = q[i] + step * if step > 0.0 { up } else { down };
        self.heights[i] = if q[i - 1] < parabola && parabola < q[i + 1] { parabola } else { line };
        self.positions[i] += step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], p: f64, expected: Option<f64>, tolerance: f64) {
        let mut quantile = P2Quantile::new(p);
        values.iter().for_each(|it| quantile.learn(*it));
        match (quantile.value(), expected) {
            (Some(found), Some(expected)) => {
                assert!((found - expected).abs() <= tolerance, "p{p}: {found}, expected {expected}");
            }
            (found, expected) => assert_eq!(found, expected),
        }
    }

    /// The example of the paper's Table I: 20 values, median 4.44 by P².
    #[test]
    fn agrees_with_the_paper() {
        let values = [
            0.02, 0.15, 0.74, 3.39, 0.83, 22.37, 10.15, 15.43, 38.62, 15.92, 34.60, 10.28, 1.47, 0.40, 0.05,
            11.39, 0.27, 0.42, 0.09, 11.37,
        ];
        check(&values, 0.5, Some(4.44), 0.01);
    }

    #[test]
    fn few_values_are_exact() {
        check(&[], 0.95, None, 0.0);
        check(&[3.0], 0.95, Some(3.0), 0.0);
        check(&[3.0, 1.0, 2.0], 0.99, Some(3.0), 0.0);
        check(&[3.0, 1.0, 2.0], 0.5, Some(2.0), 0.0);
    }

    #[test]
    fn finds_the_tail_of_many_values() {
        let values: Vec<f64> = (0..10_000).map(|it| f64::from(it * 7919 % 10_000)).collect();
        check(&values, 0.95, Some(9_500.0), 50.0);
        check(&values, 0.99, Some(9_900.0), 50.0);
    }

    #[test]
    fn a_constant_is_its_own_quantile() {
        check(&[4.0; 100], 0.99, Some(4.0), 0.0);
    }
}
