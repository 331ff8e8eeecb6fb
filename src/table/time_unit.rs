//! Times in another unit than Unix seconds: dates in digits, and numbers of other units or from another start.

use std::ops::Range;

use jiff::civil::{Date, Time};

use crate::reading::Timestamp;

/// Unix times before this one, in 1973, are unlikely times of rows: they are numbers of another unit, or count from the
/// first row.
const UNLIKELY_BELOW: f64 = 1e8;

/// Numbers that are before 1973 as Unix times, but times of about the years 1990 to 2100 in another unit,
/// with how to convert them.
const SMALL_UNITS: [(Range<f64>, &str); 6] = [
    (10_957.0..32_874.0, "a number of days since 1970, write Unix time: days * 86400"),
    (32_874.0..80_000.0, "a number of days as in a spreadsheet, write Unix time: (days - 25569) * 86400"),
    (263_000.0..700_000.0, "a number of hours since 1970, write Unix time: hours * 3600"),
    (713_000.0..780_000.0, "a day number of Matlab, write Unix time: (days - 719529) * 86400"),
    (2_434_000.0..2_500_000.0, "a Julian day, write Unix time: (days - 2440587.5) * 86400"),
    (15_700_000.0..68_500_000.0, "a number of minutes since 1970, write Unix time: minutes * 60"),
];

/// Numbers that are too large for Unix seconds, with how to convert them.
const LARGE_UNITS: [(Range<f64>, &str); 6] = [
    (1e11..1e13, "divide milliseconds by 1000"),
    (1e14..1e16, "divide microseconds by 1000000"),
    (1.2e16..1.6e16, "if it is microseconds since 1601, divide by 1000000 and subtract 11644473600"),
    (1.2e17..1.6e17, "if it is a Windows file time, divide by 10000000 and subtract 11644473600"),
    (6.3e17..6.7e17, "if it is in .NET ticks, divide by 10000000 and subtract 62135596800"),
    (1e17..1e19, "divide nanoseconds by 1000000000"),
];

/// The end of a message about a number that is too large for a Unix time in seconds.
pub(super) fn large_unit_hint(cell: &str) -> String {
    let size = cell.trim().parse().map_or(f64::INFINITY, f64::abs);
    let unit = LARGE_UNITS.iter().find(|(range, _)| range.contains(&size));
    unit.map(|(_, hint)| format!("; {hint}")).unwrap_or_default()
}

/// A hint, if the times from `first` to `last` look like numbers of another unit. Only the first ones do, if a table
/// continues with times of another kind. Times that leave the range of the unit count seconds from the first row.
pub fn time_unit_hint(first: Timestamp, last: Timestamp) -> Option<String> {
    let hint = match small_unit(first)?.0.contains(&last.0) {
        true => unit_hint(first)?,
        false => unlikely_unit_hint(first, last)?,
    };
    Some(format!("the first time, {}, is before 1973 as Unix time; {hint}", first.0))
}

/// What to do with a time beside an ordinary one, if it looks like a number of another unit.
pub(super) fn unlikely_unit_hint(at: Timestamp, ordinary: Timestamp) -> Option<String> {
    unit_hint(at).filter(|_| UNLIKELY_BELOW <= ordinary.0)
}

fn unit_hint(at: Timestamp) -> Option<String> {
    small_unit(at).map(|(_, unit)| format!("if it is {unit}"))
}

fn small_unit(at: Timestamp) -> Option<&'static (Range<f64>, &'static str)> {
    SMALL_UNITS.iter().find(|(range, _)| range.contains(&at.0) && !is_date(at))
}

/// Whether a time is a date in digits that was read as Unix time. In a table that counts from another first row, a time
/// may look like one.
pub(super) fn is_date_in_digits(first: Timestamp, at: Timestamp) -> bool {
    let counts = (0.0..UNLIKELY_BELOW).contains(&first.0) && !is_date(first);
    is_date(at) && !counts
}

fn is_date(at: Timestamp) -> bool {
    (0.0..UNLIKELY_BELOW).contains(&at.0) && date_in_digits(&at.0.to_string()).is_some()
}

/// The day of digits such as `20260131`, and with `202601311200` or `20260131120000` the time of day.
pub(super) fn day_and_clock(digits: &str) -> Option<(Date, Option<Time>)> {
    let is_digits = digits.bytes().all(|it| it.is_ascii_digit());
    let (day, clock) = digits.split_at_checked("20260131".len()).filter(|_| is_digits)?;
    let day = Date::strptime("%Y%m%d", day).ok()?;
    let clock = match clock.len() {
        0 => None,
        4 => Some(Time::strptime("%H%M", clock).ok()?),
        6 => Some(Time::strptime("%H%M%S", clock).ok()?),
        _ => return None,
    };
    Some((day, clock))
}

/// The RFC 3339 time of a date in digits, such as `20260131`, `202601311200` or `20260131120000`.
pub(super) fn date_in_digits(cell: &str) -> Option<String> {
    let digits = cell.trim();
    // Some programs write all numbers with a decimal point.
    let digits = digits.strip_suffix(".0").unwrap_or(digits);
    let (day, clock) = day_and_clock(digits).filter(|it| (1970..2100).contains(&it.0.year()))?;
    Some(format!("{day}T{}Z", clock.unwrap_or(Time::midnight())))
}

#[cfg(test)]
mod tests {
    use super::super::cell::instant;
    use super::*;

    #[test]
    fn small_numbers_of_another_unit_are_noticed() {
        let check = |first, last, expect: Option<&str>| {
            let found = time_unit_hint(Timestamp(first), Timestamp(last));
            let unit = found.as_deref().map(|it| it.split_once("; if it is ").unwrap().1);
            let unit = unit.map(|it| it.split_once(", write Unix time: ").unwrap());
            assert_eq!(unit.map(|it| it.1), expect, "{first} {last}");
        };
        check(45_234.0, 45_235.5, Some("(days - 25569) * 86400"));
        check(20_778.0, 20_800.5, Some("days * 86400"));
        check(498_755.0, 499_000.0, Some("hours * 3600"));
        check(740_307.4, 740_308.0, Some("(days - 719529) * 86400"));
        check(2_461_365.9, 2_461_366.2, Some("(days - 2440587.5) * 86400"));
        check(29_920_920.0, 29_921_000.0, Some("minutes * 60"));
        // Other times follow.
        check(46_347.4, 1_795_255_200.0, Some("(days - 25569) * 86400"));
        check(29_920_920.0, 1_795_255_200.0, Some("minutes * 60"));
        // Seconds from the first row.
        check(0.0, 45_235.5, None);
        check(0.0, 1_795_255_200.0, None);
        check(20_000.0, 90_000.0, None);
        check(1_483_228_800.0, 1_483_228_860.0, None);
        check(-1_795_255_200.0, 1_483_228_860.0, None);
        // Dates have an error of their own.
        check(20_260_101.0, 20_260_131.0, None);
    }

    /// The conversions give the time that the numbers stand for.
    #[test]
    fn conversions_are_right() {
        let at = instant(b"2026-11-21T10:00:00Z").unwrap().0;
        for (days, start) in [(46_347.416_666_666_67, 25_569.0), (740_307.416_666_666_6, 719_529.0)] {
            let found: f64 = (days - start) * 86_400.0;
            assert!((found - at).abs() < 1e-3, "{found}");
        }
        let julian: f64 = (2_461_365.916_666_666_5 - 2_440_587.5) * 86_400.0;
        assert!((julian - at).abs() < 1e-3, "{julian}");
        for (number, per_second, start) in [
            (134_397_288_000_000_000_f64, 1e7, 11_644_473_600.0),
            (639_308_520_000_000_000.0, 1e7, 62_135_596_800.0),
        ] {
            assert!((number / per_second - start - at).abs() < 1e-3, "{number}");
        }
    }

    #[test]
    fn large_numbers_of_another_unit_are_named() {
        for (cell, hint) in [
            ("1795255200000", "; divide milliseconds by 1000"),
            ("1.795255e+12", "; divide milliseconds by 1000"),
            ("1795255200000000", "; divide microseconds by 1000000"),
            ("1795255200000000000", "; divide nanoseconds by 1000000000"),
            (
                "13439728800000000",
                "; if it is microseconds since 1601, divide by 1000000 and subtract 11644473600",
            ),
            (
                "134397288000000000",
                "; if it is a Windows file time, divide by 10000000 and subtract 11644473600",
            ),
            ("639308520000000000", "; if it is in .NET ticks, divide by 10000000 and subtract 62135596800"),
            ("1e13", ""),
            ("1e300", ""),
            ("inf", ""),
        ] {
            assert_eq!(large_unit_hint(cell), hint, "{cell}");
        }
    }

    #[test]
    fn dates_in_digits_are_noticed() {
        for (cell, expect) in [
            ("20260101", Some("2026-01-01T00:00:00Z")),
            (" 20260101.0 ", Some("2026-01-01T00:00:00Z")),
            ("202611211000", Some("2026-11-21T10:00:00Z")),
            ("20261121100000", Some("2026-11-21T10:00:00Z")),
            ("20261301", None),
            ("20260230", None),
            ("18260101", None),
            ("2026112110", None),
            ("20260101.5", None),
            ("-2026010", None),
            ("1795255200000", None),
        ] {
            assert_eq!(date_in_digits(cell).as_deref(), expect, "{cell}");
        }
    }
}
