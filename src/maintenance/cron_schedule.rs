//! Schedules of cron: `minute hour day-of-month month day-of-week`, in UTC.
//!
//! The five fields of crontab(5) with lists, ranges, steps and English names. As there, a day fits if it fits either day
//! field, where both are restricted. The names `@hourly`, `@daily`, `@weekly` and `@monthly` stand for their schedules.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::reading::Timestamp;

/// Longest schedule, in bytes.
pub const CRON_BYTES_MAX: usize = 256;

const MINUTE_SECONDS: f64 = 60.0;
const MINUTES_PER_HOUR: i64 = 60;
const MINUTES_PER_DAY: i64 = 1_440;
const DAY_SECONDS: i64 = 86_400;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const NAMED: [(&str, &str); 5] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
];

/// The values of one field.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    /// Names of the values, from the least one on.
    words: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, words: &[] },
    Field { name: "hour", least: 0, most: 23, words: &[] },
    Field { name: "day of the month", least: 1, most: 31, words: &[] },
    Field { name: "month", least: 1, most: 12, words: &MONTHS },
    // 0 and 7 are Sunday.
    Field { name: "day of the week", least: 0, most: 7, words: &WEEKDAYS },
];

/// A schedule of cron.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronSchedule {
    text: String,
    /// A bit for each value, in the order of [`FIELDS`].
    bits: [u64; FIELDS.len()],
    /// Whether a day that fits either day field fits.
    either_day: bool,
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseCronError(String);

impl fmt::Display for ParseCronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; expected five fields as in crontab(5), such as \"30 2 * * sun\"", self.0)
    }
}

impl std::error::Error for ParseCronError {}

impl FromStr for CronSchedule {
    type Err = ParseCronError;

    fn from_str(text: &str) -> Result<Self, ParseCronError> {
        let wrong = |reason: String| ParseCronError(format!("{text:?} is not a schedule: {reason}"));
        if text.len() > CRON_BYTES_MAX {
            return Err(ParseCronError(format!("the schedule is longer than {CRON_BYTES_MAX} bytes")));
        }
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let named = |word: &str| NAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        let parts: Vec<&str> = match words.as_slice() {
            [word] if word.starts_with('@') => {
                let (_, fields) = named(word).ok_or_else(|| wrong(format!("{word} is unknown")))?;
                fields.split(' ').collect()
            }
            _ => words.clone(),
        };
        if parts.len() != FIELDS.len() {
            return Err(wrong(format!("it has {} fields", parts.len())));
        }
        let mut bits = [0; FIELDS.len()];
        for ((field, part), bits) in FIELDS.iter().zip(&parts).zip(&mut bits) {
            *bits = field.parse(part).map_err(wrong)?;
        }
        // Sunday has two numbers.
        bits[4] = (bits[4] | bits[4] >> 7) & 0x7f;
        let either_day = !parts[2].starts_with('*') && !parts[4].starts_with('*');
        Ok(Self { text: words.join(" "), bits, either_day })
    }
}

impl Field {
    /// The bits of a comma-separated list.
    fn parse(&self, text: &str) -> Result<u64, String> {
        text.split(',').try_fold(0, |bits, part| Ok(bits | self.part(part)?))
    }

    /// The bits of `*`, a value or a range, with an optional step.
    fn part(&self, text: &str) -> Result<u64, String> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => {
                let step = number(step).filter(|it| (1..=self.most).contains(it));
                (range, step.ok_or_else(|| format!("the step in {text:?} must be 1 to {}", self.most))?)
            }
            None => (text, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.most),
            Some((from, to)) => (self.value(from)?, self.value(to)?),
            // With a step, a single value is the start of a range, as in most crons.
            None if text.contains('/') => (self.value(range)?, self.most),
            None => (self.value(range)?, self.value(range)?),
        };
        if from > to {
            return Err(format!("the range {range:?} is backward"));
        }
        Ok((from..=to).step_by(step as usize).fold(0, |bits, it| bits | 1 << it))
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        let named = self.words.iter().position(|it| it.eq_ignore_ascii_case(text));
        let named = named.and_then(|it| u32::try_from(it).ok()).map(|it| it + self.least);
        let value = named.or_else(|| number(text)).filter(|it| (self.least..=self.most).contains(it));
        value.ok_or_else(|| format!("{text:?} is no {} ({} to {})", self.name, self.least, self.most))
    }
}

/// A number without a sign, which `parse` would accept.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|it| it.is_ascii_digit()).then(|| text.parse().ok())?
}

impl CronSchedule {
    /// The last start at or before `at` and less than `within` seconds ago.
    pub fn last_start(&self, at: Timestamp, within: f64) -> Option<Timestamp> {
        // The cast saturates.
        let mut minute = (at.0 / MINUTE_SECONDS).floor() as i64;
        while minute as f64 * MINUTE_SECONDS + within > at.0 {
            let (day, of_day) = (minute.div_euclid(MINUTES_PER_DAY), minute.rem_euclid(MINUTES_PER_DAY));
            let (hour, of_hour) = (of_day / MINUTES_PER_HOUR, of_day % MINUTES_PER_HOUR);
            minute = if !self.fits_day(day)? {
                minute - of_day - 1
            } else if self.bits[1] >> hour & 1 == 0 {
                minute - of_hour - 1
            } else if self.bits[0] >> of_hour & 1 == 0 {
                minute - 1
            } else {
                return Some(Timestamp(minute as f64 * MINUTE_SECONDS));
            };
        }
        None
    }

    /// Whether it starts on a day since the epoch; absent beyond the calendar.
    fn fits_day(&self, day: i64) -> Option<bool> {
        let midnight = jiff::Timestamp::from_second(day.checked_mul(DAY_SECONDS)?).ok()?;
        let date = jiff::tz::Offset::UTC.to_datetime(midnight).date();
        let fits = |field: usize, value: i8| self.bits[field] >> value & 1 == 1;
        let (of_month, of_week) = (fits(2, date.day()), fits(4, date.weekday().to_sunday_zero_offset()));
        let day = if self.either_day { of_month || of_week } else { of_month && of_week };
        Some(day && fits(3, date.month()))
    }
}

impl fmt::Display for CronSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for CronSchedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CronSchedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_second() as f64)
    }

    fn check(schedule: &str, now: &str, within: f64, expect: Option<&str>) {
        let found = schedule.parse::<CronSchedule>().unwrap().last_start(at(now), within);
        assert_eq!(found, expect.map(at), "{schedule} at {now}");
    }

    #[test]
    fn a_window_begins_at_its_minute_and_lasts() {
        let hour = 3_600.0;
        // 2026-11-29 is a Sunday.
        check("30 2 * * sun", "2026-11-29T02:30:00Z", hour, Some("2026-11-29T02:30:00Z"));
        check("30 2 * * 7", "2026-11-29T03:29:59Z", hour, Some("2026-11-29T02:30:00Z"));
        check("30 2 * * 0", "2026-11-29T03:30:00Z", hour, None);
        check("30 2 * * mon-sat", "2026-11-29T02:45:00Z", hour, None);
        check("0 22 * * *", "2026-11-30T01:00:00Z", 4.0 * hour, Some("2026-11-29T22:00:00Z"));
        check("*/15 8-10,20 * * *", "2026-11-29T10:59:00Z", hour, Some("2026-11-29T10:45:00Z"));
        check("@monthly", "2026-12-01T00:10:00Z", hour, Some("2026-12-01T00:00:00Z"));
        check("0 0 29 feb *", "2026-11-29T00:10:00Z", 7.0 * 86_400.0, None);
    }

    #[test]
    fn either_day_field_suffices_if_both_are_restricted() {
        check("0 4 1 * sun", "2026-11-29T04:10:00Z", 900.0, Some("2026-11-29T04:00:00Z"));
        check("0 4 1 * sun", "2026-12-01T04:10:00Z", 900.0, Some("2026-12-01T04:00:00Z"));
        check("0 4 1 * *", "2026-11-29T04:10:00Z", 900.0, None);
    }

    #[test]
    fn what_is_no_schedule_says_why() {
        for (text, says) in [
            ("", "it has 0 fields"),
            ("0 2 * *", "it has 4 fields"),
            ("61 2 * * *", "\"61\" is no minute (0 to 59)"),
            ("0 2 0 * *", "\"0\" is no day of the month (1 to 31)"),
            ("0 2 * * mon-sun", "backward"),
            ("*/0 * * * *", "the step in \"*/0\""),
            ("+1 * * * *", "\"+1\" is no minute"),
            ("@never", "@never is unknown"),
        ] {
            let refusal = text.parse::<CronSchedule>().unwrap_err().to_string();
            assert!(refusal.contains(says) && refusal.contains("crontab(5)"), "{text}: {refusal}");
        }
    }

    #[test]
    fn instants_beyond_the_calendar_are_in_no_window() {
        let always = "* * * * *".parse::<CronSchedule>().unwrap();
        for now in [f64::NAN, f64::INFINITY, -1e300, 1e300] {
            assert_eq!(always.last_start(Timestamp(now), 3_600.0), None, "{now}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "[-*/,0-9a-z@ ]{0,30}|.{0,20}") {
            if let Ok(schedule) = text.parse::<CronSchedule>() {
                prop_assert_eq!(schedule.to_string().parse(), Ok(schedule.clone()));
                let _ = schedule.last_start(Timestamp(1.8e9), 86_400.0);
            }
        }

        /// Field by field, against the definition: the latest minute of the range that each field lists.
        #[test]
        fn starts_are_the_minutes_that_all_fields_list(
            minutes in proptest::collection::btree_set(0_i8..60, 1..4),
            hours in proptest::collection::btree_set(0_i8..24, 1..4),
            weekdays in proptest::collection::btree_set(0_i8..7, 1..4),
            now in 1_500_000_000_i64..2_000_000_000,
            within in 60_i64..200_000,
        ) {
            let list = |it: &std::collections::BTreeSet<i8>| it.iter().map(i8::to_string).collect::<Vec<_>>().join(",");
            let text = format!("{} {} * * {}", list(&minutes), list(&hours), list(&weekdays));
            let schedule: CronSchedule = text.parse().unwrap();
            let found = schedule.last_start(Timestamp(now as f64), within as f64);
            let starts = |minute: &i64| {
                let instant = jiff::Timestamp::from_second(minute * 60).unwrap();
                let local = jiff::tz::Offset::UTC.to_datetime(instant);
                minutes.contains(&local.minute())
                    && hours.contains(&local.hour())
                    && weekdays.contains(&local.date().weekday().to_sunday_zero_offset())
            };
            let range = ((now - within).div_euclid(60) + 1)..=now.div_euclid(60);
            let expect = range.rev().find(starts).map(|it| Timestamp(it as f64 * 60.0));
            prop_assert_eq!(found, expect, "{}", text);
        }
    }
}
