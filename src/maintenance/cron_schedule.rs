//! Schedules of cron: `minute hour day-of-month month day-of-week`, in a time zone.
//!
//! The five fields of crontab(5) with lists, ranges, steps and English names. As there, a day fits if it fits either day
//! field, where both are restricted. The names `@hourly`, `@daily`, `@weekly` and `@monthly` stand for their schedules.
//! Changes of the clock are handled as by cron: what would start in an hour that is skipped starts at the change, and what
//! starts at a fixed hour starts once if that hour occurs twice. Schedules of every hour follow the hours that pass.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::reading::Timestamp;
use crate::time_zone::TimeZone;

/// Longest schedule, in bytes.
pub const CRON_BYTES_MAX: usize = 256;

const MINUTE_SECONDS: f64 = 60.0;
const MINUTES_PER_HOUR: i64 = 60;
const MINUTES_PER_DAY: i64 = 1_440;
const DAY_SECONDS: i64 = 86_400;
/// Days to look back for a start; longer than any window.
const DAYS_MAX: i64 = 8;
/// The bits of every hour.
const EVERY_HOUR: u64 = (1 << 24) - 1;

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
struct CronField {
    name: &'static str,
    least: u32,
    most: u32,
    /// Names of the values, from the least one on.
    words: &'static [&'static str],
}

const FIELDS: [CronField; 5] = [
    CronField { name: "minute", least: 0, most: 59, words: &[] },
    CronField { name: "hour", least: 0, most: 23, words: &[] },
    CronField { name: "day of the month", least: 1, most: 31, words: &[] },
    CronField { name: "month", least: 1, most: 12, words: &MONTHS },
    // 0 and 7 are Sunday.
    CronField { name: "day of the week", least: 0, most: 7, words: &WEEKDAYS },
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

impl CronField {
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
        value
            .ok_or_else(|| format!("{text:?} is not a valid {} ({} to {})", self.name, self.least, self.most))
    }
}

/// A number without a sign, which `parse` would accept.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|it| it.is_ascii_digit()).then(|| text.parse().ok())?
}

impl CronSchedule {
    /// The last start at or before `at` and less than `within` seconds ago, by the clock of a zone.
    pub fn last_start(&self, at: Timestamp, within: f64, zone: &TimeZone) -> Option<Timestamp> {
        let is_recent = |minute: i64| minute as f64 * MINUTE_SECONDS + within > at.0;
        // The cast saturates.
        let mut until = (at.0 / MINUTE_SECONDS).floor() as i64;
        while is_recent(until) {
            // Between two changes of the clock, local minutes are those of UTC, shifted.
            let period = zone.period(Timestamp(until as f64 * MINUTE_SECONDS));
            let [shift, before] =
                [period.offset, period.offset_before].map(|it| (it / MINUTE_SECONDS).floor() as i64);
            let change = period.since.map(|it| (it / MINUTE_SECONDS).ceil() as i64);
            let is_hourly = self.bits[1] == EVERY_HOUR;
            let first = change.map(|it| if is_hourly { it + shift } else { it + shift.max(before) });
            let latest = self.last_local(first, until.saturating_add(shift))?;
            if let Some(local) = latest {
                let start = local - shift;
                return is_recent(start).then_some(Timestamp(start as f64 * MINUTE_SECONDS));
            }
            let change = change?;
            let has_skipped = !is_hourly && shift > before;
            if has_skipped && self.last_local(Some(change + before), change + shift - 1)?.is_some() {
                return is_recent(change).then_some(Timestamp(change as f64 * MINUTE_SECONDS));
            }
            until = change - 1;
        }
        None
    }

    /// The last local minute that fits, from `first` to `until`, or in the last [`DAYS_MAX`] days; an error beyond
    /// the calendar.
    fn last_local(&self, first: Option<i64>, until: i64) -> Option<Option<i64>> {
        let first = first.unwrap_or(i64::MIN).max(until.saturating_sub(DAYS_MAX * MINUTES_PER_DAY));
        let mut minute = until;
        while minute >= first {
            let (day, of_day) = (minute.div_euclid(MINUTES_PER_DAY), minute.rem_euclid(MINUTES_PER_DAY));
            let (hour, of_hour) = (of_day / MINUTES_PER_HOUR, of_day % MINUTES_PER_HOUR);
            minute = if !self.fits_day(day)? {
                minute - of_day - 1
            } else if self.bits[1] >> hour & 1 == 0 {
                minute - of_hour - 1
            } else if self.bits[0] >> of_hour & 1 == 0 {
                minute - 1
            } else {
                return Some(Some(minute));
            };
        }
        Some(None)
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
        let found =
            schedule.parse::<CronSchedule>().unwrap().last_start(at(now), within, &TimeZone::default());
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

    /// In a zone with daylight saving: the expected start, or none.
    fn check_zone(rule: &str, schedule: &str, now: &str, expect: Option<&str>) {
        let zone = TimeZone::from_rule(rule).unwrap();
        let found = schedule.parse::<CronSchedule>().unwrap().last_start(at(now), 3_600.0, &zone);
        assert_eq!(found, expect.map(at), "{schedule} at {now} in {rule}");
    }

    #[test]
    fn a_daily_start_keeps_its_place_over_both_changes_of_the_clock() {
        const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
        const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";
        let daily = "0 4 * * *";
        check_zone(BERLIN, daily, "2026-03-28T03:10:00Z", Some("2026-03-28T03:00:00Z"));
        check_zone(BERLIN, daily, "2026-03-29T02:10:00Z", Some("2026-03-29T02:00:00Z"));
        check_zone(BERLIN, daily, "2026-03-29T03:10:00Z", None);
        check_zone(BERLIN, daily, "2026-10-25T03:59:59Z", Some("2026-10-25T03:00:00Z"));
        check_zone(NEW_YORK, daily, "2026-03-07T09:00:00Z", Some("2026-03-07T09:00:00Z"));
        check_zone(NEW_YORK, daily, "2026-03-08T08:00:00Z", Some("2026-03-08T08:00:00Z"));
        check_zone(NEW_YORK, daily, "2026-11-01T09:30:00Z", Some("2026-11-01T09:00:00Z"));
        // Days are those of the zone: Saturday evening in New York is Sunday in UTC.
        check_zone(NEW_YORK, "0 20 * * sat", "2026-03-08T01:10:00Z", Some("2026-03-08T01:00:00Z"));
        check_zone(NEW_YORK, "0 20 * * sun", "2026-03-08T01:10:00Z", None);
        // From winter across the change: 23:30 on the day before.
        check_zone(BERLIN, "30 1 * * *", "2026-03-29T01:10:00Z", Some("2026-03-29T00:30:00Z"));
    }

    #[test]
    fn an_hour_that_is_skipped_or_occurs_twice_starts_a_window_once() {
        const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
        // 02:00 to 03:00 does not exist on 29 March: the window starts at the change, as cron starts its jobs.
        check_zone(BERLIN, "30 2 * * *", "2026-03-29T00:59:00Z", None);
        check_zone(BERLIN, "30 2 * * *", "2026-03-29T01:00:00Z", Some("2026-03-29T01:00:00Z"));
        check_zone(BERLIN, "30 2 * * *", "2026-03-29T02:00:00Z", None);
        // It occurs twice on 25 October; only the first starts a window.
        check_zone(BERLIN, "30 2 * * *", "2026-10-25T00:40:00Z", Some("2026-10-25T00:30:00Z"));
        check_zone(BERLIN, "30 2 * * *", "2026-10-25T01:40:00Z", None);
        // What starts each hour goes on by the hours that pass.
        check_zone(BERLIN, "30 * * * *", "2026-10-25T01:40:00Z", Some("2026-10-25T01:30:00Z"));
        check_zone(BERLIN, "30 * * * *", "2026-03-29T01:00:00Z", Some("2026-03-29T00:30:00Z"));
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
            ("61 2 * * *", "\"61\" is not a valid minute (0 to 59)"),
            ("0 2 0 * *", "\"0\" is not a valid day of the month (1 to 31)"),
            ("0 2 * * mon-sun", "backward"),
            ("*/0 * * * *", "the step in \"*/0\""),
            ("+1 * * * *", "\"+1\" is not a valid minute"),
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
            assert_eq!(always.last_start(Timestamp(now), 3_600.0, &TimeZone::default()), None, "{now}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "[-*/,0-9a-z@ ]{0,30}|.{0,20}") {
            if let Ok(schedule) = text.parse::<CronSchedule>() {
                prop_assert_eq!(schedule.to_string().parse(), Ok(schedule.clone()));
                let _ = schedule.last_start(Timestamp(1.8e9), 86_400.0, &TimeZone::default());
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
            let found = schedule.last_start(Timestamp(now as f64), within as f64, &TimeZone::default());
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
