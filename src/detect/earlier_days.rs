//! The values of a subject on earlier days, to recognize a job that recurs at about the same size.
//!
//! That something recurs does not make it harmless: on labeled servers, daily incidents are faults. So this says only that
//! each signal that deviates was about as high before. Whether that prevents an alert depends on what else is known: see
//! `alert`.
//!
//! A job is measured from the level without it. The time-of-day profile learns a part of a nightly job, so the distance
//! from the expected value says how much larger it is than usual, not how large it is. And a job ends: what was as high for
//! most of the last day is a leak, a trend or a lasting fault. The highest value of each signal in each half hour of the
//! last eight days is kept.
//!
//! Nobody knows the jobs of a new host, and each build of a developer would be an alert. So until three days are known, the
//! same signals alert twice.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::LearnOptions;
use crate::window::Point;

/// Smallest number of signals with which something counts that comes at no fixed time: one or two are alike too often.
pub const SIGNALS_MIN: usize = 3;

/// A signal was as high before if it was at least this share as high: the size of jobs varies.
const REACH: f64 = 0.5;
/// Number of the last seven days on which a signal was as high, if it was not a week before.
const DAYS_MIN: usize = 3;
/// Number of half hours in which it was as high at any time; clearly more than one a day.
const TIMES_MIN: usize = 10;
const WEEK_DAYS: i64 = 7;
const TIME_SECONDS: f64 = 1_800.0;
const TIMES_PER_DAY: i64 = 48;
/// Largest number of half hours of the last day in which it was as high: a job ends, a leak or a trend does not.
const LAST_DAY_MAX: usize = 24;
/// The last half day does not count: what goes on now was not there before.
const RECENT_TIMES: i64 = 24;
/// Until that many days are known: number of earlier jobs of the same signals, with a pause after each.
const NEW_JOBS_MIN: usize = 2;
/// Largest number of kept half hours: eight days.
const TIMES_MAX: usize = 384;
/// Largest number of a half hour, on either side; beyond any calendar.
const NUMBER_MAX: f64 = 1e12;

/// The half hours of the last eight days.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct EarlierDays {
    /// Oldest first.
    times: VecDeque<HalfHour>,
}

/// A half hour, with the highest value of each signal in its unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct HalfHour {
    /// By the clock on the wall, since 1970.
    number: i64,
    highest: Vec<f32>,
}

/// A signal that is too high now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpwardDeviation {
    /// Index of the signal.
    pub idx: usize,
    /// Its value, in its unit.
    pub value: f64,
    /// Its level without a job, in its unit, below the value.
    pub level: f64,
}

impl UpwardDeviation {
    fn was_reached(&self, time: &HalfHour) -> bool {
        f64::from(time.highest[self.idx]) - self.level >= REACH * (self.value - self.level)
    }
}

impl EarlierDays {
    /// Whether it is one of a subject with this number of signals.
    pub(crate) fn fits(&self, width: usize) -> bool {
        self.times.len() <= TIMES_MAX && self.times.iter().all(|it| it.highest.len() == width)
    }

    /// Learns a whole point at this time of the clock on the wall, in seconds since 1970.
    pub fn learn(&mut self, local_seconds: f64, point: &Point, learn_options: LearnOptions) {
        // What is not learned, as during a silence, was never there.
        if !learn_options.step || learn_options.weight <= 0.0 {
            return;
        }
        let number = half_hour(local_seconds);
        if self.times.back().is_none_or(|it| it.number != number) {
            // When the clock is set back, what it shows next is new.
            let kept = number - (WEEK_DAYS + 1) * TIMES_PER_DAY + 1..number;
            self.times.retain(|it| kept.contains(&it.number));
            self.times.push_back(HalfHour { number, highest: vec![f32::NEG_INFINITY; point.values.len()] });
        }
        let Some(time) = self.times.back_mut() else { return };
        for (highest, (value, missing)) in
            time.highest.iter_mut().zip(point.values.iter().zip(&point.missing))
        {
            if !missing {
                *highest = highest.max(*value as f32);
            }
        }
    }

    /// Whether each signal was as high before: at about this time on several of the last days or a week ago or, with
    /// `counts_any_time`, often at any time. False without signals.
    pub fn was_reached(&self, local_seconds: f64, high: &[UpwardDeviation], counts_any_time: bool) -> bool {
        let now = half_hour(local_seconds);
        let is_usual = || high.iter().all(|it| self.was_usual(now, *it, counts_any_time));
        let is_known_job = || counts_any_time && self.is_new(now) && NEW_JOBS_MIN <= self.jobs(now, high);
        !high.is_empty() && (is_usual() || is_known_job())
    }

    /// Whether too few days are known to say what recurs on them.
    fn is_new(&self, now: i64) -> bool {
        self.times.front().is_none_or(|first| now - first.number < DAYS_MIN as i64 * TIMES_PER_DAY)
    }

    /// Number of earlier jobs. A job is a run of half hours in which all signals were as high; the current run does not count.
    fn jobs(&self, now: i64, high: &[UpwardDeviation]) -> usize {
        let is_job = |it: &&HalfHour| high.iter().all(|signal| signal.was_reached(it));
        let (mut jobs, mut follower) = (0, now);
        for time in self.times.iter().rev().filter(is_job) {
            jobs += usize::from(time.number + 1 < follower);
            follower = time.number;
        }
        jobs
    }

    fn was_usual(&self, now: i64, signal: UpwardDeviation, counts_any_time: bool) -> bool {
        let week = now - WEEK_DAYS * TIMES_PER_DAY - 1..=now;
        let known = self.times.iter().filter(|it| week.contains(&it.number));
        let mut reached: Vec<i64> = known.filter(|it| signal.was_reached(it)).map(|it| it.number).collect();
        let last_day = reached.iter().filter(|it| **it > now - TIMES_PER_DAY).count();
        reached.retain(|it| *it < now - RECENT_TIMES);
        let mut same_time: Vec<i64> = reached.iter().filter_map(|it| days_between(*it, now)).collect();
        same_time.dedup();
        let mut days: Vec<i64> = reached.iter().map(|it| it.div_euclid(TIMES_PER_DAY)).collect();
        days.dedup();
        let is_known = same_time.len() >= DAYS_MIN
            || same_time.contains(&WEEK_DAYS)
            || (counts_any_time && reached.len() >= TIMES_MIN && days.len() >= DAYS_MIN);
        is_known && last_day <= LAST_DAY_MAX
    }
}

/// The number of the half hour of this time.
fn half_hour(local_seconds: f64) -> i64 {
    (local_seconds / TIME_SECONDS).floor().clamp(-NUMBER_MAX, NUMBER_MAX) as i64
}

/// The number of days from one half hour to another at about the same time of the day, a half hour earlier or later;
/// `None` at other times, and for less than a day or more than a week.
fn days_between(before: i64, now: i64) -> Option<i64> {
    // A half hour later is 0, one earlier 2.
    let times = now - before + 1;
    let days = times.div_euclid(TIMES_PER_DAY);
    (times.rem_euclid(TIMES_PER_DAY) <= 2 && (1..=WEEK_DAYS).contains(&days)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 5;
    const LESSON: LearnOptions = LearnOptions { weight: 1.0, step: true, in_episode: false };

    fn seconds(day: f64, hour: f64) -> f64 {
        day * 86_400.0 + hour * 3_600.0
    }

    /// Sixteen days of all signals at 10, and at `size` more in the hours of `jobs`, as pairs of day and hour.
    fn past(jobs: &[(usize, usize)], size: f64) -> EarlierDays {
        let mut past = EarlierDays::default();
        for hour in 0..16 * 24 {
            let extra = if jobs.contains(&(hour / 24, hour % 24)) { size } else { 0.0 };
            for minute in (0..60).step_by(10) {
                let point = Point {
                    values: vec![10.0 + extra; WIDTH],
                    missing: vec![false; WIDTH],
                    ..Point::default()
                };
                past.learn(f64::from(minute) * 60.0 + hour as f64 * 3_600.0, &point, LESSON);
            }
        }
        past
    }

    fn high(count: usize, size: f64) -> Vec<UpwardDeviation> {
        (0..count).map(|idx| UpwardDeviation { idx, value: 10.0 + size, level: 10.0 }).collect()
    }

    /// At this hour of day 16, with so many signals so high.
    fn check(past: &EarlierDays, hour: f64, (count, size): (usize, f64), expected: bool) {
        let found = past.was_reached(seconds(16.0, hour), &high(count, size), count >= SIGNALS_MIN);
        assert_eq!(found, expected, "{hour} h: {count} signals, {size}");
    }

    #[test]
    fn the_same_job_at_the_same_time_is_usual() {
        let past = past(&[(11, 3), (13, 3), (14, 3)], 6.0);
        assert!(past.fits(WIDTH) && !past.fits(WIDTH + 1));
        for (hour, expected) in
            [(2.0, false), (2.6, true), (3.4, true), (4.4, true), (4.6, false), (15.0, false)]
        {
            check(&past, hour, (4, 6.0), expected);
            check(&past, hour, (1, 6.0), expected);
        }
        check(&past, 3.2, (4, 11.9), true);
        check(&past, 3.2, (4, 12.1), false);
        check(&past, 3.2, (0, 0.0), false);
    }

    #[test]
    fn two_nights_are_too_few_but_a_week_before_is_enough() {
        check(&past(&[(13, 3), (14, 3)], 6.0), 3.2, (4, 6.0), false);
        check(&past(&[(8, 3), (14, 3)], 6.0), 3.2, (4, 6.0), false);
        check(&past(&[(9, 3)], 6.0), 3.2, (4, 6.0), true);
    }

    #[test]
    fn what_was_there_often_at_any_time_is_usual_if_several_signals_are() {
        let jobs = [(10, 5), (10, 12), (12, 8), (13, 20), (14, 17)];
        check(&past(&jobs, 6.0), 3.2, (3, 6.0), true);
        check(&past(&jobs, 6.0), 3.2, (2, 6.0), false);
        check(&past(&jobs[1..], 6.0), 3.2, (3, 6.0), false);
        let one_incident: Vec<_> = (8..20).map(|hour| (13, hour)).collect();
        check(&past(&one_incident, 6.0), 3.2, (3, 6.0), false);
    }

    #[test]
    fn on_a_new_host_two_jobs_of_the_same_signals_are_known() {
        // Two days, with a job in the half hours of the list, and now.
        let found = |jobs: &[usize], size: f64, count: usize| {
            let mut past = EarlierDays::default();
            for half_hour in 0..96 {
                let is_job = jobs.contains(&half_hour) || half_hour == 95;
                let point = Point {
                    values: vec![if is_job { 16.0 } else { 10.0 }; WIDTH],
                    missing: vec![false; WIDTH],
                    ..Point::default()
                };
                past.learn(half_hour as f64 * TIME_SECONDS, &point, LESSON);
            }
            past.was_reached(95.5 * TIME_SECONDS, &high(count, size), count >= SIGNALS_MIN)
        };
        assert!(found(&[60, 70], 6.0, 3));
        assert!(found(&[60, 92], 6.0, 3));
        // A long job is one job, and the current run does not count.
        assert!(!found(&[60, 61, 62], 6.0, 3));
        assert!(!found(&[60, 93, 94], 6.0, 3));
        // Fewer signals, or twice as high.
        assert!(!found(&[60, 70], 6.0, 2));
        assert!(!found(&[60, 70], 12.1, 3));
    }

    #[test]
    fn the_last_half_day_does_not_count() {
        let today: Vec<_> = (16..24).map(|hour| (15, hour)).chain([(11, 3), (12, 3)]).collect();
        check(&past(&today, 6.0), 3.2, (4, 6.0), false);
    }

    #[test]
    fn what_is_not_learned_was_never_there() {
        let mut past = past(&[], 0.0);
        let point = Point { values: vec![16.0; WIDTH], missing: vec![false; WIDTH], ..Point::default() };
        let silenced = LearnOptions { weight: 0.0, ..LESSON };
        past.learn(seconds(15.0, 23.9), &point, silenced);
        assert!(past.times.iter().all(|it| it.highest.iter().all(|value| *value < 11.0)));
    }

    #[test]
    fn what_does_not_end_is_no_job() {
        let of_days = |hours: std::ops::Range<usize>| -> Vec<(usize, usize)> {
            (9..16).flat_map(|day| hours.clone().map(move |hour| (day, hour))).collect()
        };
        check(&past(&of_days(0..12), 6.0), 3.2, (4, 6.0), true);
        check(&past(&of_days(0..24), 6.0), 3.2, (4, 6.0), false);
    }

    #[test]
    fn the_past_is_bounded_and_a_clock_set_back_starts_a_new_one() {
        let mut past = past(&[], 0.0);
        assert_eq!(past.times.len(), TIMES_MAX);
        let point = Point { values: vec![10.0; WIDTH], missing: vec![false; WIDTH], ..Point::default() };
        for local in [seconds(12.0, 0.0), -1e300, f64::NAN, 1e300, f64::INFINITY, 0.0] {
            past.learn(local, &point, LESSON);
            let number = half_hour(local);
            assert!(past.fits(WIDTH) && past.times.iter().all(|it| it.number <= number), "{local}");
            assert!(!past.was_reached(local, &high(4, 6.0), true), "{local}");
        }
    }
}
