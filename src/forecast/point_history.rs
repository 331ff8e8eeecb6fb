//! The history that forecasts are made from: single points, thinned, episodes included.
//!
//! Points are kept as they are and not averaged, because an interval is for single points and means vary less. Episodes are
//! part of it: a disk that fills is one.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{DeseasonedSeries, TimedValue};
use crate::reading::Timestamp;
use crate::window::Point;

/// Seconds between two points of the last hours.
pub(super) const FINE_SECONDS: f64 = 60.0;
/// Seconds between two points of the last days.
pub(super) const COARSE_SECONDS: f64 = 600.0;
/// A point that comes this share of the distance early is on time: readings are not made on the dot.
const EARLY_SHARE: f64 = 0.25;

/// How much is kept of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryCapacity {
    /// Points a minute apart.
    pub fine: usize,
    /// Points ten minutes apart.
    pub coarse: usize,
}

impl HistoryCapacity {
    /// Six hours and seven days, for a subject that is alone of its kind.
    pub const SINGLE: Self = Self { fine: 360, coarse: 1_008 };
    /// An hour and a day, for one of many.
    pub const ONE_OF_MANY: Self = Self { fine: 60, coarse: 144 };
}

/// Points of one subject, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PointHistory {
    capacity: HistoryCapacity,
    width: usize,
    #[serde(with = "crate::learned_state_codec::timed_rows")]
    fine: TimedRows,
    #[serde(with = "crate::learned_state_codec::timed_rows")]
    coarse: TimedRows,
}

/// Not a number where a signal was missing.
type TimedRows = VecDeque<(Timestamp, Box<[f32]>)>;

impl PointHistory {
    /// Knows nothing yet of this many signals.
    pub fn new(width: usize, capacity: HistoryCapacity) -> Self {
        Self { capacity, width, fine: VecDeque::new(), coarse: VecDeque::new() }
    }

    /// Whether this can go on in the place of `fresh`, which is of the same signals.
    pub(crate) fn fits(&self, fresh: &Self) -> bool {
        let rows = |rows: &TimedRows, rows_max: usize| {
            rows.len() <= rows_max && rows.iter().all(|(_, row)| row.len() == self.width)
        };
        (self.capacity, self.width) == (fresh.capacity, fresh.width)
            && rows(&self.fine, self.capacity.fine)
            && rows(&self.coarse, self.capacity.coarse)
    }

    /// Takes a point, if it is time for one; says whether it was.
    pub fn push(&mut self, point: &Point) -> bool {
        push(&mut self.coarse, point, COARSE_SECONDS, self.capacity.coarse);
        push(&mut self.fine, point, FINE_SECONDS, self.capacity.fine)
    }

    /// How much is kept.
    pub(crate) fn capacity(&self) -> HistoryCapacity {
        self.capacity
    }

    /// Whether no value of a signal is known.
    pub(super) fn is_unknown(&self, idx: usize) -> bool {
        let is_nothing = |(_, row): &(Timestamp, Box<[f32]>)| row.get(idx).is_none_or(|it| it.is_nan());
        self.fine.iter().all(is_nothing) && self.coarse.iter().all(is_nothing)
    }

    /// Seconds since the oldest value of a signal; `None` without one. A full history counts as long as it can be: its oldest
    /// point is up to two points younger.
    pub(crate) fn past_seconds(&self, idx: usize, now: Timestamp) -> Option<f64> {
        let is_known = |(_, row): &&(Timestamp, Box<[f32]>)| row.get(idx).is_some_and(|it| !it.is_nan());
        let oldest = [&self.fine, &self.coarse].map(|rows| rows.iter().find(is_known).map(|(at, _)| at.0));
        let seconds = now.0 - oldest.into_iter().flatten().reduce(f64::min)?;
        let longest = COARSE_SECONDS * self.capacity.coarse as f64;
        Some(if longest - 2.0 * COARSE_SECONDS <= seconds { longest } else { seconds })
    }

    /// The values of a signal less its season.
    pub(super) fn series(&self, idx: usize, season: impl Fn(f64) -> f64) -> DeseasonedSeries {
        let samples = |rows: &TimedRows| {
            let values = rows.iter().filter_map(|(at, row)| {
                let value = f64::from(*row.get(idx)?) - season(at.0);
                (at.0.is_finite() && value.is_finite()).then_some(TimedValue { at: at.0, value })
            });
            values.collect()
        };
        DeseasonedSeries { fine: samples(&self.fine), coarse: samples(&self.coarse) }
    }
}

fn push(rows: &mut TimedRows, point: &Point, every_seconds: f64, rows_max: usize) -> bool {
    // A clock that stepped back leaves points of the future behind, which would never be old.
    while rows.back().is_some_and(|(newest, _)| newest.0 > point.at.0) {
        rows.pop_back();
    }
    let least = (1.0 - EARLY_SHARE) * every_seconds;
    if rows.back().is_some_and(|(newest, _)| point.at.0 - newest.0 < least) {
        return false;
    }
    let age_max = every_seconds * rows_max as f64;
    while rows.len() >= rows_max || rows.front().is_some_and(|(oldest, _)| point.at.0 - oldest.0 > age_max) {
        if rows.pop_front().is_none() {
            return false;
        }
    }
    let values = point.values.iter().zip(&point.missing);
    let row = values.map(|(value, missing)| if *missing { f32::NAN } else { *value as f32 });
    rows.push_back((point.at, row.collect()));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: HistoryCapacity = HistoryCapacity { fine: 4, coarse: 3 };

    fn check(instants: &[f64], fine: &[f64], coarse: &[f64]) {
        let mut history = PointHistory::new(1, CAPACITY);
        for at in instants {
            history.push(&Point { at: Timestamp(*at), values: vec![*at], missing: vec![false] });
        }
        let series = history.series(0, |_| 0.0);
        let instants = |of: &[TimedValue]| of.iter().map(|it| it.at).collect::<Vec<f64>>();
        assert_eq!((instants(&series.fine), instants(&series.coarse)), (fine.to_vec(), coarse.to_vec()));
    }

    #[test]
    fn points_are_thinned_and_old_ones_forgotten() {
        check(&[0.0, 30.0, 60.0, 90.0], &[0.0, 60.0], &[0.0]);
        let minutes: Vec<f64> = (0..40).map(|it| f64::from(it) * 60.0).collect();
        check(&minutes, &[2_160.0, 2_220.0, 2_280.0, 2_340.0], &[960.0, 1_440.0, 1_920.0]);
        check(&[0.0, 60.0, 1e6], &[1e6], &[1e6]);
    }

    #[test]
    fn the_past_begins_with_the_first_value_of_a_signal() {
        let mut history = PointHistory::new(2, HistoryCapacity::SINGLE);
        let mut push = |at: f64, missing: bool| {
            history.push(&Point { at: Timestamp(at), values: vec![at; 2], missing: vec![false, missing] });
            [0, 1].map(|idx| history.past_seconds(idx, Timestamp(at)))
        };
        assert_eq!(push(0.0, true), [Some(0.0), None]);
        assert_eq!(push(60.0, false), [Some(60.0), Some(0.0)]);
        assert_eq!(push(1_260.0, false), [Some(1_260.0), Some(1_200.0)]);
        // The history forgets its oldest point shortly before it is a week old.
        let days = (3..1_100).map(|it| push(600.0 * f64::from(it), false)[0]).collect::<Vec<_>>();
        assert_eq!(days.last(), Some(&Some(7.0 * 86_400.0)));
    }

    #[test]
    fn a_clock_that_steps_back_leaves_no_future_behind() {
        check(&[0.0, 700.0, 800.0, 100.0], &[100.0], &[0.0]);
    }

    #[test]
    fn a_missing_value_is_left_out_and_so_is_an_unknown_signal() {
        let mut history = PointHistory::new(1, CAPACITY);
        history.push(&Point { at: Timestamp(0.0), values: vec![7.0], missing: vec![true] });
        assert_eq!(history.series(0, |_| 0.0).newest(), None);
        assert_eq!(history.series(9, |_| 0.0).newest(), None);
    }
}
