//! Turns readings into points: the sliding mean of each signal over the last readings.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::reading::Timestamp;

/// Largest valid value; a larger one counts as missing, so that no square or sum of values overflows.
pub const VALUE_MAX: f64 = 1e100;

/// The input of detectors: one finite number for each signal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Time of its newest reading.
    pub at: Timestamp,
    /// One value for each signal; a missing one keeps the last known value, or 0.
    pub values: Vec<f64>,
    /// Which signals had no value in the whole window.
    pub missing: Vec<bool>,
}

impl Point {
    /// A point without known values.
    pub fn unknown(signals: usize) -> Self {
        Self { values: vec![0.0; signals], missing: vec![true; signals], ..Self::default() }
    }

    /// Whether it has this number of signals.
    pub(crate) fn is_of(&self, signals: usize) -> bool {
        self.values.len() == signals && self.missing.len() == signals
    }

    /// Updates the point with later values. A value that is not finite, or larger than [`VALUE_MAX`], is missing; a
    /// missing value keeps the last one.
    pub fn advance(&mut self, at: Timestamp, values: &[f64], missing: &[bool]) {
        self.at = at;
        let own = self.values.iter_mut().zip(&mut self.missing);
        for ((own, own_missing), (value, missing)) in own.zip(values.iter().zip(missing)) {
            *own_missing = *missing || value.is_nan() || value.abs() > VALUE_MAX;
            if !*own_missing {
                *own = *value;
            }
        }
    }
}

/// The signals of the last readings and their mean.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Window {
    readings_max: usize,
    readings: VecDeque<Vec<Option<f64>>>,
    point: Point,
}

impl Window {
    /// A window over this many readings (at least one) of `width` signals.
    pub fn new(readings: usize, width: usize) -> Self {
        Self { readings_max: readings.max(1), readings: VecDeque::new(), point: Point::unknown(width) }
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(crate) fn fits(&self, fresh: &Self) -> bool {
        let width = fresh.point.values.len();
        self.readings_max == fresh.readings_max
            && self.readings.len() <= self.readings_max
            && self.readings.iter().all(|it| it.len() == width)
            && self.point.is_of(width)
    }

    /// Adds the signals of one reading; a full window drops the oldest.
    pub fn push(&mut self, at: Timestamp, signals: Vec<Option<f64>>) {
        debug_assert_eq!(signals.len(), self.point.values.len(), "one value a signal");
        if self.readings.len() == self.readings_max {
            self.readings.pop_front();
        }
        self.readings.push_back(signals);
        self.point.at = at;
        for (idx, value) in self.point.values.iter_mut().enumerate() {
            let known = self.readings.iter().filter_map(|it| it[idx]).filter(|it| it.abs() <= VALUE_MAX);
            let (sum, count) = known.fold((0.0, 0u32), |(sum, count), it| (sum + it, count + 1));
            self.point.missing[idx] = count == 0;
            if count > 0 {
                *value = sum / f64::from(count);
            }
        }
    }

    /// Fills the window as if each reading equaled this point.
    pub fn fill(&mut self, point: &Point) {
        let known =
            point.values.iter().zip(&point.missing).map(|(value, missing)| (!missing).then_some(*value));
        let reading: Vec<Option<f64>> = known.collect();
        self.readings = std::iter::repeat_n(reading, self.readings_max).collect();
        self.point = point.clone();
    }

    /// Clears the readings but not the last known values, so that the mean does not span a gap.
    pub fn restart(&mut self) {
        self.readings.clear();
    }

    /// Whether the point is the mean of a full window.
    pub fn is_full(&self) -> bool {
        self.lacking() == 0
    }

    /// Number of readings until it is full.
    pub fn lacking(&self) -> usize {
        self.readings_max - self.readings.len()
    }

    /// The mean of the readings in the window.
    pub fn point(&self) -> &Point {
        &self.point
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(readings: &[Option<f64>], value: f64, missing: bool) {
        let mut window = Window::new(3, 1);
        for (idx, reading) in readings.iter().enumerate() {
            window.push(Timestamp(idx as f64), vec![*reading]);
        }
        assert_eq!((window.point().values[0], window.point().missing[0]), (value, missing), "{readings:?}");
    }

    #[test]
    fn the_point_is_the_mean_of_what_is_known() {
        check(&[Some(1.0)], 1.0, false);
        check(&[Some(1.0), Some(2.0), Some(6.0)], 3.0, false);
        check(&[Some(100.0), Some(1.0), None, Some(3.0)], 2.0, false);
    }

    #[test]
    fn a_missing_signal_is_pinned_and_marked() {
        check(&[None], 0.0, true);
        check(&[Some(5.0), None, None, None], 5.0, true);
    }

    #[test]
    fn a_row_is_a_point_and_what_it_lacks_is_pinned() {
        let mut point = Point::unknown(4);
        point.advance(Timestamp(1.0), &[1.0, 2.0, 3.0, 4.0], &[false; 4]);
        point.advance(Timestamp(2.0), &[9.0, 9.0, f64::NAN, 1e308], &[false, true, false, false]);
        assert_eq!(point.values, [9.0, 2.0, 3.0, 4.0]);
        assert_eq!(point.missing, [false, true, true, true]);
        assert_eq!(point.at, Timestamp(2.0));
    }

    #[test]
    fn a_point_is_finite() {
        check(&[Some(1.0), Some(f64::NAN)], 1.0, false);
        check(&[Some(7.0), Some(f64::MAX), Some(f64::MIN)], 7.0, false);
        check(&[Some(f64::INFINITY)], 0.0, true);
    }
}
