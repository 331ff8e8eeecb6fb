//! Derives a threshold from a budget: the score that a subject exceeds as often as allowed, from the tail of its scores.
//!
//! Peaks above a threshold follow a generalized Pareto distribution (Pickands, 1975), used on streams by Siffer et al.
//! ("Anomaly Detection in Streams with Extreme Value Theory", KDD 2017). Two things differ from their SPOT. A budget counts
//! episodes, not points, so peaks are declustered (Davison and Smith, 1990): only the highest score of each half hour
//! counts, and neighbors above the threshold are one peak. And SPOT drops peaks above its threshold, so the learned tail is
//! cut off, the threshold falls, and more is dropped. Here such a peak has the expected value of a peak above the threshold:
//! it counts, but the size of a fault says nothing about normal scores.
//!
//! The distribution is fitted by probability-weighted moments (Hosking and Wallis, "Parameter and Quantile Estimation for
//! the Generalized Pareto Distribution", 1987), which need no iteration and are more stable than likelihood on few peaks.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::learned_state_codec::{self, COUNT_MAX};

/// The threshold stays within this factor of the default, in both directions.
pub const FACTOR: f64 = 2.0;
/// Seconds of a block. Only its highest score is kept; peaks in adjacent blocks are one peak.
const BLOCK: f64 = 1_800.0;
/// Number of blocks kept: four weeks, so that each weekday occurs several times.
pub const BLOCKS_MAX: usize = 4 * 7 * 48;
/// Blocks needed for a first threshold: three days.
const BLOCKS_MIN: usize = 3 * 48;
/// Peaks needed to fit a tail.
const PEAKS_MIN: usize = 12;
/// Share of the blocks above the peak threshold.
const ABOVE: f64 = 0.2;
/// For large budgets: at least this many blocks above the peak threshold for each accepted episode, …
const ABOVE_PER_EPISODE: f64 = 4.0;
/// … but at most this share of all blocks.
const ABOVE_MAX: f64 = 0.8;
/// Weight of the prior towards an exponential tail, in peaks. The score exceeded once a month lies far beyond the
/// observed peaks, where an error of 0.1 in the shape would double the number of episodes.
const PRIOR_PEAKS: f64 = 100.0;
/// The tail is fitted again after this many blocks.
const REFIT: usize = 4;
/// Shapes beyond ± this are sampling error: a heavier tail has no moments, and a lighter one ends at the highest peak.
const SHAPE_MAX: f64 = 0.4;

/// The tail of the scores of one subject.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BudgetAlertLevel {
    /// Accepted episodes per second.
    rate: f64,
    /// The default threshold, on the scale of the scores.
    shipped: f64,
    /// The highest score of each block, oldest first.
    blocks: VecDeque<f64>,
    /// Seconds and highest score of the incomplete block.
    open: (f64, f64),
    /// Seconds of a block; more than [`BLOCK`] if points are further apart.
    block: f64,
    /// Blocks since the last fit.
    since_fit: usize,
    threshold: Option<f64>,
    /// Value with which a score beyond the threshold counts.
    beyond: f64,
}

impl BudgetAlertLevel {
    /// Creates a threshold without history. `rate` is the number of accepted episodes per second, `shipped` the
    /// threshold without a budget.
    pub fn new(rate: f64, shipped: f64) -> Self {
        let beyond = shipped * FACTOR;
        Self {
            rate,
            shipped,
            blocks: VecDeque::new(),
            open: (0.0, 0.0),
            block: BLOCK,
            since_fit: 0,
            threshold: None,
            beyond,
        }
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(crate) fn fits(&self, fresh: &Self) -> bool {
        learned_state_codec::is_bit_equal(self.rate, fresh.rate)
            && learned_state_codec::is_bit_equal(self.shipped, fresh.shipped)
            && self.blocks.len() <= BLOCKS_MAX
            && self.since_fit < COUNT_MAX
    }

    /// Records one raw joint score, `elapsed` seconds after the previous one; gaps are ignored.
    ///
    /// The score was computed before its point was learned, so it is a held-out score.
    pub fn learn(&mut self, elapsed: f64, score: f64) {
        if !(score.is_finite() && elapsed > 0.0) {
            return;
        }
        self.open = (self.open.0 + elapsed, self.open.1.max(score.min(self.beyond)));
        if self.open.0 < BLOCK {
            return;
        }
        if self.blocks.len() == BLOCKS_MAX {
            self.blocks.pop_front();
        }
        self.blocks.push_back(self.open.1);
        self.block = self.open.0;
        self.open = (0.0, 0.0);
        self.since_fit += 1;
        if self.since_fit >= REFIT {
            self.since_fit = 0;
            if let Some((limit, beyond)) = self.fit() {
                (self.threshold, self.beyond) = (Some(limit), beyond);
            }
        }
    }

    /// The threshold that spends the budget; `None` until there is enough history.
    pub fn limit(&self) -> Option<f64> {
        self.threshold
    }

    /// The threshold, and the mean of the peaks beyond it.
    fn fit(&self) -> Option<(f64, f64)> {
        let count = self.blocks.len();
        if count < BLOCKS_MIN {
            return None;
        }
        let above = (self.rate * self.block * ABOVE_PER_EPISODE).clamp(ABOVE, ABOVE_MAX);
        let mut sorted: Vec<f64> = self.blocks.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let threshold = sorted[((1.0 - above) * (count - 1) as f64) as usize];
        let highest = self.shipped * FACTOR;
        if threshold >= highest {
            // Every block is above the peak threshold, so all count as one peak.
            return Some((highest, highest));
        }
        let excesses = self.excesses(threshold);
        if excesses.len() < PEAKS_MIN {
            return None;
        }
        let peaks_per_second = excesses.len() as f64 / (count as f64 * self.block);
        let tail = GeneralizedPareto::fit(excesses)?;
        let limit = threshold + tail.level(self.rate / peaks_per_second);
        let limit = limit.clamp(self.shipped / FACTOR, highest);
        Some((limit, limit + tail.mean_beyond((limit - threshold).max(0.0))))
    }

    /// Excess of each peak over the peak threshold; adjacent blocks above it are one peak.
    fn excesses(&self, threshold: f64) -> Vec<f64> {
        let mut excesses: Vec<f64> = Vec::new();
        let mut before = false;
        for excess in self.blocks.iter().map(|it| it - threshold) {
            let above = excess > 0.0;
            match excesses.last_mut().filter(|_| before) {
                Some(peak) if above => *peak = peak.max(excess),
                _ if above => excesses.push(excess),
                _ => (),
            }
            before = above;
        }
        excesses
    }
}

/// A generalized Pareto distribution from 0: `P(x > y) = (1 + shape·y/scale)^(-1/shape)`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct GeneralizedPareto {
    scale: f64,
    shape: f64,
}

impl GeneralizedPareto {
    /// Fits by probability-weighted moments; `None` if all values are equal.
    ///
    /// `a0 = mean(x)` and `a1 = mean((1 - p)·x)` with the plotting positions `p = (i - 0.35)/n`, then `shape = 2 -
    /// a0/(a0 - 2·a1)` and `scale = 2·a0·a1/(a0 - 2·a1)` (Hosking and Wallis, with `k = -shape`).
    fn fit(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let weighted = values.iter().enumerate().map(|(i, it)| (1.0 - (i as f64 + 0.65) / count) * it);
        let weighted = weighted.sum::<f64>() / count;
        let difference = mean - 2.0 * weighted;
        if !(mean > 0.0 && difference > 0.0) {
            return None;
        }
        let shape = (2.0 - mean / difference).clamp(-SHAPE_MAX, SHAPE_MAX) * count / (count + PRIOR_PEAKS);
        // Adjusts the scale to the limited shape, because the mean is scale / (1 - shape).
        Some(Self { scale: mean * (1.0 - shape), shape })
    }

    /// Mean excess over this level, of the values beyond it.
    fn mean_beyond(self, level: f64) -> f64 {
        (self.scale + self.shape * level).max(0.0) / (1.0 - self.shape)
    }

    /// The level that is exceeded with this probability; 0 for probability 1.
    fn level(self, probability: f64) -> f64 {
        let log = -probability.min(1.0).ln();
        match self.shape.abs() < 1e-9 {
            true => self.scale * log,
            false => self.scale * ((self.shape * log).exp() - 1.0) / self.shape,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert_budget::AlertBudget;
    use crate::detect::seeded_rng::SeededRng;

    /// Points of three minutes.
    const STEP: usize = 180;
    const DAY: usize = 86_400 / STEP;
    const WEEK: usize = 7 * DAY;

    fn uniform(random: &mut SeededRng) -> f64 {
        f64::from(random.uniform()) + f64::from(random.uniform()) / (1 << 24) as f64 + 1e-15
    }

    fn exponential(_: usize, random: &mut SeededRng) -> f64 {
        -0.5 * uniform(random).min(1.0).ln()
    }

    /// Simulates a budget against scores of 100 weeks after the first four, in a closed loop; returns episodes per
    /// week.
    fn episodes(budget: &str, mut score: impl FnMut(usize) -> f64) -> (f64, f64) {
        let rate = budget.parse::<AlertBudget>().unwrap().rate().unwrap();
        let mut tail = BudgetAlertLevel::new(rate, 5.0);
        let (mut count, mut calm, mut sum) = (0u32, 0, 0.0);
        for t in 0..104 * WEEK {
            let score = score(t);
            let limit = tail.limit().unwrap_or(5.0);
            calm += 1;
            if score >= limit {
                count += u32::from(calm > 1_800 / STEP && t >= 4 * WEEK);
                calm = 0;
            }
            sum += if t >= 4 * WEEK { limit } else { 0.0 };
            tail.learn(STEP as f64, score);
        }
        (f64::from(count) / 100.0, sum / (100 * WEEK) as f64)
    }

    fn check(name: &str, budget: &str, allowed: f64, score: fn(usize, &mut SeededRng) -> f64) {
        let mut random = SeededRng::new(11);
        let (found, limit) = episodes(budget, |t| score(t, &mut random));
        assert!((allowed / 2.0..allowed * 2.0).contains(&found), "{name}, {budget}: {found}, limit {limit}");
    }

    #[test]
    fn the_budget_is_spent_within_a_factor_of_two() {
        check("exponential", "1 per week", 1.0, exponential);
        check("exponential", "1 per day", 7.0, exponential);
        check("exponential", "1 per month", 7.0 / 30.0, exponential);
        check("half normal", "1 per week", 1.0, |_, random| {
            let mut normals = random.normals();
            f64::from(std::mem::take(&mut normals[0])).abs() * 1.2
        });
        check("heavy", "1 per week", 1.0, |_, random| 0.2 * (uniform(random).powf(-0.2) - 1.0) / 0.2);
        check("busy by day", "1 per week", 1.0, |t, random| {
            exponential(t, random) * if t % DAY < DAY / 2 { 1.2 } else { 0.7 }
        });
    }

    #[test]
    fn scores_that_come_in_clusters_spend_it_too() {
        let mut random = SeededRng::new(5);
        let mut smooth = 0.0;
        let (found, limit) = episodes("1 per week", |t| {
            smooth = 0.8 * smooth + 1.4 * exponential(t, &mut random);
            smooth
        });
        assert!((0.5..2.0).contains(&found), "{found}, limit {limit}");
    }

    #[test]
    fn a_fault_a_week_does_not_move_the_limit_much() {
        let limit = |fault: f64| {
            let mut random = SeededRng::new(2);
            episodes("1 per week", |t| {
                exponential(t, &mut random) + if t % WEEK < DAY / 12 { fault } else { 0.0 }
            })
            .1
        };
        let (without, with) = (limit(0.0), limit(30.0));
        assert!((with / without - 1.0).abs() < 0.15, "{without} {with}");
    }

    #[test]
    fn the_limit_is_absent_at_first_and_bounded_afterwards() {
        for (scale, bound) in [(0.01, 2.5), (100.0, 10.0)] {
            let (mut random, mut tail) = (SeededRng::new(1), BudgetAlertLevel::new(1.0 / 604_800.0, 5.0));
            for t in 0..WEEK {
                assert!(tail.limit().is_none() || t >= 3 * DAY, "at {t}");
                assert!(tail.limit().is_some() || t <= 5 * DAY, "at {t}");
                tail.learn(STEP as f64, scale * exponential(t, &mut random));
            }
            assert_eq!(tail.limit(), Some(bound));
        }
    }

    #[test]
    fn equal_or_missing_scores_give_no_threshold() {
        for score in [0.0, 1.0, f64::NAN] {
            let mut tail = BudgetAlertLevel::new(1e-6, 5.0);
            (0..WEEK).for_each(|_| tail.learn(STEP as f64, score));
            assert_eq!(tail.limit(), None, "{score}");
        }
    }

    /// Quantiles of a distribution yield its parameters.
    #[test]
    fn a_known_distribution_is_found() {
        for (scale, shape) in [(1.0, 0.0), (2.0, 0.2), (0.5, -0.3)] {
            let known = GeneralizedPareto { scale, shape };
            let values = (0..20_000).map(|i| known.level((f64::from(i) + 0.5) / 20_000.0)).collect();
            let found = GeneralizedPareto::fit(values).unwrap();
            assert!((found.scale - scale).abs() < 0.03 && (found.shape - shape).abs() < 0.03, "{found:?}");
        }
    }
}
