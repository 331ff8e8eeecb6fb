//! A cell: a number, a time or an error.

use crate::reading::Timestamp;
use crate::window::VALUE_MAX;

/// Largest valid seconds since 1970, the year 5138; milliseconds exceed it.
const SECONDS_MAX: f64 = 1e11;

/// Place of the seconds in a time such as `2016-12-31T23:59:60Z`.
const LEAP_SECOND_AT: std::ops::Range<usize> = 16..19;

/// Content of a signal's cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CellValue {
    /// A valid number.
    Known(f64),
    /// Empty, or `NaN`.
    Missing,
    /// A number that is infinite or too large.
    OutOfRange,
    /// Anything else.
    Text,
}

/// Why a text is no timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseTimestampError {
    /// The cell is empty.
    Missing,
    /// It has no offset from UTC.
    Zone,
    /// It is a number too large for seconds.
    Large,
    /// It is a date in digits, such as `20260131`.
    Digits,
    /// It is some other text.
    Text,
}

/// Parses the cell of a signal.
pub fn number(cell: &[u8]) -> CellValue {
    let cell = cell.trim_ascii();
    if cell.is_empty() {
        return CellValue::Missing;
    }
    match std::str::from_utf8(cell).map(str::parse::<f64>) {
        Ok(Ok(value)) if value.abs() <= VALUE_MAX => CellValue::Known(value),
        Ok(Ok(value)) if value.is_nan() => CellValue::Missing,
        Ok(Ok(_)) => CellValue::OutOfRange,
        _ => CellValue::Text,
    }
}

/// Parses a timestamp: seconds since 1970, or RFC 3339.
///
/// # Errors
/// If it is something else.
pub fn instant(cell: &[u8]) -> Result<Timestamp, ParseTimestampError> {
    let text = std::str::from_utf8(cell.trim_ascii()).map_err(|_| ParseTimestampError::Text)?;
    if text.is_empty() {
        return Err(ParseTimestampError::Missing);
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return match seconds.abs() <= SECONDS_MAX {
            true => Ok(Timestamp(seconds)),
            false if seconds.is_nan() => Err(ParseTimestampError::Missing),
            false => Err(ParseTimestampError::Large),
        };
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(at) => {
            // The parser reads the leap second 23:59:60 as 23:59:59; Unix time continues with 00:00:00.
            let leap = if text.get(LEAP_SECOND_AT) == Some(":60") { 1.0 } else { 0.0 };
            Ok(Timestamp(at.as_second() as f64 + leap + f64::from(at.subsec_nanosecond()) * 1e-9))
        }
        Err(_) if text.parse::<jiff::civil::DateTime>().is_ok() => Err(ParseTimestampError::Zone),
        Err(_) => Err(ParseTimestampError::Text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::episode_text;

    fn check_number(cell: &str, expect: CellValue) {
        assert_eq!(number(cell.as_bytes()), expect, "{cell:?}");
    }

    #[test]
    fn numbers() {
        for (cell, value) in
            [("1", 1.0), (" -1.5e3\t", -1500.0), ("+.5", 0.5), ("5.", 5.0), ("1e100", 1e100), ("1e-400", 0.0)]
        {
            check_number(cell, CellValue::Known(value));
        }
        for cell in ["", "  ", "NaN", "nan", "-NAN"] {
            check_number(cell, CellValue::Missing);
        }
        for cell in ["inf", "-Infinity", "1e308", "-1.1e100", "1e999"] {
            check_number(cell, CellValue::OutOfRange);
        }
        for cell in ["x", "1,5", "0x10", "1 2", "NA", "null", "1_000", "٣", "-"] {
            check_number(cell, CellValue::Text);
        }
        assert_eq!(number(b"\xff"), CellValue::Text);
    }

    fn check_instant(cell: &str, expect: Result<f64, ParseTimestampError>) {
        assert_eq!(instant(cell.as_bytes()).map(|it| it.0), expect, "{cell:?}");
    }

    #[test]
    fn instants() {
        check_instant("1795255200", Ok(1_795_255_200.0));
        check_instant(" 1795255200.25 ", Ok(1_795_255_200.25));
        check_instant("1.7952552e9", Ok(1_795_255_200.0));
        check_instant("2026-11-21T10:00:00Z", Ok(1_795_255_200.0));
        check_instant("2026-11-21t10:00:00.5z", Ok(1_795_255_200.5));
        check_instant("2026-11-21 12:00:00+02:00", Ok(1_795_255_200.0));
        check_instant("1969-12-31T23:59:59.5Z", Ok(-0.5));
        check_instant("2016-12-31T23:59:59Z", Ok(1_483_228_799.0));
        check_instant("2016-12-31T23:59:60Z", Ok(1_483_228_800.0));
        check_instant("2017-01-01 00:59:60.25+01:00", Ok(1_483_228_800.25));
        check_instant("2017-01-01T00:00:00Z", Ok(1_483_228_800.0));
        check_instant("1795255200000", Err(ParseTimestampError::Large));
        check_instant("inf", Err(ParseTimestampError::Large));
        check_instant("nan", Err(ParseTimestampError::Missing));
        check_instant("", Err(ParseTimestampError::Missing));
        check_instant("2026-11-21 10:00:00", Err(ParseTimestampError::Zone));
        for cell in ["yesterday", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "10:00"] {
            check_instant(cell, Err(ParseTimestampError::Text));
        }
    }

    proptest! {
        #[test]
        fn written_text_parses_to_the_same(value in prop::num::f64::NORMAL.prop_filter("", |it| it.abs() <= VALUE_MAX)) {
            prop_assert_eq!(number(value.to_string().as_bytes()), CellValue::Known(value));
            prop_assert_eq!(number(format!("{value:e}").as_bytes()), CellValue::Known(value));
        }

        #[test]
        fn instants_are_read_back(millis in -1_000_000_000_000i64..10_000_000_000_000) {
            let at = Timestamp(millis as f64 / 1000.0);
            let found = instant(episode_text::instant(at).as_bytes()).map(|it| (it.0 * 1000.0).round());
            prop_assert_eq!(found, Ok(millis as f64));
        }

        #[test]
        fn any_cell_is_parsed(cell in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = number(&cell);
            let _ = instant(&cell);
        }
    }
}
