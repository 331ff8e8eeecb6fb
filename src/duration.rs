//! Durations as users write them: `15s`, `5m`, `1h30m`, `7d`, `100ms`.
//!
//! The grammar is that of Prometheus (`model.ParseDuration` in prometheus/common): whole numbers, each unit at most once,
//! larger units first, and `0` without a unit.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest accepted duration, a hundred years; a longer one would overflow deadlines.
pub const SPAN_MAX: HumanDuration = HumanDuration { millis: 100 * 365 * DAY };

const DAY: u64 = 24 * HOUR;
const HOUR: u64 = 60 * MINUTE;
const MINUTE: u64 = 60 * SECOND;
const SECOND: u64 = 1000;

/// Accepted units, largest first. A year is 365 days, as in Prometheus.
const UNITS: [(&str, u64); 7] =
    [("y", 365 * DAY), ("w", 7 * DAY), ("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1)];

/// A duration in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct HumanDuration {
    millis: u64,
}

impl HumanDuration {
    /// A number of milliseconds.
    pub const fn millis(count: u64) -> Self {
        Self { millis: count }
    }

    /// A number of seconds.
    pub const fn seconds(count: u64) -> Self {
        Self { millis: count * SECOND }
    }

    /// A number of minutes.
    pub const fn minutes(count: u64) -> Self {
        Self { millis: count * MINUTE }
    }

    /// A number of days.
    pub const fn days(count: u64) -> Self {
        Self { millis: count * DAY }
    }

    /// The duration closest to this many seconds; 0 for negative numbers and NaN.
    pub fn nearest(seconds: f64) -> Self {
        // The cast saturates, and the maximum keeps the printed form within the grammar.
        Self { millis: (seconds * SECOND as f64).round() as u64 }.min(SPAN_MAX)
    }

    /// The duration in seconds.
    pub fn as_seconds(self) -> f64 {
        self.duration().as_secs_f64()
    }

    /// The duration as a standard one.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.millis)
    }

    /// A multiple, at most [`SPAN_MAX`].
    pub fn times(self, count: u64) -> Self {
        Self { millis: self.millis.saturating_mul(count) }.min(SPAN_MAX)
    }
}

impl From<HumanDuration> for Duration {
    fn from(span: HumanDuration) -> Self {
        span.duration()
    }
}

/// Days are the largest printed unit: `7d` is clearer than `1w`.
impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.millis == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.millis;
        for (unit, millis) in UNITS.iter().filter(|(unit, _)| !matches!(*unit, "y" | "w")) {
            let count = rest / millis;
            rest %= millis;
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseDurationError {
    /// It does not follow the grammar.
    Grammar,
    /// It is a number without a unit.
    Unit,
    /// It is longer than [`SPAN_MAX`].
    Long,
}

impl fmt::Display for ParseDurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grammar => f.write_str("is not a duration such as 100ms, 15s, 5m, 1h30m or 7d"),
            Self::Unit => f.write_str("has no unit; write ms, s, m, h, d, w or y after the number"),
            Self::Long => write!(f, "is longer than {SPAN_MAX}"),
        }
    }
}

impl std::error::Error for ParseDurationError {}

impl FromStr for HumanDuration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, ParseDurationError> {
        if text == "0" {
            return Ok(Self::default());
        }
        let mut rest = text;
        let mut units = UNITS.iter();
        let mut sum: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return Err(ParseDurationError::Grammar);
            }
            let (number, tail) = rest.split_at(digits);
            let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (name, tail) = tail.split_at(letters);
            if name.is_empty() && tail.is_empty() {
                return Err(ParseDurationError::Unit);
            }
            // The iterator continues where it stopped, so that each unit occurs once and in order.
            let (_, millis) = units.find(|(unit, _)| *unit == name).ok_or(ParseDurationError::Grammar)?;
            let number: u64 = number.parse().map_err(|_| ParseDurationError::Long)?;
            sum = number
                .checked_mul(*millis)
                .and_then(|it| it.checked_add(sum))
                .ok_or(ParseDurationError::Long)?;
            rest = tail;
        }
        match text.is_empty() {
            true => Err(ParseDurationError::Grammar),
            false if sum > SPAN_MAX.millis => Err(ParseDurationError::Long),
            false => Ok(Self { millis: sum }),
        }
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpanVisitor)
    }
}

/// Accepts numbers as well, so that the error for `interval: 5` in YAML says that the unit is missing.
struct SpanVisitor;

impl Visitor<'_> for SpanVisitor {
    type Value = HumanDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as 100ms, 15s, 5m, 1h30m or 7d")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HumanDuration, E> {
        text.parse().map_err(|error| E::custom(format_args!("{text:?} {error}")))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<HumanDuration, E> {
        number.to_string().parse().map_err(|error| E::custom(format_args!("{number} {error}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: Result<HumanDuration, ParseDurationError>, shown: &str) {
        let parsed = text.parse::<HumanDuration>();
        assert_eq!(parsed, expect, "{text}");
        if let Ok(span) = parsed {
            assert_eq!(span.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn reads_what_prometheus_reads() {
        check("0", Ok(HumanDuration::default()), "0s");
        check("0s", Ok(HumanDuration::default()), "0s");
        check("100ms", Ok(HumanDuration::millis(100)), "100ms");
        check("15s", Ok(HumanDuration::seconds(15)), "15s");
        check("90s", Ok(HumanDuration::seconds(90)), "1m30s");
        check("1h30m", Ok(HumanDuration::minutes(90)), "1h30m");
        check("1w", Ok(HumanDuration::days(7)), "7d");
        check("1y1d", Ok(HumanDuration::days(366)), "366d");
        check("100y", Ok(SPAN_MAX), "36500d");
    }

    #[test]
    fn refuses_with_a_reason() {
        use ParseDurationError::{Grammar, Long, Unit};
        for text in ["", "s", "1s1m", "1m1m", "1.5h", "-1s", "1 s", "1s ", "1M", "1µs", "5minutes", "٣s"] {
            check(text, Err(Grammar), "");
        }
        for text in ["5", "1m30"] {
            check(text, Err(Unit), "");
        }
        for text in ["101y", "99999999999999999999s", "18446744073709551615d"] {
            check(text, Err(Long), "");
        }
    }

    #[test]
    fn the_nearest_span_to_odd_seconds() {
        for (seconds, millis) in [(1.5, 1500), (-1.0, 0), (f64::NAN, 0), (f64::INFINITY, SPAN_MAX.millis)] {
            assert_eq!(HumanDuration::nearest(seconds).millis, millis, "{seconds}");
        }
    }

    proptest! {
        #[test]
        fn written_text_parses_to_the_same(millis in 0..=SPAN_MAX.millis) {
            let span = HumanDuration { millis };
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in ".*") {
            let _ = text.parse::<HumanDuration>();
        }
    }
}
