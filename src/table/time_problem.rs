//! Messages about times of rows that are malformed or out of order.

use super::cell::ParseTimestampError;
use super::quoted_text::{clipped, quoted};
use super::time_unit::{date_in_digits, large_unit_hint, unlikely_unit_hint};
use crate::episode_text;
use crate::reading::Timestamp;

/// What is wrong with a timestamp.
pub(super) fn time_problem(text: &str, why: ParseTimestampError) -> String {
    let cell = quoted(text);
    let what = match (why, date_in_digits(text)) {
        (ParseTimestampError::Missing, _) if text.trim().is_empty() => {
            "the cell is empty; each row needs its time".to_owned()
        }
        (ParseTimestampError::Missing, _) => format!("{cell} is not a time; each row needs its time"),
        (ParseTimestampError::Zone, _) if !text.trim().contains(['T', 't', ' ']) => {
            format!(
                "{cell} is a day; write {}T00:00:00Z, or with an offset such as +02:00",
                clipped(text.trim())
            )
        }
        (ParseTimestampError::Zone, _) => {
            format!("{cell} has no offset from UTC; append Z, or an offset such as +02:00")
        }
        (ParseTimestampError::Digits | ParseTimestampError::Large, Some(time)) => {
            format!("{cell} is a date in digits; write {time}, or with an offset such as +02:00")
        }
        (ParseTimestampError::Large, None) => {
            format!("{cell} is too large for a Unix time in seconds{}", large_unit_hint(text))
        }
        (ParseTimestampError::Digits | ParseTimestampError::Text, _) => {
            format!("{cell} is neither a Unix time nor a time such as 2026-11-21T10:00:00Z")
        }
    };
    format!("column \"timestamp\": {what}")
}

/// What is wrong with a time that is not after the one before, which is of this line, perhaps of another file.
pub(super) fn order_problem(at: Timestamp, before: Timestamp, line: u64, file: Option<&str>) -> String {
    let remedy = unlikely_unit_hint(at, before);
    let remedy = remedy.as_deref().unwrap_or("sort the rows by time, oldest first");
    let (at, before) = (episode_text::instant(at), episode_text::instant(before));
    let file = file.map(|it| format!("{it}, ")).unwrap_or_default();
    format!("column \"timestamp\": {at} is not after {before} of {file}line {line}; {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_time_has_its_remedy() {
        use ParseTimestampError::{Digits, Large, Missing, Text, Zone};
        for (cell, why, expect) in [
            ("", Missing, "the cell is empty; each row needs its time"),
            ("NaN", Missing, "\"NaN\" is not a time; each row needs its time"),
            (
                "1795255200000",
                Large,
                "\"1795255200000\" is too large for a Unix time in seconds; divide milliseconds by 1000",
            ),
            ("inf", Large, "\"inf\" is too large for a Unix time in seconds"),
            (
                "20260101",
                Digits,
                "\"20260101\" is a date in digits; write 2026-01-01T00:00:00Z, or with an offset such as +02:00",
            ),
            (
                "20261121100000",
                Large,
                "\"20261121100000\" is a date in digits; write 2026-11-21T10:00:00Z, or with an offset such as +02:00",
            ),
            (
                "2026-11-21",
                Zone,
                "\"2026-11-21\" is a day; write 2026-11-21T00:00:00Z, or with an offset such as +02:00",
            ),
            (
                "20261121T100000",
                Zone,
                "\"20261121T100000\" has no offset from UTC; append Z, or an offset such as +02:00",
            ),
            (
                "2026-11-21 10:00",
                Zone,
                "\"2026-11-21 10:00\" has no offset from UTC; append Z, or an offset such as +02:00",
            ),
            ("Total", Text, "\"Total\" is neither a Unix time nor a time such as 2026-11-21T10:00:00Z"),
        ] {
            assert_eq!(time_problem(cell, why), format!("column \"timestamp\": {expect}"));
        }
    }

    #[test]
    fn a_time_out_of_order_has_its_remedy() {
        let check = |at, before, expect: &str| {
            let found = order_problem(Timestamp(at), Timestamp(before), 2, None);
            assert_eq!(
                found,
                format!("column \"timestamp\": 1970-01-01T12:52:27.000Z is not after {expect}")
            );
        };
        check(
            46_347.0,
            1_795_255_200.0,
            "2026-11-21T10:00:00.000Z of line 2; if it is a number of days as in a spreadsheet, write Unix time: (days - 25569) * 86400",
        );
        check(46_347.0, 46_400.0, "1970-01-01T12:53:20.000Z of line 2; sort the rows by time, oldest first");
    }
}
