//! Time zones: what a clock on the wall shows at an instant.
//!
//! Days, weeks and schedules of people and their jobs follow that clock, over both changes of daylight saving. A zone is
//! data, read by the shell from a file of the tz database, so equal readings and an equal zone give equal results.

use std::fmt;

use crate::reading::Timestamp;

/// Longest name of a zone, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// A time zone; UTC by default.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeZone {
    rules: jiff::tz::TimeZone,
    name: String,
}

/// A span of time with the same offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OffsetPeriod {
    /// When it started; none if it has no start.
    pub since: Option<f64>,
    /// Seconds that the clock is ahead of UTC.
    pub offset: f64,
    /// The offset before it.
    pub offset_before: f64,
}

impl Default for TimeZone {
    fn default() -> Self {
        Self { rules: jiff::tz::TimeZone::UTC, name: "UTC".to_owned() }
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl TimeZone {
    /// The zone of a file of the tz database, in the format of tzfile(5). Without a name, its rule for the future names
    /// it, such as `CET-1CEST,M3.5.0,M10.5.0/3`.
    ///
    /// # Errors
    /// If the bytes are no such file: the reason.
    pub fn from_tzfile(name: Option<&str>, bytes: &[u8]) -> Result<Self, String> {
        let rule = bytes.strip_suffix(b"\n").and_then(|it| it.rsplit(|byte| *byte == b'\n').next());
        let rule = rule.and_then(|it| std::str::from_utf8(it).ok()).filter(|it| is_printable(it));
        let name = name.or(rule).unwrap_or("local");
        let rules = jiff::tz::TimeZone::tzif(name, bytes).map_err(|error| error.to_string())?;
        Ok(Self { rules, name: name.to_owned() })
    }

    /// The zone of a rule as in the variable `TZ` of POSIX.
    ///
    /// # Errors
    /// If the text is no such rule: the reason.
    pub fn from_rule(rule: &str) -> Result<Self, String> {
        let rules = jiff::tz::TimeZone::posix(rule).map_err(|error| error.to_string())?;
        Ok(Self { rules, name: rule.to_owned() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the clock shows at an instant, in seconds since it showed the start of 1970; UTC beyond the calendar.
    pub fn local_seconds(&self, at: Timestamp) -> f64 {
        at.0 + self.offset(at)
    }

    /// Seconds that the clock is ahead of UTC at an instant; 0 beyond the calendar.
    pub fn offset(&self, at: Timestamp) -> f64 {
        instant(at).map_or(0.0, |it| f64::from(self.rules.to_offset(it).seconds()))
    }

    /// The period with the offset of an instant.
    pub fn period(&self, at: Timestamp) -> OffsetPeriod {
        let offset = self.offset(at);
        // `preceding` leaves out a change at the instant itself.
        let after = instant(at).and_then(|it| it.checked_add(jiff::SignedDuration::from_secs(1)).ok());
        let mut changes = after.into_iter().flat_map(|it| self.rules.preceding(it));
        let Some(change) = changes.next() else {
            return OffsetPeriod { since: None, offset, offset_before: offset };
        };
        let offset_before = changes.next().map(|it| f64::from(it.offset().seconds()));
        let since = change.timestamp().as_second() as f64;
        let offset_before = offset_before.unwrap_or_else(|| self.offset(Timestamp(since - 1.0)));
        OffsetPeriod { since: Some(since), offset, offset_before }
    }
}

fn instant(at: Timestamp) -> Option<jiff::Timestamp> {
    // The cast saturates.
    jiff::Timestamp::from_second(at.0.floor() as i64).ok()
}

fn is_printable(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(|it| it.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
    const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";
    const HOUR: f64 = 3_600.0;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_second() as f64)
    }

    #[test]
    fn clocks_change_twice_a_year() {
        for (rule, instant, hours) in [
            (BERLIN, "2026-03-29T00:59:59Z", 1),
            (BERLIN, "2026-03-29T01:00:00Z", 2),
            (BERLIN, "2026-10-25T00:59:59Z", 2),
            (BERLIN, "2026-10-25T01:00:00Z", 1),
            (NEW_YORK, "2026-03-08T06:59:59Z", -5),
            (NEW_YORK, "2026-03-08T07:00:00Z", -4),
            (NEW_YORK, "2026-11-01T06:00:00Z", -5),
        ] {
            let zone = TimeZone::from_rule(rule).unwrap();
            assert_eq!((zone.offset(at(instant)) / HOUR).round() as i64, hours, "{rule} at {instant}");
        }
    }

    #[test]
    fn a_period_starts_at_the_change_of_the_clock() {
        let zone = TimeZone::from_rule(BERLIN).unwrap();
        let summer = OffsetPeriod {
            since: Some(at("2026-03-29T01:00:00Z").0),
            offset: 2.0 * HOUR,
            offset_before: HOUR,
        };
        assert_eq!(zone.period(at("2026-03-29T01:00:00Z")), summer);
        assert_eq!(zone.period(at("2026-07-01T00:00:00Z")), summer);
        assert_ne!(zone.period(at("2026-03-29T00:59:59Z")), summer);
        let utc = OffsetPeriod { since: None, offset: 0.0, offset_before: 0.0 };
        assert_eq!(TimeZone::default().period(at("2026-07-01T00:00:00Z")), utc);
    }

    #[test]
    fn instants_beyond_the_calendar_are_utc() {
        let zone = TimeZone::from_rule(BERLIN).unwrap();
        for far in [f64::INFINITY, -1e300, 1e18] {
            assert_eq!(zone.local_seconds(Timestamp(far)).to_bits(), far.to_bits());
        }
        assert!(zone.local_seconds(Timestamp(f64::NAN)).is_nan());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_zone_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), seconds in any::<f64>()) {
            let with_magic = [b"TZif2".as_slice(), &[0; 15], &bytes].concat();
            for bytes in [bytes, with_magic] {
                if let Ok(zone) = TimeZone::from_tzfile(None, &bytes) {
                    prop_assert!(zone.name().len() <= NAME_BYTES_MAX);
                    let _ = zone.period(Timestamp(seconds));
                }
            }
        }
    }
}
