//! Times of rows: their order, also across a leap second, and times that are something else.

use super::error::TableProblem;
use crate::reading::Timestamp;

/// Time around a leap second in which clocks repeat a second, in seconds.
const LEAP_SECONDS: f64 = 1.0;
const DAY_SECONDS: f64 = 86_400.0;

/// Days since 1900 as spreadsheets write them, of the years 1954 to 2119. As Unix time, they are hours of the first day
/// of 1970.
const DAY_NUMBERS: std::ops::RangeInclusive<f64> = 20_000.0..=80_000.0;

/// The row that the next one must follow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PreviousRow {
    /// Its time.
    pub(super) at: Timestamp,
    /// Its line.
    pub(super) line: u64,
}

/// Checks that the times of rows rise.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowOrder {
    /// The last row with a time.
    before: Option<PreviousRow>,
}

impl RowOrder {
    /// Takes the time of the next row, and its line.
    ///
    /// # Errors
    /// If it is not later than the row before.
    pub fn take(&mut self, at: Timestamp, line: u64) -> Result<(), TableProblem> {
        match self.before.replace(PreviousRow { at, line }) {
            Some(before) if !may_follow(before.at, at) => {
                Err(TableProblem::Order { at, before: before.at, line: before.line, file: None })
            }
            _ => Ok(()),
        }
    }

    /// The last row with a time.
    pub(super) fn last(&self) -> Option<PreviousRow> {
        self.before
    }
}

/// A hint, if the times from `first` to `last` look like numbers of days.
pub fn day_numbers_hint(first: Timestamp, last: Timestamp) -> Option<String> {
    (DAY_NUMBERS.contains(&first.0) && DAY_NUMBERS.contains(&last.0)).then(|| {
        format!(
            "the times {} to {} are on the first day of 1970; if they are numbers of days as in a spreadsheet, write Unix time: (days - 25569) * 86400",
            first.0, last.0
        )
    })
}

/// Whether a row may stand after one with the time `before`. Unix time repeats a second at a leap second, so there
/// an equal time, or one that is less than a second earlier, is in order.
pub(super) fn may_follow(before: Timestamp, at: Timestamp) -> bool {
    before.0 < at.0
        || (before.0 - at.0 < LEAP_SECONDS && is_near_leap_second(before) && is_near_leap_second(at))
}

/// Whether a time is within a second of the end of June or December, UTC, where leap seconds are.
fn is_near_leap_second(at: Timestamp) -> bool {
    let midnight = (at.0 / DAY_SECONDS).round() * DAY_SECONDS;
    if (at.0 - midnight).abs() > LEAP_SECONDS {
        return false;
    }
    let date = jiff::Timestamp::from_second(midnight as i64).map(|it| it.to_zoned(jiff::tz::TimeZone::UTC));
    date.is_ok_and(|it| matches!((it.month(), it.day()), (1 | 7, 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_days_are_noticed() {
        let check = |first, last, expect: bool| {
            assert_eq!(day_numbers_hint(Timestamp(first), Timestamp(last)).is_some(), expect);
        };
        check(45_234.0, 45_235.5, true);
        check(0.0, 45_235.5, false);
        check(20_000.0, 90_000.0, false);
        check(1_483_228_800.0, 1_483_228_860.0, false);
    }

    #[test]
    fn only_a_leap_second_repeats() {
        let check = |before: f64, at: f64, expect: bool| {
            assert_eq!(may_follow(Timestamp(before), Timestamp(at)), expect, "{before} {at}");
        };
        let midnight = 1_483_228_800.0;
        check(1.0, 2.0, true);
        check(midnight + 40.0, midnight + 40.0, false);
        for (before, at) in [(0.0, 0.0), (-1.0, -1.0), (-0.1, -1.0), (0.5, 0.0)] {
            check(midnight + before, midnight + at, true);
        }
        check(midnight, midnight - 1.0, false);
        check(midnight + 1.5, midnight + 1.5, false);
        let march = 1_488_326_400.0;
        check(march, march, false);
    }
}
