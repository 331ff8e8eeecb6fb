//! Finds the signals that left their range: the smallest and largest values of the day before.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reading::Timestamp;
use crate::report::DeviationDirection;
use crate::signal::Signal;

/// Smallest number of reference points for a range.
pub const REFERENCE_POINTS_MIN: usize = 60;
/// Largest number of signals named.
pub const OUT_OF_RANGE_MAX: usize = 10;

/// The values of all signals at one point, in the order of the signals.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalValues {
    /// End of its window.
    pub at: Timestamp,
    /// One value for each signal; absent where it is missing.
    pub values: Vec<Option<f64>>,
}

/// The smallest and the largest value of each signal in the points of the day before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DayRanges {
    points: usize,
    /// In the order of the signals.
    signals: Vec<KnownValues>,
}

/// The values of one signal.
#[derive(Debug, Clone, Copy, PartialEq)]
struct KnownValues {
    count: usize,
    lowest: f64,
    highest: f64,
}

impl DayRanges {
    /// Takes one more point, as its values in the order of the signals; absent where one is missing.
    pub fn add(&mut self, values: impl Iterator<Item = Option<f64>>) {
        self.points += 1;
        for (idx, value) in values.enumerate() {
            if idx == self.signals.len() {
                self.signals.push(KnownValues {
                    count: 0,
                    lowest: f64::INFINITY,
                    highest: f64::NEG_INFINITY,
                });
            }
            let known = &mut self.signals[idx];
            let Some(value) = value else { continue };
            known.count += 1;
            known.lowest = known.lowest.min(value);
            known.highest = known.highest.max(value);
        }
    }

    /// Whether there are enough points for ranges.
    pub fn are_known(&self) -> bool {
        self.points >= REFERENCE_POINTS_MIN
    }

    /// The range of a signal, noise included; `None` with too few values.
    fn range(&self, signal: &Signal, idx: usize) -> Option<[f64; 2]> {
        let known = self.signals.get(idx).filter(|it| it.count >= REFERENCE_POINTS_MIN)?;
        Some([(known.lowest - signal.floor).max(known.lowest.min(0.0)), known.highest + signal.floor])
    }
}

/// A signal that left its range of the day before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutOfRangeSignal {
    /// Name of the signal, such as `cpu_busy_ratio`.
    pub signal: String,
    /// The signal in words.
    pub title: String,
    /// End of the first point outside the range, in seconds since the epoch. A point is the mean of `window` readings, so
    /// signals that left within 30 s of each other may have the same time.
    pub at: f64,
    /// Value of the signal at this point.
    pub value: f64,
    /// Smallest value of the day before, minus the noise floor; not below 0 unless a value was.
    pub lower: f64,
    /// Largest value of the day before, plus the noise floor.
    pub upper: f64,
    /// Whether the value is above (high) or below (low) the range.
    pub direction: String,
}

impl OutOfRangeSignal {
    /// How far the value is outside, in widths of the range.
    fn widths_outside(&self) -> f64 {
        (self.value - self.upper).max(self.lower - self.value) / (self.upper - self.lower)
    }
}

/// The signals that left their range, at most [`OUT_OF_RANGE_MAX`]: the earliest first, and at the same point the one first
/// that is farthest outside, compared with the width of its range. Single readings do not tell the order within a point: they
/// leave the range of means without any reason but noise.
pub fn find_out_of_range_signals(
    signals: &[&'static Signal],
    points: &[SignalValues],
    reference: &DayRanges,
) -> Vec<OutOfRangeSignal> {
    let mut found: Vec<OutOfRangeSignal> = signals
        .iter()
        .enumerate()
        .filter_map(|(idx, it)| out_of_range_signal(it, idx, points, reference))
        .collect();
    found.sort_by(|one, other| {
        one.at.total_cmp(&other.at).then_with(|| other.widths_outside().total_cmp(&one.widths_outside()))
    });
    found.truncate(OUT_OF_RANGE_MAX);
    found
}

fn out_of_range_signal(
    signal: &'static Signal,
    idx: usize,
    points: &[SignalValues],
    reference: &DayRanges,
) -> Option<OutOfRangeSignal> {
    let value = |it: &SignalValues| it.values.get(idx).copied().flatten();
    let [lower, upper] = reference.range(signal, idx)?;
    let (at, value) = points
        .iter()
        .filter_map(|it| Some((it.at, value(it)?)))
        .find(|(_, it)| !(lower..=upper).contains(it))?;
    let direction = if value > upper { DeviationDirection::High } else { DeviationDirection::Low };
    Some(OutOfRangeSignal {
        signal: signal.name.to_owned(),
        title: signal.title.to_owned(),
        at: at.0,
        value,
        lower,
        upper,
        direction: direction.name().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::SignalUnit;

    const fn signal(name: &'static str) -> Signal {
        Signal {
            kind: crate::reading::SubjectKind::Host,
            name,
            title: name,
            help: "",
            unit: SignalUnit::Ratio,
            floor: 0.05,
            device: None,
            formula: |_| None,
        }
    }

    static SIGNALS: [Signal; 3] = [signal("late"), signal("near"), signal("far")];

    #[test]
    fn the_first_is_the_earliest_and_then_the_farthest_and_no_range_falls_below_zero() {
        let point = |at: u32, values: [f64; 3]| SignalValues {
            at: Timestamp(f64::from(at)),
            values: values.map(Some).to_vec(),
        };
        let mut reference = DayRanges::default();
        (0..100).for_each(|_| reference.add([0.01, 0.02, 0.1].map(Some).into_iter()));
        let points = [point(100, [0.01, 0.2, 0.9]), point(130, [0.9, 0.2, 0.9])];
        let found = find_out_of_range_signals(&SIGNALS.iter().collect::<Vec<_>>(), &points, &reference);
        let names: Vec<_> = found.iter().map(|it| (&*it.signal, it.at, it.lower)).collect();
        assert_eq!(names, [("far", 100.0, 0.05), ("near", 100.0, 0.0), ("late", 130.0, 0.0)]);
    }

    #[test]
    fn a_range_needs_enough_values_of_its_signal() {
        let point = SignalValues { at: Timestamp(0.0), values: vec![Some(9.0); 3] };
        let mut reference = DayRanges::default();
        let mut found = |it: usize| {
            // The first value of every second point is missing, and the last value of each.
            reference.add([it.is_multiple_of(2).then_some(0.5), Some(0.5), None].into_iter());
            let signals: Vec<_> = SIGNALS.iter().collect();
            find_out_of_range_signals(&signals, std::slice::from_ref(&point), &reference).len()
        };
        let counts: Vec<usize> = (0..2 * REFERENCE_POINTS_MIN).map(&mut found).collect();
        let expected = |points: usize| {
            usize::from(points >= REFERENCE_POINTS_MIN) + usize::from(points >= 2 * REFERENCE_POINTS_MIN - 1)
        };
        assert_eq!(counts, (1..=2 * REFERENCE_POINTS_MIN).map(expected).collect::<Vec<_>>());
        assert!(reference.are_known());
    }
}
