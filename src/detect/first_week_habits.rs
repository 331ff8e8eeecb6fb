//! The habits of a subject in its first week: jobs that are large, but nothing to wake anybody for.
//!
//! Builds, batch jobs and backups move many signals far, and their size varies. Nobody wants an alert for them. But what
//! recurs is not therefore harmless: on labeled servers, daily incidents are faults. So only the first week counts, in which
//! a subject shows what it is for, and only a pattern of several signals that was there clearly more often than once a day.
//! Later, only an operator's word says that something is nothing.
//!
//! The hours in which several signals deviated are kept, with the extremes of each signal.

use serde::{Deserialize, Serialize};

use super::LearnOptions;
use crate::reading::Timestamp;
use crate::window::Point;

/// Deviation of a signal that is part of a pattern, in standard deviations.
pub const FAR: f64 = 3.0;
/// Smallest number of signals in a pattern: one or two signals are alike too often.
pub const SIGNALS_MIN: usize = 3;
/// Largest number of signals in a pattern, the furthest ones.
pub const SIGNALS_MAX: usize = 5;

/// A signal was as far before if it was at least this share as far: the size of jobs varies.
const REACH: f64 = 0.5;
/// Number of hours with the pattern that are clearly more than one a day, …
const HOURS_MIN: usize = 10;
/// … on at least this number of days, because one long incident is no habit.
const DAYS_MIN: usize = 3;
const WEEK_SECONDS: f64 = 7.0 * 86_400.0;
const HOUR_SECONDS: f64 = 3_600.0;
const HOURS_PER_DAY: i64 = 24;
/// Largest number of hours, both ends of the week included.
const HOURS_MAX: usize = 169;

/// The hours of the first week in which several signals deviated.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FirstWeekHabits {
    /// Time of the first point.
    since: Option<Timestamp>,
    hours: Vec<BusyHour>,
}

/// An hour, with the extremes of each signal in its unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct BusyHour {
    /// Hours since the first point.
    number: i64,
    lowest: Vec<f32>,
    highest: Vec<f32>,
}

/// A signal that deviates now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirstWeekDeviation {
    /// Index of the signal.
    pub idx: usize,
    /// Its value, in its unit.
    pub value: f64,
    /// Its expected value now.
    pub expected: f64,
}

impl FirstWeekDeviation {
    /// Whether it was about as far from the value expected now.
    fn was_reached(&self, hour: &BusyHour) -> bool {
        let now = self.value - self.expected;
        let extreme = if now > 0.0 { hour.highest[self.idx] } else { hour.lowest[self.idx] };
        (f64::from(extreme) - self.expected) * now.signum() >= REACH * now.abs()
    }
}

impl FirstWeekHabits {
    /// Whether it is one of a subject with this number of signals.
    pub(crate) fn fits(&self, width: usize) -> bool {
        let is_wide = |it: &BusyHour| (it.lowest.len(), it.highest.len()) == (width, width);
        self.hours.len() <= HOURS_MAX && self.hours.iter().all(is_wide)
    }

    /// Learns a whole point with the deviation of each signal, 0 for a missing one.
    pub fn learn(&mut self, point: &Point, z: &[f64], learn_options: LearnOptions) {
        let since = *self.since.get_or_insert(point.at);
        let age = point.at.0 - since.0;
        let is_far = |it: &&f64| it.abs() >= FAR;
        if !learn_options.step
            || learn_options.weight <= 0.0
            || !(0.0..WEEK_SECONDS).contains(&age)
            || z.iter().filter(is_far).count() < SIGNALS_MIN
        {
            return;
        }
        let number = (age / HOUR_SECONDS) as i64;
        if self.hours.last().is_none_or(|it| it.number != number) {
            // Only a clock that steps back makes more.
            if self.hours.len() >= HOURS_MAX {
                return;
            }
            let [lowest, highest] = [f32::INFINITY, f32::NEG_INFINITY].map(|it| vec![it; z.len()]);
            self.hours.push(BusyHour { number, lowest, highest });
        }
        let Some(hour) = self.hours.last_mut() else { return };
        let extremes = hour.lowest.iter_mut().zip(&mut hour.highest);
        for ((lowest, highest), (value, missing)) in extremes.zip(point.values.iter().zip(&point.missing)) {
            if !missing {
                (*lowest, *highest) = (lowest.min(*value as f32), highest.max(*value as f32));
            }
        }
    }

    /// Whether the subject was often like this in its first week; false until the week is over.
    pub fn was_usual(&self, at: Timestamp, moved: &[FirstWeekDeviation]) -> bool {
        if moved.len() < SIGNALS_MIN || self.since.is_none_or(|it| at.0 - it.0 < WEEK_SECONDS) {
            return false;
        }
        let reached = |it: &&BusyHour| moved.iter().all(|signal| signal.was_reached(it));
        let alike: Vec<i64> = self.hours.iter().filter(reached).map(|it| it.number).collect();
        let mut days: Vec<i64> = alike.iter().map(|it| it / HOURS_PER_DAY).collect();
        days.dedup();
        alike.len() >= HOURS_MIN && days.len() >= DAYS_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 6;

    fn point(hour: usize, minute: usize, values: [f64; WIDTH]) -> Point {
        let at = Timestamp((hour * 60 + minute) as f64 * 60.0);
        Point { at, values: values.to_vec(), missing: vec![false; WIDTH] }
    }

    /// A job that moves the first `count` signals by `size` deviations of 1 from 10.
    fn job(count: usize, size: f64) -> [f64; WIDTH] {
        std::array::from_fn(|idx| if idx < count { 10.0 + size } else { 10.0 })
    }

    fn moved(values: [f64; WIDTH]) -> Vec<FirstWeekDeviation> {
        let signals = values.into_iter().enumerate().filter(|(_, value)| (value - 10.0).abs() >= FAR);
        signals.map(|(idx, value)| FirstWeekDeviation { idx, value, expected: 10.0 }).collect()
    }

    /// Two weeks, in which the job runs in these hours of the first `days` days.
    fn learned(hours: &[usize], days: usize, values: [f64; WIDTH]) -> FirstWeekHabits {
        let mut week = FirstWeekHabits::default();
        for hour in 0..14 * 24 {
            for minute in [0, 30] {
                let is_on = hour / 24 < days && hours.contains(&(hour % 24)) && minute == 30;
                let point = point(hour, minute, if is_on { values } else { [10.0; WIDTH] });
                let z: Vec<f64> = point.values.iter().map(|it| it - 10.0).collect();
                week.learn(&point, &z, LearnOptions { weight: 1.0, step: true, in_episode: false });
            }
        }
        week
    }

    fn check(week: &FirstWeekHabits, day: f64, now: [f64; WIDTH], expected: bool) {
        assert_eq!(week.was_usual(Timestamp(day * 86_400.0), &moved(now)), expected, "day {day}: {now:?}");
    }

    #[test]
    fn what_was_there_more_than_once_a_day_is_usual() {
        let week = learned(&[9, 15], 7, job(4, 6.0));
        assert!(week.fits(WIDTH) && !week.fits(WIDTH + 1));
        check(&week, 8.0, job(4, 6.0), true);
        check(&week, 8.0, job(4, 11.0), true);
        check(&week, 8.0, job(4, 13.0), false);
        check(&week, 8.0, job(4, -6.0), false);
        check(&week, 8.0, job(5, 6.0), false);
        check(&week, 8.0, job(2, 6.0), false);
        check(&week, 6.9, job(4, 6.0), false);
    }

    #[test]
    fn what_was_there_once_a_day_or_on_two_days_is_not() {
        check(&learned(&[3], 7, job(4, 6.0)), 8.0, job(4, 6.0), false);
        let incident: Vec<usize> = (8..20).collect();
        check(&learned(&incident, 2, job(4, 6.0)), 8.0, job(4, 6.0), false);
        check(&learned(&incident, 3, job(4, 6.0)), 8.0, job(4, 6.0), true);
    }

    #[test]
    fn what_recurs_after_the_first_week_is_not_learned() {
        let mut week = learned(&[], 0, job(4, 6.0));
        let learn_options = LearnOptions { weight: 1.0, step: true, in_episode: false };
        let now = job(4, 6.0);
        let z = now.map(|it| it - 10.0);
        (200..400).for_each(|hour| week.learn(&point(hour, 0, now), &z, learn_options));
        check(&week, 20.0, now, false);
    }
}
