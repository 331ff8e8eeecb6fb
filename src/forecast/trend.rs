//! The present trend of a signal, and how far it is believed to go.
//!
//! The slope is the median of the slopes between all pairs of values (Theil 1950, Sen 1968), so that outliers do not turn
//! it. It is fitted to the longest past in which the signal moved steadily up to the present. A trend is believed to last
//! as its age tells: one that has lasted `s` seconds goes on for `h` more with probability `s / (s + h)` (Gott 1993). Its
//! expected rise is that survival integrated, `slope * s * ln(1 + h / s)`: a trend damped by its own age, in the spirit of
//! Gardner and McKenzie (1985), without a factor to be guessed.

use super::ranks::{median, quantile};
use super::{DeseasonedSeries, TimedValue};

/// The shortest past that shows a trend, in seconds.
const SECONDS_MIN: f64 = 1_200.0;
/// Each past that is tried is shorter than the one before by this factor.
const SHORTER: f64 = 0.9;
/// Values that a trend is fitted to at most: 1,128 pairs.
const SAMPLES_MAX: usize = 48;
/// Fewer values show none.
const SAMPLES_MIN: usize = 12;
/// This share of the past has to be covered by values.
const COVERED_MIN: f64 = 0.9;
/// The rise is at least so many times the spread about the line.
const RISE_PER_SPREAD_MIN: f64 = 6.0;
/// The median distance of normal noise is this share of its standard deviation.
const MEDIAN_OF_NORMAL: f64 = 0.6745;
/// Slopes over half of the past: the tenth that is lowest and the tenth that is highest are left out.
const SLOPES_OUTER: f64 = 0.1;
/// Each of the others is at least this share of the slope.
const STEADY_MIN: f64 = 0.4;
/// At both ends the line is no further from the values than this share of the rise and so many deviations of their noise:
/// the signal moved from the beginning on, and neither stopped nor sped up.
const END_SHARE_MAX: f64 = 0.04;
const NOISE_DEVIATIONS: f64 = 1.0;
/// The parts of a past in which the signal rose faster and faster: each rises faster than the one before by this factor …
const FASTER_MIN: f64 = 1.15;
/// … and the first one by at least this share of the last.
const FIRST_SHARE_MIN: f64 = 0.1;
/// The values at each end, whose median is compared with the line.
const END_SAMPLES: usize = 5;

/// A steady movement up to the present.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Trend {
    /// Seconds that it has lasted, at least.
    pub(super) seconds: f64,
    /// Seconds for which the signal has risen, straight or faster and faster; at least `seconds`.
    pub(super) age: f64,
    /// The value of the line at its end.
    pub(super) level: f64,
    /// Change in a second.
    pub(super) slope: f64,
    /// The steepest change in a second over half of its past, outliers left out; in the direction of the slope.
    pub(super) steepest: f64,
    /// Standard deviation of values about the line.
    pub(super) spread: f64,
}

impl Trend {
    /// The trend over the longest past in which there is one.
    pub(super) fn find(series: &DeseasonedSeries) -> Option<Self> {
        let end = series.newest()?.at;
        let oldest = |of: &[TimedValue]| of.first().map_or(end, |it| it.at);
        let (fine, longest) = (end - oldest(&series.fine), end - oldest(&series.coarse));
        let mut seconds = longest.max(fine);
        let mut age = 0.0_f64;
        while SECONDS_MIN <= seconds {
            let samples = if seconds <= fine { &series.fine } else { &series.coarse };
            if let Some(trend) = Self::over(samples, end, seconds) {
                return Some(Self { age: age.max(trend.seconds), ..trend });
            }
            if age == 0.0 && rises_faster(samples, end, seconds) {
                age = seconds;
            }
            seconds *= SHORTER;
        }
        None
    }

    /// The trend over so many seconds, if the signal moved steadily.
    fn over(samples: &[TimedValue], end: f64, seconds: f64) -> Option<Self> {
        let within = &samples[samples.partition_point(|it| it.at < end - seconds)..];
        let taken = thinned(within);
        let covered = taken.last()?.at - taken.first()?.at;
        if taken.len() < SAMPLES_MIN || covered < COVERED_MIN * seconds {
            return None;
        }
        let slope = median(&mut slopes(&taken))?;
        let height = |it: &TimedValue| it.value - slope * (it.at - end);
        let level = median(&mut taken.iter().map(height).collect::<Vec<f64>>())?;
        let mut distances: Vec<f64> = taken.iter().map(|it| (height(it) - level).abs()).collect();
        let spread = median(&mut distances)? / MEDIAN_OF_NORMAL;
        let rise = (slope * covered).abs();
        if rise <= 0.0 || rise < RISE_PER_SPREAD_MIN * spread {
            return None;
        }
        let mut halves = slopes_over_half(&taken);
        let (lowest, highest) =
            (quantile(&mut halves, SLOPES_OUTER)?, quantile(&mut halves, 1.0 - SLOPES_OUTER)?);
        let (flattest, steepest) = if slope < 0.0 { (highest, lowest) } else { (lowest, highest) };
        let noise = noise(&taken)?;
        let tolerance = END_SHARE_MAX * rise + NOISE_DEVIATIONS * noise;
        let ends = [&taken[..END_SAMPLES], &taken[taken.len() - END_SAMPLES..]];
        let [begin, end] =
            ends.map(|it| median(&mut it.iter().map(|it| height(it) - level).collect::<Vec<f64>>()));
        let is_straight = [begin?, end?].iter().all(|it| it.abs() <= tolerance);
        let is_steady = is_straight && STEADY_MIN <= flattest / slope;
        is_steady.then_some(Self {
            seconds: covered,
            age: covered,
            level: level + end?,
            slope,
            steepest,
            spread,
        })
    }

    /// How far the signal moved while the trend lasted.
    pub(super) fn rise(&self) -> f64 {
        self.slope * self.seconds
    }

    /// How far the signal is expected to move in so many seconds more.
    pub(super) fn damped_rise(&self, ahead: f64) -> f64 {
        self.rise() * (ahead.max(0.0) / self.seconds).ln_1p()
    }
}

/// Whether the signal rose all along in so many seconds up to `end`, and faster in each third of them.
///
/// The age of such a rise is that of all of it, although only its end is straight: what speeds up is less likely to stop
/// than what has just begun.
fn rises_faster(samples: &[TimedValue], end: f64, seconds: f64) -> bool {
    let within = &samples[samples.partition_point(|it| it.at < end - seconds)..];
    let taken = thinned(within);
    let covered = taken.last().zip(taken.first()).map_or(0.0, |(last, first)| last.at - first.at);
    if taken.len() < 3 * SAMPLES_MIN || covered < COVERED_MIN * seconds {
        return false;
    }
    let third = taken.len() / 3;
    let parts = [&taken[..third], &taken[third..2 * third], &taken[2 * third..]];
    let [first, second, last] = parts.map(|it| median(&mut slopes(it)).unwrap_or_default());
    0.0 < last
        && FIRST_SHARE_MIN * last <= first
        && FASTER_MIN * first <= second
        && FASTER_MIN * second <= last
}

/// Standard deviation of the values about any smooth curve: from their second differences, whose is `sqrt(6)` times as large.
fn noise(samples: &[TimedValue]) -> Option<f64> {
    let bends = samples.windows(3).map(|it| (it[0].value - 2.0 * it[1].value + it[2].value).abs());
    median(&mut bends.collect::<Vec<f64>>()).map(|it| it / MEDIAN_OF_NORMAL / 6.0_f64.sqrt())
}

/// At most [`SAMPLES_MAX`] of these, evenly spread, the newest among them.
fn thinned(samples: &[TimedValue]) -> Vec<TimedValue> {
    let taken = samples.len().min(SAMPLES_MAX);
    (1..=taken).map(|idx| samples[idx * samples.len() / taken - 1]).collect()
}

/// The slopes between all pairs.
fn slopes(samples: &[TimedValue]) -> Vec<f64> {
    let mut pairs = Vec::with_capacity(samples.len() * samples.len() / 2);
    for (idx, one) in samples.iter().enumerate() {
        pairs.extend(samples[idx + 1..].iter().filter_map(|other| slope_between(one, other)));
    }
    pairs
}

/// The slopes over half of the past each.
fn slopes_over_half(samples: &[TimedValue]) -> Vec<f64> {
    let pairs = samples.iter().zip(&samples[samples.len() / 2..]);
    pairs.filter_map(|(one, other)| slope_between(one, other)).collect()
}

fn slope_between(one: &TimedValue, other: &TimedValue) -> Option<f64> {
    let seconds = other.at - one.at;
    (seconds > 0.0).then(|| (other.value - one.value) / seconds)
}
