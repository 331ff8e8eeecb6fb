//! Fits the usual values by time of day and week from several weeks of buckets.
//!
//! STL (Cleveland et al. 1990) splits a signal into trend, season and remainder; with two weeks, MSTL (Bandara et al. 2021)
//! finds a daily and a weekly season. Only the newest cycle of the season is kept. The level is tracked as in scoring, as an
//! exponential mean of the remainder, so that the spread is that of the distances to be scored.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use stlrs::{Mstl, Stl, StlParams};

use super::bucket_grid::BucketGrid;
use super::fill_gaps::fill;
use super::five_minute_buckets::BucketHistory;
use crate::detect::smoothing_factor;

/// Days needed for a fit: two periods.
pub(super) const DAYS_MIN: usize = 2;
/// Weeks needed to distinguish days of the week.
const WEEKS_MIN: usize = 2;
/// A season that explains a smaller share of the variance without the trend is ignored.
const STRENGTH_MIN: f64 = 0.4;
/// Days of the week are distinguished if they explain more than this share of the rest.
const WEEKLY_STRENGTH_MIN: f64 = 0.2;
/// Number of cycles in the seasonal smoother: the last eleven days and all weeks, with decreasing weights.
const SPAN_OF_DAYS: usize = 11;
const SPAN_OF_WEEKS: usize = 15;
/// At its end, the smoother over eleven cycles has the effect of about seven equal weights.
const CYCLES_MAX: f64 = 7.0;
/// Iterations between trend and season and between both seasons; two took almost four times as long without better
/// results.
const ROUNDS: usize = 1;
/// Half-life of the level, in days.
pub(super) const LEVEL_DAYS: f64 = 1.0;
/// Share of the distances within the normal range.
const WITHIN_BOUNDS: f64 = 0.995;
/// Median absolute value of normal noise, as a share of its standard deviation.
const MEDIAN_OF_NORMAL: f64 = 0.6745;
/// Smallest standard deviation, as a share of the signal's range.
const SPAN_SHARE_MIN: f64 = 0.01;
/// Smallest standard deviation.
const SPREAD_MIN: f64 = 1e-6;
/// A range below this share of the largest value is rounding of single precision.
const ROUNDING: f64 = 1e-6;

/// The season of one signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeasonalFit {
    /// Difference from its level in each bucket of a day, or of a week, counted from the epoch.
    pub(super) cycle: Arc<[f32]>,
    /// Its level at the end of the history.
    pub(super) level: f64,
    /// Standard deviation of points from the usual value, without the noise floor.
    pub(super) spread: f64,
    /// Share of the variance without the trend that the season explains.
    pub(super) strength: f64,
}

impl SeasonalFit {
    /// Usual difference of the signal from its level in this bucket.
    pub(super) fn at(&self, bucket: i64) -> f64 {
        let place = bucket.rem_euclid(self.cycle.len().max(1) as i64) as usize;
        self.cycle.get(place).map_or(0.0, |it| f64::from(*it))
    }
}

/// Result of a fit for one signal.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum FitResult {
    /// It has a season.
    Season(SeasonalFit),
    /// It has no season.
    Nothing,
    /// Too many values are missing.
    Unknown,
}

/// The usual values at each time of the day and week, of all signals of one subject.
#[derive(Debug, Clone, PartialEq)]
pub struct SeasonalFits {
    pub(super) found: Vec<FitResult>,
}

impl SeasonalFits {
    /// Number of signals with a season.
    pub fn seasons(&self) -> usize {
        self.found.iter().filter(|it| matches!(it, FitResult::Season(_))).count()
    }
}

impl BucketHistory {
    /// Fits a profile.
    pub fn fit(&self) -> SeasonalFits {
        let found = (0..self.width()).map(|idx| self.fit_one(&self.column(idx), self.within[idx]));
        SeasonalFits { found: found.collect() }
    }

    fn fit_one(&self, values: &[f32], within: f64) -> FitResult {
        let days = values.len() / self.grid.day();
        if days < DAYS_MIN {
            return FitResult::Unknown;
        }
        let Some(filled) = fill(values, self.grid) else { return FitResult::Unknown };
        let known = || values.iter().map(|it| f64::from(*it)).filter(|it| !it.is_nan());
        let (min, max) =
            known().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), it| (a.min(it), b.max(it)));
        let span = max - min;
        if span <= ROUNDING * max.abs().max(min.abs()) {
            return FitResult::Nothing;
        }
        let Some(SeasonalCycle { values: cycle, cycles, strength }) = cycle(&filled, self.first, self.grid)
        else {
            return FitResult::Nothing;
        };
        let mut season = SeasonalFit { cycle, level: 0.0, spread: 0.0, strength };
        let (level, errors) = follow(values, self.first, self.grid, &season);
        let spread = spread(errors) * inflation(cycles);
        let spread = spread.max(SPAN_SHARE_MIN * span).max(SPREAD_MIN);
        season.level = level;
        season.spread = spread.hypot(within.sqrt());
        FitResult::Season(season)
    }
}

/// The newest cycle of a season.
struct SeasonalCycle {
    /// Starting at a bucket that is a multiple of its length.
    values: Arc<[f32]>,
    /// Number of cycles that it averages.
    cycles: f64,
    strength: f64,
}

/// The season of values without gaps, if it is strong enough.
fn cycle(values: &[f32], first: i64, grid: BucketGrid) -> Option<SeasonalCycle> {
    // Subtracts the mean, to use single precision for the variation.
    let mean = values.iter().map(|it| f64::from(*it)).sum::<f64>() / values.len() as f64;
    let centered: Vec<f32> = values.iter().map(|it| (f64::from(*it) - mean) as f32).collect();
    let days = (values.len() / grid.day()) as f64;
    let weeks = values.len() as f64 / grid.week() as f64;
    let (daily, weekly, mut remainder) = if weeks >= WEEKS_MIN as f64 {
        let mut both = Mstl::params();
        both.iterations(ROUNDS).seasonal_lengths(&[SPAN_OF_DAYS, SPAN_OF_WEEKS]).stl_params(smoothers());
        let (mut seasonal, _, remainder) = both.fit(&centered, &[grid.day(), grid.week()]).ok()?.into_parts();
        let weekly = seasonal.pop()?;
        (seasonal.pop()?, Some(weekly), remainder)
    } else {
        let (seasonal, _, remainder, _) =
            smoothers().seasonal_length(SPAN_OF_DAYS).fit(&centered, grid.day()).ok()?.into_parts();
        (seasonal, None, remainder)
    };
    // With few weeks, a weekly season is mostly noise; it is then added to the remainder.
    let mut season = daily;
    let mut period = grid.day();
    let mut cycles = days.min(CYCLES_MAX);
    if let Some(weekly) = weekly {
        if strength(&weekly, &remainder, weeks) > WEEKLY_STRENGTH_MIN {
            season.iter_mut().zip(&weekly).for_each(|(all, part)| *all += part);
            (period, cycles) = (grid.week(), weeks);
        } else {
            remainder.iter_mut().zip(&weekly).for_each(|(all, part)| *all += part);
        }
    }
    let strength = strength(&season, &remainder, cycles);
    if strength.is_nan() || strength < STRENGTH_MIN {
        return None;
    }
    let mut newest = vec![0.0; period];
    for (idx, value) in season.iter().enumerate().skip(season.len() - period) {
        newest[(first + idx as i64).rem_euclid(period as i64) as usize] = *value;
    }
    Some(SeasonalCycle { values: newest.into(), cycles, strength })
}

/// STL with the default spans and few iterations.
fn smoothers() -> StlParams {
    let mut params = Stl::params();
    params.inner_loops(ROUNDS);
    params
}

/// Hyndman's strength of a season, `max(0, 1 - var(remainder) / var(season + remainder))` (Wang, Smith & Hyndman
/// 2006), corrected for the share of noise that a mean of few cycles explains: `1 / cycles`.
fn strength(season: &[f32], remainder: &[f32], cycles: f64) -> f64 {
    let rest = variance(remainder.iter().map(|it| f64::from(*it)));
    let all = variance(season.iter().zip(remainder).map(|(a, b)| f64::from(*a) + f64::from(*b)));
    1.0 - rest / (all * (1.0 - 1.0 / cycles.max(DAYS_MIN as f64))).max(f64::MIN_POSITIVE)
}

fn variance(values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    values.map(|it| (it - mean).powi(2)).sum::<f64>() / count
}

/// Past values are closer to their season than future ones will be: by `sqrt((1 + 1/n) / (1 - 1/n))` for a mean of `n`
/// cycles.
fn inflation(cycles: f64) -> f64 {
    let share = 1.0 / cycles.max(DAYS_MIN as f64);
    ((1.0 + share) / (1.0 - share)).sqrt()
}

/// Tracks the level as in scoring; returns the final level and the distance of each value from its expected value.
fn follow(values: &[f32], first: i64, grid: BucketGrid, season: &SeasonalFit) -> (f64, Vec<f64>) {
    let rest = || {
        let each = values.iter().enumerate().filter(|(_, value)| !value.is_nan());
        each.map(|(idx, value)| f64::from(*value) - season.at(first + idx as i64))
    };
    let late = smoothing_factor(LEVEL_DAYS * grid.day() as f64);
    let mut level = median(&mut rest().take(grid.day()).collect::<Vec<f64>>()).unwrap_or(0.0);
    let errors = rest().map(|value| {
        let error = value - level;
        level += late * error;
        error.abs()
    });
    let errors = errors.collect();
    (level, errors)
}

/// A robust standard deviation: by the median distance, and large enough that few distances exceed the range.
fn spread(mut errors: Vec<f64>) -> f64 {
    let middle = median(&mut errors).unwrap_or(0.0) / MEDIAN_OF_NORMAL;
    let rank = (WITHIN_BOUNDS * errors.len() as f64) as usize;
    if rank >= errors.len() {
        return middle;
    }
    let (_, outer, _) = errors.select_nth_unstable_by(rank, f64::total_cmp);
    middle.max(*outer / super::THRESHOLD)
}

fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let (_, middle, _) = values.select_nth_unstable_by(values.len() / 2, f64::total_cmp);
    Some(*middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::seeded_rng::SeededRng;

    const DAY: usize = 48;

    fn grid() -> BucketGrid {
        BucketGrid::new(DAY as f64, crate::detect::seasonal::BUCKETS_PER_DAY_MAX).unwrap()
    }

    fn history(values: &[f32], first: i64) -> BucketHistory {
        let rows = values.iter().map(|it| Arc::from([*it])).collect();
        BucketHistory { grid: grid(), first, rows, within: vec![0.0] }
    }

    /// A daily wave.
    fn wave(bucket: i64) -> f64 {
        (std::f64::consts::TAU * bucket as f64 / DAY as f64).sin()
    }

    /// Low at weekends; the epoch was a Thursday.
    fn weekend(bucket: i64) -> f64 {
        if matches!(bucket.div_euclid(DAY as i64).rem_euclid(7), 2 | 3) { -4.0 } else { 0.0 }
    }

    fn series(first: i64, days: usize, noise: f64, value: impl Fn(i64) -> f64) -> Vec<f32> {
        let mut random = SeededRng::new(7);
        let each = first..first + (days * DAY) as i64;
        each.map(|bucket| (value(bucket) + noise * f64::from(random.normals()[0])) as f32).collect()
    }

    fn season(values: &[f32], first: i64) -> SeasonalFit {
        match history(values, first).fit().found.remove(0) {
            FitResult::Season(season) => season,
            other => panic!("{other:?}"),
        }
    }

    /// Fits days that begin at `first`, and compares the expected values of the following day with the actual ones.
    fn check(first: i64, days: usize, noise: f64, period: usize, value: impl Fn(i64) -> f64) {
        let found = season(&series(first, days, noise, &value), first);
        assert_eq!(found.cycle.len(), period, "{days} days: {found:?}");
        for bucket in first + (days * DAY) as i64..first + ((days + 1) * DAY) as i64 {
            let (expected, truth) = (found.level + found.at(bucket), value(bucket));
            assert!((expected - truth).abs() < 0.15 + 3.0 * noise, "{days} days: {expected}, is {truth}");
        }
        assert!((0.1..=0.2 + 3.0 * noise).contains(&found.spread), "{days} days: {}", found.spread);
        assert!(found.strength > 0.8, "{}", found.strength);
    }

    #[test]
    fn a_known_season_is_found() {
        check(0, 4, 0.0, DAY, |it| 20.0 + 5.0 * wave(it));
        check(17, 8, 0.3, DAY, |it| 20.0 + 5.0 * wave(it));
        check(-1_000, 28, 0.3, DAY, |it| 1e6 + 5.0 * wave(it));
    }

    #[test]
    fn a_trend_is_followed_and_is_no_season() {
        check(17, 10, 0.1, DAY, |it| 20.0 + 5.0 * wave(it) + 0.001 * it as f64);
        let drift = series(0, 14, 0.1, |it| 0.01 * it as f64);
        assert_eq!(history(&drift, 0).fit().found, [FitResult::Nothing]);
    }

    #[test]
    fn days_of_the_week_are_told_apart_after_two_weeks() {
        let value = |it| 20.0 + 3.0 * wave(it) + weekend(it);
        check(0, 14, 0.1, 7 * DAY, value);
        check(5 * DAY as i64 + 7, 28, 0.2, 7 * DAY, value);
        assert_eq!(season(&series(0, 13, 0.1, value), 0).cycle.len(), DAY);
    }

    #[test]
    fn noise_has_no_season() {
        let nothing = |values: &[f32]| assert_eq!(history(values, 0).fit().found, [FitResult::Nothing]);
        nothing(&[3.0; 4 * DAY]);
        nothing(&[0.0; 28 * DAY]);
        for days in [2, 3, 7, 14, 28] {
            nothing(&series(0, days, 1.0, |_| 5.0));
        }
    }

    #[test]
    fn short_histories_and_those_with_gaps_are_not_fitted() {
        let unknown = |values: &[f32]| assert_eq!(history(values, 0).fit().found, [FitResult::Unknown]);
        unknown(&[]);
        unknown(&series(0, 2, 0.0, wave)[1..]);
        let mut holed = series(0, 4, 0.0, wave);
        holed[..2 * DAY].fill(f32::NAN);
        unknown(&holed);
    }

    #[test]
    fn gaps_change_little() {
        let mut values = series(0, 14, 0.1, |it| 20.0 + 5.0 * wave(it));
        for from in [0, 100, 101, 300, 660] {
            values[from..from + 12].fill(f32::NAN);
        }
        let found = season(&values, 0);
        assert!((0..DAY as i64).all(|it| (found.at(it) - 5.0 * wave(it)).abs() < 0.4), "{found:?}");
    }

    /// The season equals that of the crate, called directly with the values.
    #[test]
    fn agrees_with_the_crate() {
        let same = |days: usize, seasonal: &[f32]| {
            let found = season(&series(0, days, 0.3, |it| 2.0 + wave(it) + weekend(it)), 0);
            let period = found.cycle.len();
            let newest = seasonal.iter().enumerate().skip(days * DAY - period);
            let far =
                newest.map(|(idx, it)| (found.at(idx as i64) - f64::from(*it)).abs()).fold(0.0, f64::max);
            assert!(far < 1e-4, "{days} days: {far}");
        };
        let values = |days| series(0, days, 0.3, |it| 2.0 + wave(it) + weekend(it));
        let mut stl = Stl::params();
        stl.inner_loops(1);
        let daily = stl.clone().seasonal_length(11).fit(&values(2), DAY).unwrap();
        same(2, daily.seasonal());
        let mut mstl = Mstl::params();
        mstl.iterations(1).seasonal_lengths(&[11, 15]).stl_params(stl);
        let both = mstl.fit(&values(21), &[DAY, 7 * DAY]).unwrap();
        let sum: Vec<f32> = both.seasonal()[0].iter().zip(&both.seasonal()[1]).map(|(a, b)| a + b).collect();
        same(21, &sum);
    }
}
