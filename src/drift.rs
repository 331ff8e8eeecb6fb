//! Detects drift: the distance of the signals' values of the last day from those of the training set; 1 is the
//! threshold.
//!
//! The higher of two measures counts. The first is the population stability index, `Σ (p - q) ln(p / q)` over ten bins
//! that hold a tenth of the training set each; 0.25 is a major shift (Siddiqi, "Credit Risk Scorecards", 2006). The
//! second is the two-sample statistic of Kolmogorov and Smirnov, the greatest distance of both distributions, divided
//! by its critical value (Smirnov, 1948). Both vary by chance if values are few and autocorrelated. So the number of
//! values is reduced to the number of independent ones (Bayley and Hammersley, 1946), and the index must exceed its
//! value by chance: `χ²(9) · (1/n + 1/m)` (Yurdakul and Naranjo, 2020).
//!
//! The noise floor blurs both distributions by one standard deviation, so a much smaller shift does not count.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::reading::Timestamp;
use crate::window::Point;

/// Seconds between two sampled values.
const EVERY_SECONDS: f64 = 600.0;
/// Values older than this many seconds are removed; a week has all weekdays, as a training set has.
pub const AGE_MAX: f64 = 7.0 * 86_400.0;
/// Seconds of recent values that are compared with the training set; one day includes a night.
const RECENT_SECONDS: f64 = 86_400.0;
/// Largest number of values of the only subject of a kind.
pub const ROWS_MAX: usize = 7 * 144;
/// Values needed on either side: eight hours.
const ROWS_MIN: usize = 48;
/// Number of values at which the distributions are compared, each a twentieth of the training set apart.
const EDGES: usize = 19;
/// Index of a major shift.
const INDEX_LIMIT: f64 = 0.25;
/// 99.9th percentile of χ² with nine degrees of freedom.
const CHI_SQUARE: f64 = 27.88;
/// The same for the greatest distance: `sqrt(-ln(0.001 / 2) / 2)`.
const KOLMOGOROV: f64 = 1.949;
/// Largest autocorrelation used, because correlation due to the time of day repeats every day.
const CORRELATION_MAX: f64 = 0.6;
/// A normal distribution in five equal parts, by their medians.
const PARTS: [f64; 5] = [-1.281_55, -0.524_40, 0.0, 0.524_40, 1.281_55];

/// Sampled values of the last days.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DriftSamples {
    /// The noise floor of each signal.
    floors: Vec<f64>,
    rows_max: usize,
    /// Oldest first; NaN for a missing signal.
    #[serde(with = "crate::learned_state_codec::timed_rows")]
    rows: VecDeque<(Timestamp, Box<[f32]>)>,
}

/// The distribution of each signal in a training set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DriftReference {
    /// `None` for signals with too few values.
    signals: Vec<Option<ValueDistribution>>,
}

/// The distribution of one signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ValueDistribution {
    edges: [f64; EDGES],
    /// Cumulative share of values at each edge.
    shares: [f64; EDGES],
    /// Number of independent values.
    count: f64,
}

/// At most `most` indices below `count`, evenly spread.
pub fn spread(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let taken = count.min(most);
    (0..taken).map(move |idx| idx * count / taken)
}

impl DriftSamples {
    /// Creates an empty log of signals with these noise floors.
    pub fn new(floors: Vec<f64>) -> Self {
        Self { floors, rows_max: ROWS_MAX, rows: VecDeque::new() }
    }

    /// Limits the number of values.
    pub fn with_rows_max(self, rows_max: usize) -> Self {
        Self { rows_max, ..self }
    }

    /// Pools the values of several subjects of a kind, with the same number of each at most, one subject after the
    /// other.
    pub fn pool_samples<'a>(logs: impl ExactSizeIterator<Item = &'a Self>) -> Self {
        let each_max = (ROWS_MAX / logs.len().max(1)).max(1);
        let mut joined = Self { rows_max: ROWS_MAX, ..Self::default() };
        for log in logs {
            joined.floors.clone_from(&log.floors);
            let rows = spread(log.rows.len(), each_max).filter_map(|idx| log.rows.get(idx));
            joined.rows.extend(rows.take(ROWS_MAX - joined.rows.len()).cloned());
        }
        joined
    }

    /// Whether this restored state can replace `fresh`, which has the same signals.
    pub(crate) fn fits(&self, fresh: &Self) -> bool {
        self.floors == fresh.floors
            && self.rows_max == fresh.rows_max
            && self.rows.len() <= self.rows_max
            && self.rows.iter().all(|(_, row)| row.len() == self.floors.len())
    }

    /// Samples a normal point, if one is due; returns whether it was.
    pub fn push(&mut self, point: &Point) -> bool {
        let at = point.at;
        // After a backward clock step, values from the future would never expire.
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

    /// The reference for a model that is trained now.
    pub fn reference(&self) -> DriftReference {
        let each = self.floors.iter().enumerate();
        DriftReference {
            signals: each
                .map(|(idx, floor)| ValueDistribution::of(&self.column(idx, f64::NEG_INFINITY), *floor))
                .collect(),
        }
    }

    /// Values of a signal since this time.
    fn column(&self, idx: usize, from: f64) -> Vec<f64> {
        let rows = self.rows.iter().filter(|(at, _)| at.0 >= from);
        let values = rows.filter_map(|(_, row)| row.get(idx)).map(|it| f64::from(*it));
        values.filter(|it| it.is_finite()).collect()
    }
}

impl DriftReference {
    /// Whether the decoded distributions are consistent.
    pub fn is_valid(&self) -> bool {
        let sound = |it: &ValueDistribution| {
            it.edges.iter().all(|it| it.is_finite())
                && it.shares.iter().all(|it| (0.0..=1.0).contains(it))
                && it.count >= 1.0
        };
        self.signals.iter().flatten().all(sound)
    }

    /// Drift of each signal; 1.0 is the threshold. `None` for signals with too few values.
    pub fn drift_ratios(&self, log: &DriftSamples) -> Vec<Option<f64>> {
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
        // The greatest distance is at most 1, so the critical value is limited to 1.
        index.max(apart / (KOLMOGOROV * noise.sqrt()).min(1.0))
    }
}

/// Cumulative share of the blurred values at each edge.
fn shares(values: &[f64], edges: &[f64; EDGES], blur: f64) -> [f64; EDGES] {
    edges.map(|edge| {
        let below = values.iter().map(|value| {
            if blur > 0.0 { normal((edge - value) / blur) } else { f64::from(u8::from(*value <= edge)) }
        });
        below.sum::<f64>() / values.len() as f64
    })
}

/// The cumulative standard normal distribution, accurate to 0.01, by a logistic curve (Bowling et al., 2009); a blur
/// need not be exact.
fn normal(deviations: f64) -> f64 {
    1.0 / (1.0 + (-1.702 * deviations).exp())
}

/// The population stability index over ten bins, from the cumulative shares at the edges. An empty bin counts as half
/// a value.
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

/// Number of independent values, by the autocorrelation of neighbors: `n · (1 - r) / (1 + r)`.
fn independent(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance: f64 = values.iter().map(|it| (it - mean).powi(2)).sum();
    let together: f64 = values.windows(2).map(|it| (it[0] - mean) * (it[1] - mean)).sum();
    let correlation = if variance > 0.0 { (together / variance).clamp(0.0, CORRELATION_MAX) } else { 0.0 };
    (count * (1.0 - correlation) / (1.0 + correlation)).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudorandom numbers with standard deviation 1 around 0.
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

    /// The drift of a signal with these values for six days and others for one.
    fn drift(
        seed: u64,
        floor: f64,
        before: impl Fn(f64, f64) -> f64,
        after: impl Fn(f64, f64) -> f64,
    ) -> f64 {
        let mut log = DriftSamples::new(vec![floor]);
        let push = |log: &mut DriftSamples, t: usize, value: f64| {
            let point = Point { at: Timestamp(t as f64 * 600.0), values: vec![value], missing: vec![false] };
            assert!(log.push(&point));
        };
        let mut noise = noise(seed);
        let hour = |t: usize| (t as f64 / 144.0 * std::f64::consts::TAU).sin();
        (0..864).for_each(|t| push(&mut log, t, before(noise.next().unwrap(), hour(t))));
        let reference = log.reference();
        assert!(reference.is_valid());
        (864..1_008).for_each(|t| push(&mut log, t, after(noise.next().unwrap(), hour(t))));
        reference.drift_ratios(&log)[0].unwrap()
    }

    #[test]
    fn an_unchanged_signal_is_below_the_threshold() {
        let highest = |of: fn(f64, f64) -> f64, floor: f64| {
            (0..40).map(|seed| drift(seed, floor, of, of)).fold(0.0, f64::max)
        };
        assert!(highest(|noise, _| noise, 0.0) < 1.0);
        assert!(highest(|noise, hour| noise + 3.0 * hour, 0.0) < 1.0);
        assert!(highest(|_, _| 0.3, 0.05) < 0.01);
        assert!(highest(|_, _| 0.3, 0.0) < 0.01);
    }

    #[test]
    fn a_shift_by_a_deviation_or_twice_the_amplitude_is_above_it() {
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
    fn a_shift_within_the_noise_floor_does_not_drift() {
        assert!(drift(1, 0.05, |_, _| 0.005, |_, _| 0.01) < 0.6);
        assert!(drift(1, 0.0, |_, _| 0.005, |_, _| 0.01) > 1.0);
        assert!(drift(1, 0.05, |noise, _| 0.3 + 0.001 * noise, |noise, _| 0.305 + 0.002 * noise) < 0.6);
    }

    #[test]
    fn few_values_give_no_drift_and_the_log_is_bounded() {
        let mut log = DriftSamples::new(vec![0.0]);
        let reference = log.reference();
        assert_eq!(reference.drift_ratios(&log), [None]);
        for t in 0..20_000 {
            let missing = vec![t % 2 == 0];
            log.push(&Point { at: Timestamp(t as f64 * 300.0), values: vec![t as f64], missing });
        }
        assert!(log.rows.len() <= ROWS_MAX && log.fits(&DriftSamples::new(vec![0.0])));
        // Every second point is sampled, and those have no value.
        assert_eq!(log.reference().drift_ratios(&log), [None]);
        log.push(&Point { at: Timestamp(600.0), values: vec![1.0], missing: vec![false] });
        assert_eq!(log.rows.len(), 1, "what lies in the future is dropped");
    }
}
