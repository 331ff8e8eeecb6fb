//! Order of the times of rows, also across a leap second.

use super::cell::ParseTimestampError;
use super::error::TableProblem;
use super::time_unit::is_date_in_digits;
use crate::reading::Timestamp;

/// Time around a leap second in which clocks repeat a second, in seconds.
const LEAP_SECONDS: f64 = 1.0;

/// The Unix times just after the leap seconds inserted so far; the last one was at the end of 2016.
const AFTER_LEAP_SECONDS: [f64; 27] = [
    78_796_800.0,
    94_694_400.0,
    126_230_400.0,
    157_766_400.0,
    189_302_400.0,
    220_924_800.0,
    252_460_800.0,
    283_996_800.0,
    315_532_800.0,
    362_793_600.0,
    394_329_600.0,
    425_865_600.0,
    489_024_000.0,
    567_993_600.0,
    631_152_000.0,
    662_688_000.0,
    709_948_800.0,
    741_484_800.0,
    773_020_800.0,
    820_454_400.0,
    867_715_200.0,
    915_148_800.0,
    1_136_073_600.0,
    1_230_768_000.0,
    1_341_100_800.0,
    1_435_708_800.0,
    1_483_228_800.0,
];

/// A row with a time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct TimedRow {
    /// Its time.
    at: Timestamp,
    /// Its line.
    line: u64,
}

/// Checks that the times of rows rise.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowOrder {
    /// The time of the first row.
    first: Option<Timestamp>,
    /// The last row with a time.
    before: Option<TimedRow>,
    /// The leap second that the rows have repeated.
    repeated: Option<f64>,
}

impl RowOrder {
    /// Takes the time of the next row, and its line.
    ///
    /// # Errors
    /// If it is not later than the row before, or a date that was read as Unix time.
    pub fn take(&mut self, at: Timestamp, line: u64) -> Result<(), TableProblem> {
        let first = *self.first.get_or_insert(at);
        let before = self.before.replace(TimedRow { at, line });
        if is_date_in_digits(first, at) {
            return Err(TableProblem::Time { cell: at.0.to_string(), why: ParseTimestampError::Digits });
        }
        match before {
            Some(before) if before.at.0 >= at.0 && !self.repeats_leap_second(before.at, at) => {
                Err(TableProblem::Order { at, before: before.at, line: before.line, file: None })
            }
            _ => Ok(()),
        }
    }

    /// Whether a time that does not rise is in order, because Unix time repeats a second at a leap second: there, one time
    /// may be equal to the one before, or less than a second earlier.
    fn repeats_leap_second(&mut self, before: Timestamp, at: Timestamp) -> bool {
        let is_near = |it: Timestamp, leap: f64| (it.0 - leap).abs() <= LEAP_SECONDS;
        let near = AFTER_LEAP_SECONDS.into_iter().find(|it| is_near(before, *it) && is_near(at, *it));
        let repeats = near.is_some() && before.0 - at.0 < LEAP_SECONDS && self.repeated != near;
        if repeats {
            self.repeated = near;
        }
        repeats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks which of these times, by their indices, are out of order.
    fn check(times: &[f64], expect: &[usize]) {
        let mut order = RowOrder::default();
        let wrong = |(idx, at): (usize, &f64)| order.take(Timestamp(*at), 1).is_err().then_some(idx);
        assert_eq!(times.iter().enumerate().filter_map(wrong).collect::<Vec<_>>(), expect, "{times:?}");
    }

    #[test]
    fn only_a_leap_second_repeats_and_once() {
        for leap in AFTER_LEAP_SECONDS {
            let from = |times: &[f64]| times.iter().map(|it| leap + it).collect::<Vec<_>>();
            for times in [&[0.0, 0.0], &[-1.0, -1.0], &[-0.1, -1.0], &[0.5, 0.0]] {
                check(&from(times), &[]);
            }
            // Ten rows a second.
            let tenths = |first: i32| (first..first + 10).map(|it| f64::from(it) / 10.0);
            check(&from(&tenths(-10).chain(tenths(-10)).chain(tenths(0)).collect::<Vec<_>>()), &[]);
            check(&from(&[-1.0, -1.0, -1.0, 0.0, 0.0]), &[2, 4]);
            check(&from(&[0.0, -1.0]), &[1]);
            check(&from(&[1.5, 1.5]), &[1]);
            check(&from(&[40.0, 40.0]), &[1]);
        }
    }

    #[test]
    fn other_midnights_do_not_repeat() {
        let midnights = [
            "1970-01-01T00:00:00Z",
            "1972-01-01T00:00:00Z",
            "2016-07-01T00:00:00Z",
            "2017-03-01T00:00:00Z",
            "2027-01-01T00:00:00Z",
            "2027-07-01T00:00:00Z",
        ];
        for midnight in midnights {
            let at = super::super::instant(midnight.as_bytes()).unwrap().0;
            check(&[at - 1.0, at, at, at + 1.0, at + 1.0], &[2, 4]);
        }
    }

    #[test]
    fn dates_in_digits_are_out_of_place() {
        check(&[20_260_101.0, 20_260_102.0], &[0, 1]);
        check(&[1_795_255_200.0, 20_261_121.0, 20_261_122.0], &[1, 2]);
        // Seconds from the first row, for most of a year.
        check(&[0.0, 19_700_100.0, 19_700_101.0, 20_260_101.0], &[]);
        // Minutes since 1970, which get a warning.
        check(&[20_260_100.0, 20_260_101.0], &[]);
    }
}
