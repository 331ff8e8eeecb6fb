//! Times as text.

use crate::reading::Timestamp;

/// A time as RFC 3339 in UTC, with milliseconds: `2026-11-21T10:00:00.123Z`. Times outside the years of four digits
/// are clamped.
///
/// The calendar is Howard Hinnant's `civil_from_days` ("chrono-Compatible Low-Level Date Algorithms").
pub fn instant(at: Timestamp) -> String {
    const MILLIS_MIN: i64 = -62_167_219_200_000; // 0000-01-01T00:00:00Z
    const MILLIS_MAX: i64 = 253_402_300_799_999; // 9999-12-31T23:59:59.999Z
    // The cast saturates and turns NaN into 0.
    let millis = ((at.0 * 1000.0).round() as i64).clamp(MILLIS_MIN, MILLIS_MAX);
    let (days, millis) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let shifted = days + 719_468; // days since 0000-03-01
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The second of a time, as RFC 3339 in UTC: `2026-11-21T10:00:00Z`.
pub fn second(at: Timestamp) -> String {
    let text = instant(Timestamp(at.0.floor()));
    format!("{}Z", text.trim_end_matches(".000Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_follow_the_calendar() {
        // Expected output of `date -u -d @SECONDS +%FT%T.%3NZ`.
        for (seconds, expect) in [
            (0.0, "1970-01-01T00:00:00.000Z"),
            (-0.001, "1969-12-31T23:59:59.999Z"),
            (951_782_400.5, "2000-02-29T00:00:00.500Z"),
            (1_795_255_200.123, "2026-11-21T10:00:00.123Z"),
            (4_107_542_399.0, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400.0, "2100-03-01T00:00:00.000Z"),
            (f64::NAN, "1970-01-01T00:00:00.000Z"),
            (f64::INFINITY, "9999-12-31T23:59:59.999Z"),
            (f64::NEG_INFINITY, "0000-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(instant(Timestamp(seconds)), expect);
        }
    }
}
