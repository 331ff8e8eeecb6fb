//! Defects of the rows of a table, to measure the robustness of detectors.

use std::fmt;

use crate::detect::seeded_rng::SeededRng;

/// Factor of an outlier.
const OUTLIER_TIMES: f64 = 10.0;
/// Size of a clock step, in seconds.
const STEP_SECONDS: f64 = 3_600.0;

/// A defect of rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TableDefect {
    /// None, for comparison.
    None,
    /// Gaussian noise on each value, with this share of the signal's normal range as standard deviation.
    Noise(f64),
    /// This share of cells is missing at random.
    Missing(f64),
    /// This share of cells is multiplied by ten at random.
    Outliers(f64),
    /// One random signal that varies is missing from the middle row on.
    Vanish,
    /// The clock steps an hour forward after one third of the rows, and back after the second third.
    Clock,
}

impl TableDefect {
    /// All defects, starting with none.
    pub const ALL: &[Self] = &[
        Self::None,
        Self::Noise(0.01),
        Self::Noise(0.02),
        Self::Noise(0.05),
        Self::Noise(0.1),
        Self::Missing(0.05),
        Self::Missing(0.1),
        Self::Missing(0.2),
        Self::Missing(0.3),
        Self::Outliers(0.001),
        Self::Outliers(0.01),
        Self::Vanish,
        Self::Clock,
    ];
}

impl fmt::Display for TableDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("unchanged"),
            Self::Noise(share) => write!(f, "noise {share}"),
            Self::Missing(share) => write!(f, "missing {} %", share * 100.0),
            Self::Outliers(share) => write!(f, "outliers {} %", share * 100.0),
            Self::Vanish => f.write_str("a signal vanishes"),
            Self::Clock => f.write_str("the clock steps"),
        }
    }
}

/// The observed range of each signal.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SignalRanges {
    /// Minimum and maximum; `None` for a signal without values.
    seen: Vec<Option<(f64, f64)>>,
}

impl SignalRanges {
    /// Extends the ranges by a row.
    pub fn widen(&mut self, values: &[f64], missing: &[bool]) {
        self.seen.resize(values.len().max(self.seen.len()), None);
        for ((range, value), _) in self.seen.iter_mut().zip(values).zip(missing).filter(|(_, it)| !**it) {
            let (low, high) = range.unwrap_or((*value, *value));
            *range = Some((low.min(*value), high.max(*value)));
        }
    }

    /// Difference of maximum and minimum.
    fn width(&self, signal: usize) -> f64 {
        self.seen.get(signal).copied().flatten().map_or(0.0, |(low, high)| high - low)
    }
}

/// Puts a defect into rows, in sequence.
#[derive(Debug, Clone)]
pub struct DefectInjector {
    kind: TableDefect,
    ranges: SignalRanges,
    random: SeededRng,
    /// Total number of rows.
    rows: usize,
    /// Number of rows so far.
    row: usize,
    /// The signal that vanishes.
    vanishing: usize,
    /// The last known value of each signal, which replaces a missing one.
    last: Vec<f64>,
}

impl DefectInjector {
    /// Starts before the first of `rows` rows of signals with these ranges.
    pub fn new(kind: TableDefect, seed: u64, ranges: SignalRanges, rows: usize) -> Self {
        let mut random = SeededRng::new(seed);
        let signals = ranges.seen.len();
        let changing: Vec<usize> = (0..signals).filter(|it| ranges.width(*it) > 0.0).collect();
        let vanishing = changing.get(random.below(changing.len())).copied().unwrap_or(0);
        Self { kind, ranges, random, rows, row: 0, vanishing, last: vec![0.0; signals] }
    }

    /// Puts the defect into the next row; returns by how many seconds its clock is ahead.
    pub fn apply(&mut self, values: &mut [f64], missing: &mut [bool]) -> f64 {
        let row = self.row;
        self.row += 1;
        self.last.resize(values.len(), 0.0);
        for (idx, (value, missing)) in values.iter_mut().zip(missing).enumerate() {
            match self.kind {
                TableDefect::None | TableDefect::Clock => (),
                TableDefect::Noise(share) => {
                    let noise = f64::from(self.random.normals()[0]) * share * self.ranges.width(idx);
                    if !*missing {
                        *value += noise;
                    }
                }
                TableDefect::Missing(share) => *missing |= f64::from(self.random.uniform()) < share,
                TableDefect::Outliers(share) => {
                    if f64::from(self.random.uniform()) < share && !*missing {
                        *value *= OUTLIER_TIMES;
                    }
                }
                TableDefect::Vanish => *missing |= idx == self.vanishing && self.rows / 2 <= row,
            }
            if *missing {
                *value = self.last[idx];
            }
            self.last[idx] = *value;
        }
        let is_ahead = self.kind == TableDefect::Clock && (self.rows / 3..self.rows / 3 * 2).contains(&row);
        if is_ahead { STEP_SECONDS } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: usize = 3_000;

    /// Puts a defect into rows of a constant 2 and of a sawtooth from 0 to 8; checks mean, standard deviation and missing share
    /// of each signal, and the number of rows whose clock is ahead.
    fn check(kind: TableDefect, expected: [(f64, f64, f64); 2], expected_ahead: usize) {
        let row = |idx: usize| [2.0, (idx % 9) as f64];
        let mut ranges = SignalRanges::default();
        (0..9).for_each(|it| ranges.widen(&row(it), &[false; 2]));
        let mut injector = DefectInjector::new(kind, 1, ranges, ROWS);
        let (mut known, mut ahead) = ([Vec::new(), Vec::new()], 0);
        for idx in 0..ROWS {
            let (mut values, mut missing) = (row(idx), [false; 2]);
            ahead += usize::from(injector.apply(&mut values, &mut missing) > 0.0);
            for (known, (value, is_missing)) in known.iter_mut().zip(values.iter().zip(missing)) {
                assert!(value.is_finite());
                known.extend((!is_missing).then_some(*value));
            }
        }
        for (known, expected) in known.iter().zip(expected) {
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            let variance = known.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / known.len() as f64;
            let found = (mean, variance.sqrt(), 1.0 - known.len() as f64 / ROWS as f64);
            let is_near = |a: f64, b: f64| (a - b).abs() <= 0.02 * b.abs().max(1.0);
            assert!(
                is_near(found.0, expected.0) && is_near(found.1, expected.1) && is_near(found.2, expected.2),
                "{kind}: {found:?}, expected {expected:?}"
            );
        }
        assert_eq!(ahead, expected_ahead, "{kind}");
    }

    #[test]
    fn rows_have_the_defects_as_said() {
        let (flat, saw) = ((2.0, 0.0, 0.0), (4.0, (20.0_f64 / 3.0).sqrt(), 0.0));
        check(TableDefect::None, [flat, saw], 0);
        // Noise on the sawtooth, whose range is 8; a constant has no range.
        check(TableDefect::Noise(0.1), [flat, (4.0, (20.0_f64 / 3.0 + 0.64).sqrt(), 0.0)], 0);
        check(TableDefect::Missing(0.2), [(2.0, 0.0, 0.2), (4.0, saw.1, 0.2)], 0);
        // A twentieth of the cells is multiplied by 10: E = m (1 + 9/20), E² = (m² + s²)(1 + 99/20).
        let outliers = |mean: f64, square: f64| {
            let mean_now = mean * 1.45;
            (mean_now, (square * 5.95 - mean_now * mean_now).sqrt(), 0.0)
        };
        check_near(TableDefect::Outliers(0.05), outliers(2.0, 4.0));
        // Only the sawtooth varies.
        check(TableDefect::Vanish, [flat, (4.0, saw.1, 0.5)], 0);
        check(TableDefect::Clock, [flat, saw], ROWS / 3);
    }

    /// Checks the constant only, with a tolerance for random outliers.
    fn check_near(kind: TableDefect, expected: (f64, f64, f64)) {
        let mut ranges = SignalRanges::default();
        ranges.widen(&[2.0], &[false]);
        let mut injector = DefectInjector::new(kind, 1, ranges, ROWS);
        let mut sum = 0.0;
        for _ in 0..ROWS {
            let mut values = [2.0];
            injector.apply(&mut values, &mut [false]);
            sum += values[0];
        }
        let (mean, room) = (sum / ROWS as f64, 3.0 * expected.1 / (ROWS as f64).sqrt());
        assert!((mean - expected.0).abs() < room, "{kind}: {mean}, expected {expected:?} within {room}");
    }

    #[test]
    fn equal_seeds_give_equal_defects() {
        let run = |seed| {
            let mut ranges = SignalRanges::default();
            ranges.widen(&[0.0, 0.0], &[false; 2]);
            ranges.widen(&[1.0, 1.0], &[false; 2]);
            let mut injector = DefectInjector::new(TableDefect::Noise(0.1), seed, ranges, 10);
            let mut values = [0.5, 0.5];
            injector.apply(&mut values, &mut [false; 2]);
            values.map(f64::to_bits)
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn missing_values_keep_the_last_known_one() {
        let mut ranges = SignalRanges::default();
        ranges.widen(&[0.0], &[false]);
        ranges.widen(&[9.0], &[false]);
        let mut injector = DefectInjector::new(TableDefect::Vanish, 1, ranges, 4);
        let found: Vec<_> = (1..=4)
            .map(|row| {
                let (mut values, mut missing) = ([f64::from(row)], [false]);
                injector.apply(&mut values, &mut missing);
                (values[0] as u8, missing[0])
            })
            .collect();
        assert_eq!(found, [(1, false), (2, false), (2, true), (2, true)]);
    }
}
