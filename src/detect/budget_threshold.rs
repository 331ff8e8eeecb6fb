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

use crate::codec::{self, COUNT_MAX};

/// The limit is within this factor of the shipped one, on both sides.
pub const FACTOR: f64 = 2.0;
/// The highest score of so many seconds is kept; peaks in neighboring blocks are one.
const BLOCK: f64 = 1_800.0;
/// Blocks that are kept: four weeks, so that each day of the week was there some times.
pub const BLOCKS_MAX: usize = 4 * 7 * 48;
/// Blocks it takes to say anything: three days.
const BLOCKS_MIN: usize = 3 * 48;
/// Peaks it takes to fit a tail.
const PEAKS_MIN: usize = 12;
/// Share of the blocks that is above the threshold.
const ABOVE: f64 = 0.2;
/// The same for large budgets: at least so many times as many blocks as episodes are allowed, …
const ABOVE_PER_EPISODE: f64 = 4.0;
/// … but not nearly all of them.
const ABOVE_MAX: f64 = 0.8;
/// The shape is drawn towards an exponential tail as if so many peaks had shown one: the level that is passed once a
/// month lies far beyond the peaks, and an error of 0.1 in the shape would double the episodes.
const PRIOR_PEAKS: f64 = 100.0;
/// The tail is fitted anew each so many blocks.
const REFIT: usize = 4;
/// Shapes outside are chance: the moments of a heavier tail do not exist, a shorter one ends at the highest peak.
const SHAPE_MAX: f64 = 0.4;

/// The tail of the scores of one subject.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BudgetThreshold {
    /// Episodes that are allowed in a second.
    rate: f64,
    /// The limit that is shipped, on the scale of the scores.
    shipped: f64,
    /// The highest score of each block, the oldest first.
    blocks: VecDeque<f64>,
    /// Seconds of the block that is not full, and its highest score.
    open: (f64, f64),
    /// Seconds of a block, which are more than [`BLOCK`] where points are further apart.
    block: f64,
    /// Blocks since the tail was fitted.
    since_fit: usize,
    threshold: Option<f64>,
    /// As how much a score beyond the limit counts.
    beyond: f64,
}

impl BudgetThreshold {
    /// Knows nothing yet. `rate` is the number of episodes allowed in a second, `shipped` the limit without a budget.
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

    /// Whether this can go on in the place of `fresh`, which has the same settings.
    pub(crate) fn fits(&self, fresh: &Self) -> bool {
        codec::same(self.rate, fresh.rate)
            && codec::same(self.shipped, fresh.shipped)
            && self.blocks.len() <= BLOCKS_MAX
            && self.since_fit < COUNT_MAX
    }

    /// Takes note of one raw joint score, `elapsed` seconds after the one before; of gaps nothing is known.
    ///
    /// The score was judged before its point was learned, so it is held out by itself.
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

    /// The limit that spends the budget; nothing until enough is known.
    pub fn limit(&self) -> Option<f64> {
        self.threshold
    }

    /// The limit, and the mean of the peaks beyond it.
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
            // Each half hour is beyond what counts, and all of them count alike.
            return Some((highest, highest));
        }
        let excesses = self.excesses(threshold);
        if excesses.len() < PEAKS_MIN {
            return None;
        }
        let peaks_per_second = excesses.len() as f64 / (count as f64 * self.block);
        let tail = Pareto::fit(excesses)?;
        let limit = threshold + tail.level(self.rate / peaks_per_second);
        let limit = limit.clamp(self.shipped / FACTOR, highest);
        Some((limit, limit + tail.mean_beyond((limit - threshold).max(0.0))))
    }

    /// How far each peak is above the threshold; neighboring blocks above it are one peak.
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

/// A generalized Pareto distribution from 0 on: `P(x > y) = (1 + shape·y/scale)^(-1/shape)`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pareto {
    scale: f64,
    shape: f64,
}

impl Pareto {
    /// By probability-weighted moments; nothing where all values are one.
    ///
    /// `a0 = mean(x)` and `a1 = mean((1 - p)·x)` with the plotting positions `p = (i - 0.35)/n`, then
    /// `shape = 2 - a0/(a0 - 2·a1)` and `scale = 2·a0·a1/(a0 - 2·a1)` (Hosking and Wallis, with `k = -shape`).
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
        // The mean is scale / (1 - shape), whatever became of the shape.
        Some(Self { scale: mean * (1.0 - shape), shape })
    }

    /// By how much values that exceed this exceed it, on average.
    fn mean_beyond(self, level: f64) -> f64 {
        (self.scale + self.shape * level).max(0.0) / (1.0 - self.shape)
    }

    /// What is exceeded with this probability; 0 for what is certain.
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
    use crate::budget::Budget;
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

    /// A budget against scores of 100 weeks after the first four, in the closed loop; episodes a week.
    fn episodes(budget: &str, mut score: impl FnMut(usize) -> f64) -> (f64, f64) {
        let rate = budget.parse::<Budget>().unwrap().rate().unwrap();
        let mut tail = BudgetThreshold::new(rate, 5.0);
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
            let (mut random, mut tail) = (SeededRng::new(1), BudgetThreshold::new(1.0 / 604_800.0, 5.0));
            for t in 0..WEEK {
                assert!(tail.limit().is_none() || t >= 3 * DAY, "at {t}");
                assert!(tail.limit().is_some() || t <= 5 * DAY, "at {t}");
                tail.learn(STEP as f64, scale * exponential(t, &mut random));
            }
            assert_eq!(tail.limit(), Some(bound));
        }
    }

    #[test]
    fn scores_that_are_all_one_or_none_say_nothing() {
        for score in [0.0, 1.0, f64::NAN] {
            let mut tail = BudgetThreshold::new(1e-6, 5.0);
            (0..WEEK).for_each(|_| tail.learn(STEP as f64, score));
            assert_eq!(tail.limit(), None, "{score}");
        }
    }

    /// Quantiles of a distribution give its parameters back.
    #[test]
    fn a_known_distribution_is_found() {
        for (scale, shape) in [(1.0, 0.0), (2.0, 0.2), (0.5, -0.3)] {
            let known = Pareto { scale, shape };
            let values = (0..20_000).map(|i| known.level((f64::from(i) + 0.5) / 20_000.0)).collect();
            let found = Pareto::fit(values).unwrap();
            assert!((found.scale - scale).abs() < 0.03 && (found.shape - shape).abs() < 0.03, "{found:?}");
        }
    }
}
