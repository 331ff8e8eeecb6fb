//! Forecasts: the expected value of a signal ahead with an interval that widens, and the time until something is full.
//!
//! Both are computed from a thinned history of points on request, so they cost the sampling loop next to nothing. Neither
//! is a promise: a trend is assumed to last about as long as it has lasted. If the history does not support a forecast,
//! there is no result. The formulas and how they were judged are in `docs/forecast.md`.

use std::fmt;

use crate::reading::Timestamp;

mod per_device_history;
mod point_history;
mod forecast_error_interval;
mod ranks;
mod time_until_full;
mod trend;

pub use per_device_history::{FOLLOWED_DEVICES_MAX, PerDeviceHistory};
pub use point_history::{HistoryCapacity, PointHistory};
pub use time_until_full::{TimeUntilFull, time_until_full};

use forecast_error_interval::ErrorIntervals;
use trend::Trend;

/// Steps of one forecast at most; a forecast that asks for more has this many.
pub const FORECAST_POINTS_MAX: usize = 1_440;

/// Seconds ahead at most: as long as the history is.
pub const FORECAST_SECONDS_MAX: f64 = 7.0 * 86_400.0;

/// Values older than this many seconds are no present state to start from.
const STALE_SECONDS: f64 = 900.0;

/// The signals that can be full, so at 1 there is no more: the only ones with a time until full.
pub const FILLING_SIGNALS: [&str; 3] =
    ["filesystem_used_ratio", "filesystem_inodes_used_ratio", "memory_used_ratio"];

/// The forecast of one signal for one instant, in the unit of the signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForecastPoint {
    /// The instant.
    pub at: Timestamp,
    /// The expected value.
    pub expected: f64,
    /// The lower end of the interval in which nine of ten values are expected.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
}

/// For which instants a forecast is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForecastTimes {
    /// The present.
    pub now: Timestamp,
    /// Seconds to look ahead, at most [`FORECAST_SECONDS_MAX`].
    pub seconds: f64,
    /// Seconds from one instant to the next; at most [`FORECAST_POINTS_MAX`] of them are given.
    pub step_seconds: f64,
}

/// One signal, as a forecast needs it.
#[derive(Clone, Copy)]
pub struct ForecastInput<'a> {
    /// What the subject was like.
    pub history: &'a PointHistory,
    /// Which of its signals.
    pub idx: usize,
    /// The largest possible value; infinite if there is no maximum.
    pub max: f64,
    /// Whether it fills up, so that a recent trend goes on for a while. Of other signals on real hosts it does not.
    pub fills: bool,
    /// How far the signal usually stands from its level at an instant, where the time of day or week explains it.
    pub season: Option<&'a dyn Fn(Timestamp) -> f64>,
}

impl fmt::Debug for ForecastInput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForecastInput({})", self.idx)
    }
}

/// One value and when it was.
#[derive(Debug, Clone, Copy, PartialEq)]
struct TimedValue {
    /// Seconds since the epoch.
    at: f64,
    value: f64,
}

/// The values of one signal without its season, oldest first: often for the last hours, seldom for the last days.
#[derive(Debug)]
struct DeseasonedSeries {
    fine: Vec<TimedValue>,
    coarse: Vec<TimedValue>,
}

impl DeseasonedSeries {
    fn newest(&self) -> Option<TimedValue> {
        self.fine.last().copied()
    }

    /// The newest value, if it is of the present.
    fn present(&self, now: Timestamp) -> Option<TimedValue> {
        self.newest().filter(|it| (0.0..=STALE_SECONDS).contains(&(now.0 - it.at)))
    }
}

/// The forecast of a signal, first for one step ahead; nothing while too little is known, or when its newest value is old.
pub fn forecast(signal: &ForecastInput<'_>, horizon: &ForecastTimes) -> Option<Vec<ForecastPoint>> {
    let ForecastTimes { now, seconds, step_seconds } = *horizon;
    if !(step_seconds.is_finite() && step_seconds > 0.0) {
        return None;
    }
    let offset = |at: f64| signal.season.map_or(0.0, |season| season(Timestamp(at)));
    let series = signal.history.series(signal.idx, offset);
    let present = series.present(now)?;
    let intervals = ErrorIntervals::of(&series)?;
    // A season is a better reason to rise than a trend.
    let has_trend = signal.fills && signal.season.is_none();
    let trend = if has_trend { Trend::find(&series).filter(|it| !intervals.explain(it)) } else { None };
    let steps = (seconds.min(FORECAST_SECONDS_MAX) / step_seconds).floor() as usize;
    let mut widest = 0.0;
    let point = |step: usize| {
        let at = now.0 + step as f64 * step_seconds;
        let ahead = at - present.at;
        let interval = intervals.at(ahead);
        let (expected, lowest, highest) = match &trend {
            None => {
                let [lowest, highest] = intervals.expected_range(present.value, &interval);
                (intervals.expected(present.value, &interval), lowest, highest)
            }
            // It may end at once, or go on undamped.
            Some(trend) => {
                let straight = trend.level + trend.slope * ahead;
                let expected = trend.level + trend.damped_rise(ahead);
                (expected, trend.level.min(straight), trend.level.max(straight))
            }
        };
        let [lower, upper] =
            at_least_as_wide([lowest + interval.lower, highest + interval.upper], &mut widest);
        let offset = offset(at);
        let [expected, lower, upper] =
            [expected, lower, upper].map(|it| (it + offset).clamp(0.0, signal.max));
        ForecastPoint { at: Timestamp(at), expected, lower: lower.min(expected), upper: upper.max(expected) }
    };
    Some((1..=steps.min(FORECAST_POINTS_MAX)).map(point).collect())
}

/// The interval, widened at both ends to the width of the widest one before: what is further ahead is not known better, even
/// where the expected value approaches the level or the present value, between which the interval reaches.
fn at_least_as_wide([lower, upper]: [f64; 2], widest: &mut f64) -> [f64; 2] {
    let missing = (*widest - (upper - lower)).max(0.0);
    *widest = widest.max(upper - lower);
    [lower - missing / 2.0, upper + missing / 2.0]
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_interval_is_not_narrower_than_one_before() {
        let mut widest = 0.0;
        let mut next = |interval| super::at_least_as_wide(interval, &mut widest);
        let found = [[0.0, 4.0], [1.0, 3.0], [-1.0, 5.0], [1.0, 5.0]].map(&mut next);
        assert_eq!(found, [[0.0, 4.0], [0.0, 4.0], [-1.0, 5.0], [0.0, 6.0]]);
    }
}
