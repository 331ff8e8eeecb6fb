//! How far values lie from what was expected of them, by how far ahead they are.
//!
//! The past is forecast from each of its points, as the future will be, and the errors are counted: the interval is made of
//! their quantiles, with the correction of split conformal prediction for few of them (Vovk et al. 2005; Lei et al. 2018).
//! Neighboring errors overlap and are alike, so only as many count as do not overlap. No distribution is assumed.

use super::point_history::{COARSE_SECONDS, FINE_SECONDS};
use super::ranks::{median, quantile, weighted_median};
use super::trend::Trend;
use super::{DeseasonedSeries, TimedValue};

/// Share of values outside of the interval, on each side.
const OUTSIDE: f64 = 0.05;
/// Fewer errors show no interval.
const ERRORS_MIN: usize = 20;
/// The history is at least so many times as long as the distance ahead; further ahead intervals are extrapolated.
const SPANS_MIN: f64 = 4.0;
/// A pair of values is so far apart as it should be, give or take this share of the distance between two values.
const TOLERANCE: f64 = 0.6;
/// The distances ahead for which errors are counted, in values, of the last hours and of the last days.
const FINE_LAGS: [usize; 4] = [1, 2, 5, 10];
const COARSE_LAGS: [usize; 8] = [1, 2, 4, 8, 16, 36, 72, 144];

/// The errors of forecasts so far ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ForecastErrorInterval {
    /// How far ahead, in seconds.
    ahead: f64,
    /// The share of the present distance from the level that is left then, within 0 and 1.
    pub(super) memory: f64,
    /// How far the signal usually moves meanwhile.
    pub(super) drift: f64,
    /// The lower end of the interval, at most 0.
    pub(super) lower: f64,
    /// The upper end, at least 0.
    pub(super) upper: f64,
}

/// The errors of one signal.
#[derive(Debug)]
pub(super) struct ErrorIntervals {
    /// What the signal returns to.
    pub(super) level: f64,
    /// The ends of the interval of nine of ten values before the newest one.
    usual: [f64; 2],
    /// By distance, nearest first; at least one.
    known: Vec<ForecastErrorInterval>,
}

impl ErrorIntervals {
    /// Nothing while too little is known.
    pub(super) fn of(series: &DeseasonedSeries) -> Option<Self> {
        let coarse_is_enough = ERRORS_MIN < series.coarse.len();
        let long = if coarse_is_enough { &series.coarse } else { &series.fine };
        let mut past: Vec<f64> = long.iter().map(|it| it.value).collect();
        past.pop();
        let level = median(&mut past)?;
        let usual = [quantile(&mut past, OUTSIDE)?, quantile(&mut past, 1.0 - OUTSIDE)?];
        let tier = |samples: &[TimedValue], every: f64, lags: &[usize]| {
            let each = lags.iter().map_while(|lag| errors(samples, level, *lag as f64 * every, every));
            each.collect::<Vec<_>>()
        };
        let mut known = tier(&series.fine, FINE_SECONDS, &FINE_LAGS);
        let coarse = tier(&series.coarse, COARSE_SECONDS, &COARSE_LAGS);
        if let Some(first) = coarse.first() {
            known.retain(|it| it.ahead < first.ahead);
            // The last hours may have been calmer than the last days.
            for it in &mut known {
                let share = (it.ahead / first.ahead).sqrt();
                it.lower = it.lower.min(share * first.lower);
                it.upper = it.upper.max(share * first.upper);
            }
        }
        known.extend(coarse);
        // What is further ahead is not known better.
        for idx in 1..known.len() {
            let before = known[idx - 1];
            let it = &mut known[idx];
            (it.lower, it.upper) = (it.lower.min(before.lower), it.upper.max(before.upper));
        }
        (!known.is_empty()).then_some(Self { level, usual, known })
    }

    /// What is expected of a signal with this present value, by the time of the interval.
    pub(super) fn expected(&self, present: f64, interval: &ForecastErrorInterval) -> f64 {
        self.level + interval.memory * (present - self.level) + interval.drift
    }

    /// The lowest and the highest value that may be expected of a signal with this present value. From a value that the signal
    /// seldom has, as in an anomaly, it may return or stay: too few errors are known of either.
    pub(super) fn expected_range(&self, present: f64, interval: &ForecastErrorInterval) -> [f64; 2] {
        let expected = self.expected(present, interval);
        let [lower, upper] = self.usual;
        if (lower..=upper).contains(&present) {
            return [expected, expected];
        }
        [expected.min(self.level).min(present), expected.max(self.level).max(present)]
    }

    /// Whether the signal is still within the interval expected when the trend began, so there is no trend.
    pub(super) fn explain(&self, trend: &Trend) -> bool {
        let interval = self.at(trend.seconds);
        let distance = trend.level - self.expected(trend.level - trend.rise(), &interval);
        (interval.lower..=interval.upper).contains(&distance)
    }

    /// The interval so many seconds ahead, interpolated between those that are known.
    pub(super) fn at(&self, ahead: f64) -> ForecastErrorInterval {
        let next = self.known.partition_point(|it| it.ahead < ahead);
        match (next.checked_sub(1).and_then(|it| self.known.get(it)), self.known.get(next)) {
            (Some(before), Some(after)) => {
                let share = (ahead - before.ahead) / (after.ahead - before.ahead);
                let between = |one: f64, other: f64| one + share * (other - one);
                ForecastErrorInterval {
                    ahead,
                    memory: between(before.memory, after.memory),
                    drift: between(before.drift, after.drift),
                    lower: between(before.lower, after.lower),
                    upper: between(before.upper, after.upper),
                }
            }
            (Some(last), None) => last.extrapolated(ahead),
            (None, first) => first.copied().unwrap_or(ForecastErrorInterval {
                ahead,
                memory: 0.0,
                drift: 0.0,
                lower: f64::NEG_INFINITY,
                upper: f64::INFINITY,
            }),
        }
    }
}

impl ForecastErrorInterval {
    /// The interval further ahead, as that of an autoregressive process: it widens with the square root of time where the
    /// signal wanders, and not at all where it always returns to its level.
    fn extrapolated(&self, ahead: f64) -> Self {
        let times = ahead / self.ahead;
        let wider = sum_of_powers(self.memory.powi(2), times).clamp(1.0, times.max(1.0)).sqrt();
        Self {
            ahead,
            memory: self.memory.powf(times),
            drift: self.drift * sum_of_powers(self.memory, times),
            lower: wider * self.lower,
            upper: wider * self.upper,
        }
    }
}

/// `1 + base + base² + …`, so many terms, for a base within 0 and 1.
fn sum_of_powers(base: f64, terms: f64) -> f64 {
    if 1.0 - base < 1e-6 { terms } else { (1.0 - base.powf(terms)) / (1.0 - base) }
}

/// The errors of forecasts this many seconds ahead; `None` if there are too few.
fn errors(samples: &[TimedValue], level: f64, ahead: f64, every: f64) -> Option<ForecastErrorInterval> {
    let pairs = pairs(samples, ahead, TOLERANCE * every);
    let span = samples.last()?.at - samples.first()?.at;
    if pairs.len() < ERRORS_MIN || span < SPANS_MIN * ahead {
        return None;
    }
    let distances: Vec<(f64, f64)> = pairs.iter().map(|(one, other)| (one - level, other - level)).collect();
    // The line with the least absolute errors through the middle of both: its slope is a median, weighted.
    let middle = |of: fn(&(f64, f64)) -> f64| median(&mut distances.iter().map(of).collect::<Vec<f64>>());
    let (x_middle, y_middle) = (middle(|it| it.0)?, middle(|it| it.1)?);
    let centered = distances.iter().map(|(x, y)| (x - x_middle, y - y_middle));
    let mut ratios: Vec<(f64, f64)> = centered.map(|(x, y)| (y / x, x.abs())).collect();
    ratios.retain(|(ratio, _)| ratio.is_finite());
    let memory = weighted_median(&mut ratios).unwrap_or(0.0).clamp(0.0, 1.0);
    let mut errors: Vec<f64> = distances.iter().map(|(x, y)| y - memory * x).collect();
    let drift = median(&mut errors.clone())?;
    let outside = (OUTSIDE - (1.0 - OUTSIDE) / independent(&errors, drift).max(span / ahead)).max(0.0);
    let lower = quantile(&mut errors, outside)? - drift;
    let upper = quantile(&mut errors, 1.0 - outside)? - drift;
    Some(ForecastErrorInterval { ahead, memory, drift, lower: lower.min(0.0), upper: upper.max(0.0) })
}

/// How many independent errors would cross their median as often as these: independent ones do at every other.
fn independent(errors: &[f64], median: f64) -> f64 {
    let crossings = errors.windows(2).filter(|it| (it[0] < median) != (it[1] < median)).count();
    ((2 * crossings + 1) as f64).min(errors.len() as f64)
}

/// Pairs of values that are so many seconds apart.
fn pairs(samples: &[TimedValue], ahead: f64, tolerance: f64) -> Vec<(f64, f64)> {
    let mut later = samples.iter().peekable();
    let pairs = samples.iter().filter_map(|one| {
        while later.next_if(|it| it.at - one.at < ahead - tolerance).is_some() {}
        let other = later.peek()?;
        (other.at - one.at <= ahead + tolerance).then_some((one.value, other.value))
    });
    pairs.collect()
}
