//! Finds the signals that left their range: the smallest and largest values of the day before.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reading::Timestamp;
use crate::report::Direction;
use crate::signal::Signal;

/// Smallest number of reference points for a range.
pub const REFERENCE_POINTS_MIN: usize = 60;
/// Largest number of signals named.
pub const EXCURSIONS_MAX: usize = 10;

/// The values of all signals at one point, in the order of the signals.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalValues {
    /// End of its window.
    pub at: Timestamp,
    /// One value for each signal; absent where it is missing.
    pub values: Vec<Option<f64>>,
}

/// A signal that left its range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DayRangeExcursion {
    /// Name of the signal, such as `cpu_busy_ratio`.
    pub signal: String,
    /// The signal in words.
    pub title: String,
    /// First point outside the range, in seconds since the epoch.
    pub at: f64,
    /// Its value there.
    pub value: f64,
    /// Smallest value of the day before, minus the noise floor.
    pub lower: f64,
    /// Largest value of the day before, plus the noise floor.
    pub upper: f64,
    /// Side on which it left, high or low.
    pub direction: String,
}

/// The signals that left their range, the earliest first, at most [`EXCURSIONS_MAX`].
pub fn excursions(
    signals: &[&'static Signal],
    points: &[SignalValues],
    reference: &[SignalValues],
) -> Vec<DayRangeExcursion> {
    let mut found: Vec<DayRangeExcursion> =
        signals.iter().enumerate().filter_map(|(idx, it)| excursion(it, idx, points, reference)).collect();
    found.sort_by(|one, other| one.at.total_cmp(&other.at));
    found.truncate(EXCURSIONS_MAX);
    found
}

fn excursion(
    signal: &'static Signal,
    idx: usize,
    points: &[SignalValues],
    reference: &[SignalValues],
) -> Option<DayRangeExcursion> {
    let value = |it: &SignalValues| it.values.get(idx).copied().flatten();
    let known = || reference.iter().filter_map(value);
    if known().count() < REFERENCE_POINTS_MIN {
        return None;
    }
    let lower = known().fold(f64::INFINITY, f64::min) - signal.floor;
    let upper = known().fold(f64::NEG_INFINITY, f64::max) + signal.floor;
    let (at, value) = points
        .iter()
        .filter_map(|it| Some((it.at, value(it)?)))
        .find(|(_, it)| !(lower..=upper).contains(it))?;
    let direction = if value > upper { Direction::High } else { Direction::Low };
    Some(DayRangeExcursion {
        signal: signal.name.to_owned(),
        title: signal.title.to_owned(),
        at: at.0,
        value,
        lower,
        upper,
        direction: direction.name().to_owned(),
    })
}
