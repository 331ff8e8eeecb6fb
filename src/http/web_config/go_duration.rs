//! Durations as Go writes them, such as `1m30s` and `1.5s`: exporter-toolkit has its own there.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A duration of Go's `time.ParseDuration` that is not negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GoDuration(pub(super) Duration);

/// Longest duration that is taken: a year.
const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);
/// Seconds of each unit. The longer name stands before the one that it ends in.
const UNITS: [(&str, f64); 7] =
    [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

impl GoDuration {
    /// Parses a text; `None` if it is not a duration, or longer than a year.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self(Duration::ZERO));
        }
        let mut seconds = 0.0;
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|it: char| !it.is_ascii_digit() && it != '.')?;
            let (number, after) = rest.split_at(digits);
            let end = after.find(|it: char| it.is_ascii_digit() || it == '.').unwrap_or(after.len());
            let (unit, after) = after.split_at(end);
            let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
            seconds += number.parse::<f64>().ok()? * scale;
            rest = after;
        }
        let duration = Duration::try_from_secs_f64(seconds).ok().filter(|it| *it <= DURATION_MAX);
        duration.filter(|_| !text.is_empty()).map(Self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = GoDuration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as 1s, 500ms or 1m30s")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<GoDuration, E> {
                GoDuration::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            // A bare number is nanoseconds to Go; 0 is the only one that anybody means.
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<GoDuration, E> {
                Ok(GoDuration(Duration::from_nanos(number).min(DURATION_MAX)))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(GoDuration::parse(text).map(|it| it.0.as_micros() as u64), expect, "{text}");
        };
        check("0", Some(0));
        check("1s", Some(1_000_000));
        check("1.5s", Some(1_500_000));
        check("100ms", Some(100_000));
        check("5µs", Some(5));
        check("1h2m3s", Some(3_723_000_000));
        for text in ["", "1", "s", "-1s", "1d", "1s1", ".s", "1..2s", "1e3s", "9999999h", "1 s"] {
            check(text, None);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9.smhunµ-]{0,12}|\\PC{0,12}") {
            let _ = GoDuration::parse(&text);
        }
    }
}
