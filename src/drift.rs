//! Detects drift: the distance of the signals' values of the last day from those of the training set; 1 is the threshold.
//!
//! The higher of two measures counts. The population stability index, `Σ (p - q) ln(p / q)` over ten bins that hold a tenth
//! of the training set each; 0.25 is a major shift (Siddiqi, "Credit Risk Scorecards", 2006). And the two-sample statistic of
//! Kolmogorov and Smirnov, the greatest distance of both distributions, divided by its critical value (Smirnov, 1948). Both
//! react to chance if values are few and autocorrelated. So the number of values is reduced to the number of independent
//! ones (Bayley and Hammersley, 1946), and the index must exceed what chance gives: `χ²(9) · (1/n + 1/m)` (Yurdakul and
//! Naranjo, 2020).
//!
//! The noise floor blurs both distributions by one standard deviation, so a shift well below it does not count.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::reading::Timestamp;
use crate::window::Point;

/// Seconds between two values that are kept.
const EVERY_SECONDS: f64 = 600.0;
/// Values older than so many seconds are forgotten: all days of the week are in what a model is trained on.
pub const AGE_MAX: f64 = 7.0 * 86_400.0;
/// The values of so many of the last seconds are compared with the training set: a day has a night.
const RECENT_SECONDS: f64 = 86_400.0;
/// So many values are kept at most of a subject that is alone.
pub const ROWS_MAX: usize = 7 * 144;
/// With fewer values on either side nothing is said: eight hours.
const ROWS_MIN: usize = 48;
/// The distributions are compared at so many places: between each two lies a twentieth of the training set.
const EDGES: usize = 19;
/// A major shift by the index.
const INDEX_LIMIT: f64 = 0.25;
/// What χ² with nine degrees of freedom passes once in a thousand times.
const CHI_SQUARE: f64 = 27.88;
/// The same for the greatest distance: `sqrt(-ln(0.001 / 2) / 2)`.
const KOLMOGOROV: f64 = 1.949;
/// Neighbors are never taken for more alike than this: what is due to the hour comes back in each of the days.
const ALIKE_MAX: f64 = 0.6;
/// A normal distribution in five equal parts, by their middles.
const PARTS: [f64; 5] = [-1.281_55, -0.524_40, 0.0, 0.524_40, 1.281_55];

/// The values of the last days.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DriftLog {
    /// The noise floor of each signal.
    floors: Vec<f64>,
    rows_max: usize,
    /// Oldest first; not a number where a signal was missing.
    #[serde(with = "crate::codec::timed_rows")]
    rows: VecDeque<(Timestamp, Box<[f32]>)>,
}

/// What the values of each signal were like in a training set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DriftReference {
    /// Nothing for signals that were there too seldom.
    signals: Vec<Option<ValueDistribution>>,
}

/// The distribution of one signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ValueDistribution {
    edges: [f64; EDGES],
    /// The share of values up to each of them.
    shares: [f64; EDGES],
    /// Independent values.
    count: f64,
}

/// Indices of at most `most` of `count` things, evenly spread.
pub fn spread(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let taken = count.min(most);
    (0..taken).map(move |idx| idx * count / taken)
}

impl DriftLog {
    /// Knows nothing yet of signals with these noise floors.
    pub fn new(floors: Vec<f64>) -> Self {
        Self { floors, rows_max: ROWS_MAX, rows: VecDeque::new() }
    }

    /// The same, with room for at most this many values.
    pub fn with_rows_max(self, rows_max: usize) -> Self {
        Self { rows_max, ..self }
    }

    /// The values of several subjects of a kind, the same number of each at most, one subject after the other.
    pub fn joined<'a>(logs: impl ExactSizeIterator<Item = &'a Self>) -> Self {
        let each_max = (ROWS_MAX / logs.len().max(1)).max(1);
        let mut joined = Self { rows_max: ROWS_MAX, ..Self::default() };
        for log in logs {
            joined.floors.clone_from(&log.floors);
            let rows = spread(log.rows.len(), each_max).filter_map(|idx| log.rows.get(idx));
            joined.rows.extend(rows.take(ROWS_MAX - joined.rows.len()).cloned());
        }
        joined
    }

    /// Whether this can go on in the place of `fresh`, which is of the same signals.
    pub(crate) fn fits(&self, fresh: &Self) -> bool {
        self.floors == fresh.floors
            && self.rows_max == fresh.rows_max
            && self.rows.len() <= self.rows_max
            && self.rows.iter().all(|(_, row)| row.len() == self.floors.len())
    }

    /// Takes an ordinary point, if it is time for one; says whether it was.
    pub fn push(&mut self, point: &Point) -> bool {
        let at = point.at;
        // A clock that stepped back leaves values of the future behind, which would never be old.
        while self.rows.back().is_some_and(|(newest, _)| newest.0 > at.0) {
            self.rows.pop_back();
        }
        if self.rows.back().is_some_and(|(newest, _)| at.0 - newest.0 < EVERY_SECONDS) {
            return false;
        }
        while self.rows.len() >= self.rows_max
            || self.rows.front().is_some_and(|(it, _)| at.0 - it.0 > AGE_MAX)
        {
            self.rows.pop_front();
        }
        let values = point.values.iter().zip(&point.missing);
        self.rows.push_back((
            at,
            values.map(|(value, missing)| if *missing { f32::NAN } else { *value as f32 }).collect(),
        ));
        true
    }

    /// What a model is trained on that is trained now.
    pub fn reference(&self) -> DriftReference {
        let each = self.floors.iter().enumerate();
        DriftReference {
            signals: each
                .map(|(idx, floor)| ValueDistribution::of(&self.column(idx, f64::NEG_INFINITY), *floor))
                .collect(),
        }
    }

    /// The values of a signal from this second on.
    fn column(&self, idx: usize, from: f64) -> Vec<f64> {
        let rows = self.rows.iter().filter(|(at, _)| at.0 >= from);
        let values = rows.filter_map(|(_, row)| row.get(idx)).map(|it| f64::from(*it));
        values.filter(|it| it.is_finite()).collect()
    }
}

impl DriftReference {
    /// Whether it can be compared with.
    pub fn is_valid(&self) -> bool {
        let sound = |it: &ValueDistribution| {
            it.edges.iter().all(|it| it.is_finite())
                && it.shares.iter().all(|it| (0.0..=1.0).contains(it))
                && it.count >= 1.0
        };
        self.signals.iter().flatten().all(sound)
    }

    /// How far each signal is from what it was, so that 1.0 is the limit; nothing for signals known too little.
    pub fn ratios(&self, log: &DriftLog) -> Vec<Option<f64>> {
        let newest = log.rows.iter().map(|(at, _)| at.0).fold(f64::NEG_INFINITY, f64::max);
        let from = newest - RECENT_SECONDS;
        let each = log.floors.iter().enumerate().map(|(idx, floor)| {
            let shape = self.signals.get(idx)?.as_ref()?;
            let values = log.column(idx, from);
            (values.len() >= ROWS_MIN).then(|| shape.ratio(&values, *floor))
        });
        each.collect()
    }
}

impl ValueDistribution {
    fn of(values: &[f64], floor: f64) -> Option<Self> {
        if values.len() < ROWS_MIN {
            return None;
        }
        let blur = floor;
        let mut blurred: Vec<f64> =
            values.iter().flat_map(|value| PARTS.map(|part| value + part * blur)).collect();
        blurred.sort_by(f64::total_cmp);
        let edges = std::array::from_fn(|idx| blurred[(idx + 1) * blurred.len() / (EDGES + 1)]);
        Some(Self { edges, shares: shares(values, &edges, blur), count: independent(values) })
    }

    fn ratio(&self, values: &[f64], floor: f64) -> f64 {
        let recent = shares(values, &self.edges, floor);
        let noise = 1.0 / independent(values) + 1.0 / self.count;
        let index = index(&self.shares, &recent, values.len() as f64) / (CHI_SQUARE * noise).max(INDEX_LIMIT);
        let apart =
            self.shares.iter().zip(&recent).map(|(one, other)| (one - other).abs()).fold(0.0, f64::max);
        // Where both are certain to differ the critical value can be no more than all of it.
        index.max(apart / (KOLMOGOROV * noise.sqrt()).min(1.0))
    }
}

/// The share of blurred values up to each edge.
fn shares(values: &[f64], edges: &[f64; EDGES], blur: f64) -> [f64; EDGES] {
    edges.map(|edge| {
        let below = values.iter().map(|value| {
            if blur > 0.0 { normal((edge - value) / blur) } else { f64::from(u8::from(*value <= edge)) }
        });
        below.sum::<f64>() / values.len() as f64
    })
}

/// The share of a normal distribution below this many deviations, within 0.01 of it: a logistic curve (Bowling et al.,
/// 2009), as a blur need not be exact.
fn normal(deviations: f64) -> f64 {
    1.0 / (1.0 + (-1.702 * deviations).exp())
}

/// The population stability index over ten bins, from the shares up to each edge. An empty bin counts as half a value.
fn index(reference: &[f64; EDGES], recent: &[f64; EDGES], count: f64) -> f64 {
    let bins = |shares: &[f64; EDGES]| {
        let inner = shares.iter().skip(1).step_by(2).copied().chain([1.0]);
        let mut before = 0.0;
        let parts: Vec<f64> = inner.map(|it| (it - std::mem::replace(&mut before, it)).max(0.0)).collect();
        let all = 1.0 + 0.5 * parts.len() as f64 / count;
        parts.into_iter().map(move |it| (it + 0.5 / count) / all)
    };
    bins(reference).zip(bins(recent)).map(|(q, p)| (p - q) * (p / q).ln()).sum()
}

/// As how many independent values these count, by how alike neighbors are: `n · (1 - r) / (1 + r)`.
fn independent(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance: f64 = values.iter().map(|it| (it - mean).powi(2)).sum();
    let together: f64 = values.windows(2).map(|it| (it[0] - mean) * (it[1] - mean)).sum();
    let alike = if variance > 0.0 { (together / variance).clamp(0.0, ALIKE_MAX) } else { 0.0 };
    (count * (1.0 - alike) / (1.0 + alike)).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random, one standard deviation around 0.
    fn noise(seed: u64) -> impl Iterator<Item = f64> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        std::iter::repeat_with(move || {
            let sum: f64 = (0..12)
                .map(|_| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (state >> 11) as f64 / (1_u64 << 53) as f64
                })
                .sum();
            sum - 6.0
        })
    }

    /// The drift of a signal that had these values for six days and has others for one.
    fn drift(
        seed: u64,
        floor: f64,
        before: impl Fn(f64, f64) -> f64,
        after: impl Fn(f64, f64) -> f64,
    ) -> f64 {
        let mut log = DriftLog::new(vec![floor]);
        let push = |log: &mut DriftLog, t: usize, value: f64| {
            let point = Point { at: Timestamp(t as f64 * 600.0), values: vec![value], missing: vec![false] };
            assert!(log.push(&point));
        };
        let mut noise = noise(seed);
        let hour = |t: usize| (t as f64 / 144.0 * std::f64::consts::TAU).sin();
        (0..864).for_each(|t| push(&mut log, t, before(noise.next().unwrap(), hour(t))));
        let reference = log.reference();
        assert!(reference.is_valid());
        (864..1_008).for_each(|t| push(&mut log, t, after(noise.next().unwrap(), hour(t))));
        reference.ratios(&log)[0].unwrap()
    }

    #[test]
    fn what_stays_as_it_was_is_below_the_limit() {
        let highest = |of: fn(f64, f64) -> f64, floor: f64| {
            (0..40).map(|seed| drift(seed, floor, of, of)).fold(0.0, f64::max)
        };
        assert!(highest(|noise, _| noise, 0.0) < 1.0);
        assert!(highest(|noise, hour| noise + 3.0 * hour, 0.0) < 1.0);
        assert!(highest(|_, _| 0.3, 0.05) < 0.01);
        assert!(highest(|_, _| 0.3, 0.0) < 0.01);
    }

    #[test]
    fn what_moves_by_a_deviation_or_swings_twice_as_far_is_above_it() {
        for seed in 0..10 {
            assert!(drift(seed, 0.0, |noise, _| noise, |noise, _| noise + 1.0) > 1.0);
            assert!(drift(seed, 0.0, |noise, _| noise, |noise, _| 2.5 * noise) > 1.0);
            assert!(drift(seed, 0.1, |noise, _| noise * 0.1, |noise, _| noise * 0.1 + 0.3) > 1.0);
            assert!(
                drift(seed, 0.0, |noise, hour| noise + 3.0 * hour, |noise, hour| noise + 3.0 * hour + 5.0)
                    > 1.0
            );
        }
    }

    #[test]
    fn what_moves_within_the_floor_does_not() {
        assert!(drift(1, 0.05, |_, _| 0.005, |_, _| 0.01) < 0.6);
        assert!(drift(1, 0.0, |_, _| 0.005, |_, _| 0.01) > 1.0);
        assert!(drift(1, 0.05, |noise, _| 0.3 + 0.001 * noise, |noise, _| 0.305 + 0.002 * noise) < 0.6);
    }

    #[test]
    fn too_little_says_nothing_and_the_log_is_bounded() {
        let mut log = DriftLog::new(vec![0.0]);
        let reference = log.reference();
        assert_eq!(reference.ratios(&log), [None]);
        for t in 0..20_000 {
            let missing = vec![t % 2 == 0];
            log.push(&Point { at: Timestamp(t as f64 * 300.0), values: vec![t as f64], missing });
        }
        assert!(log.rows.len() <= ROWS_MAX && log.fits(&DriftLog::new(vec![0.0])));
        // Each second point is taken, and that is one without a value.
        assert_eq!(log.reference().ratios(&log), [None]);
        log.push(&Point { at: Timestamp(600.0), values: vec![1.0], missing: vec![false] });
        assert_eq!(log.rows.len(), 1, "what lies in the future is dropped");
    }
}
