//! The time until a filesystem or the memory is full: a range, or nothing.
//!
//! There is an answer only where a steady rise leads there within three times its age, which it does with probability 1/4
//! or more (see [`Trend`]), and where the signal did not rise like this before and come down again, as it does with logs
//! that are rotated, caches that are trimmed and backups that are moved away. Most of that recurs daily, so there is no
//! likely time before a day is known.

use std::cmp::Ordering;

use super::point_history::PointHistory;
use super::trend::Trend;
use super::{DeseasonedSeries, TimedValue};
use crate::reading::Timestamp;

/// Full.
const FULL: f64 = 1.0;
/// A smaller rise is none: this share of the whole.
const RISE_MIN: f64 = 0.01;
/// What moved by less in all its past does not rise by [`RISE_MIN`].
const MOVED_MIN: f64 = 0.5 * RISE_MIN;
/// A time longer than so many times the age of the trend is not told: that far it leads with probability 1/4.
const AGES_MAX: f64 = 3.0;
/// There is a likely time when the trend leads there with probability 1/2 or more.
const AGES_LIKELY_MAX: f64 = 1.0;
/// Seconds that have to be known for a likely time: without an earlier night, each backup looks like a fill. After a day, a
/// fall takes up to an hour to show in the trend.
const KNOWN_SECONDS_MIN: f64 = 90_000.0;
/// The earliest time allows for so many standard deviations about the line.
const DEVIATIONS: f64 = 2.0;
/// An earlier rise is like this one from this share of its height on.
const ALIKE_MIN: f64 = 0.5;
/// Where earlier rises ended is known to this share of the whole.
const PEAK_TOLERANCE: f64 = 0.03;
/// What an earlier rise ended in: a fall by this share of its height.
const FALL_MIN: f64 = 0.5;

/// When something will be full, in seconds from now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeUntilFull {
    /// At the steepest recent pace.
    pub earliest_seconds: f64,
    /// At the expected, damped pace; nothing while it is more likely than not that the rise ends before, and before a day
    /// is known.
    pub likely_seconds: Option<f64>,
}

impl TimeUntilFull {
    /// The times that are known by the value of the label `bound`, in whole seconds.
    pub fn bounds(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let bounds = [("earliest", Some(self.earliest_seconds)), ("likely", self.likely_seconds)];
        bounds.into_iter().filter_map(|(bound, seconds)| Some((bound, seconds?.round())))
    }

    /// Orders what is full sooner first: by the likely time, then by the earliest one.
    pub(crate) fn cmp_urgency(&self, other: &Self) -> Ordering {
        let likely = |it: &Self| it.likely_seconds.unwrap_or(f64::INFINITY);
        let by_likely = likely(self).total_cmp(&likely(other));
        by_likely.then_with(|| self.earliest_seconds.total_cmp(&other.earliest_seconds))
    }
}

/// The time until this signal, a share, reaches 1; nothing while it is flat or falls, rises unsteadily, or rises as it did
/// before without filling up.
pub fn time_until_full(history: &PointHistory, idx: usize, now: Timestamp) -> Option<TimeUntilFull> {
    let series = history.series(idx, |_| 0.0);
    let present = series.present(now)?;
    if moves_little(&series) {
        return None;
    }
    let trend = Trend::find(&series).filter(|it| RISE_MIN <= it.rise())?;
    let room = (FULL - trend.level).max(0.0);
    // What rises faster and faster is expected to keep its steepest pace at least.
    let speeds_up = trend.age > trend.seconds;
    let straight = room / if speeds_up { trend.steepest.max(trend.slope) } else { trend.slope };
    if AGES_MAX * trend.age < straight || has_come_down_before(&series, &trend, present) {
        return None;
    }
    let earliest = (room - DEVIATIONS * trend.spread).max(0.0) / trend.steepest.max(trend.slope);
    let damped = trend.age * (straight / trend.age).exp_m1();
    let since = now.0 - present.at;
    let first = series.fine.iter().chain(&series.coarse).map(|it| it.at).fold(now.0, f64::min);
    let is_likely = straight <= AGES_LIKELY_MAX * trend.age && first <= now.0 - KNOWN_SECONDS_MIN;
    Some(TimeUntilFull {
        earliest_seconds: (earliest - since).max(0.0),
        likely_seconds: is_likely.then_some((damped - since).max(0.0)),
    })
}

/// Whether no rise can be large enough: most filesystems are flat, and a trend takes a millisecond to be looked for.
fn moves_little(series: &DeseasonedSeries) -> bool {
    let values = || series.fine.iter().chain(&series.coarse).map(|it| it.value);
    let (lowest, highest) =
        (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    highest - lowest < MOVED_MIN
}

/// Whether earlier rises, half as steep or steeper, came at least this far and ended in a fall.
fn has_come_down_before(series: &DeseasonedSeries, trend: &Trend, present: TimedValue) -> bool {
    let began = present.at - trend.seconds;
    [&series.fine, &series.coarse].into_iter().any(|samples| {
        let peak = highest_peak(samples, trend, began);
        peak.is_some_and(|it| present.value <= it + PEAK_TOLERANCE)
    })
}

/// The highest value before this instant that followed a rise like this trend and was followed by a fall.
fn highest_peak(samples: &[TimedValue], trend: &Trend, until: f64) -> Option<f64> {
    let rise_min = ALIKE_MIN * trend.rise();
    let mut lowest_after = f64::INFINITY;
    let mut highest: Option<f64> = None;
    for (idx, peak) in samples.iter().enumerate().rev() {
        if peak.at <= until && FALL_MIN * rise_min <= peak.value - lowest_after {
            let from = peak.at - trend.seconds;
            let before = samples[..idx].iter().rev().take_while(|it| from <= it.at);
            let lowest = before.map(|it| it.value).fold(f64::INFINITY, f64::min);
            if rise_min <= peak.value - lowest {
                highest = Some(highest.map_or(peak.value, |it| it.max(peak.value)));
            }
        }
        lowest_after = lowest_after.min(peak.value);
    }
    highest
}
