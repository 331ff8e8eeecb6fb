//! Instants as users write them: in flags and in queries.

use std::ops::RangeInclusive;
use std::str::FromStr;

use super::time_unit::day_and_clock;
use super::{ParseTimestampError, instant, quoted};
use crate::duration::HumanDuration;
use crate::reading::Timestamp;

/// Earliest and latest time, in Unix seconds: 2000-01-01, before any host that hostnorm runs on, and the year 5138. Others are
/// mistakes. [`instant`] has its own, wider limit.
const PLAUSIBLE: RangeInclusive<f64> = 946_684_800.0..=1e11;

/// Units of Unix time that are finer than seconds, with their number in a second.
const FINE_UNITS: [(&str, f64); 3] = [("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9)];

/// An instant as users write it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TimeArg {
    /// This long ago.
    Ago(HumanDuration),
    /// At this time.
    At(Timestamp),
}

impl TimeArg {
    /// The instant, given the time now.
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(span) => Timestamp(now.0 - span.as_seconds()),
            Self::At(at) => at,
        }
    }
}

impl FromStr for TimeArg {
    type Err = String;

    /// Reads an instant: `now`, `-2h`, a day, RFC 3339, or seconds since 1970.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "now" {
            return Ok(Self::Ago(HumanDuration::default()));
        }
        if let Some(span) = text.strip_prefix('-')
            && let Ok(span) = span.parse()
        {
            return Ok(Self::Ago(span));
        }
        let day = format!("{text}T00:00:00Z");
        let is_day = text.len() == "2026-11-21".len() && text.matches('-').count() == 2;
        let text = if is_day { &day } else { text };
        match instant(text.as_bytes()) {
            Ok(at) if PLAUSIBLE.contains(&at.0) => Ok(Self::At(at)),
            Ok(_) | Err(ParseTimestampError::Large) => Err(implausible(text)),
            Err(_) => Err(
                "expected -2h for two hours ago, now, a day such as 2026-11-21, or a time such as 2026-11-21T10:00:00Z"
                    .to_owned(),
            ),
        }
    }
}

/// Why a time is a mistake, and what to write instead.
fn implausible(text: &str) -> String {
    if let Some((day, clock)) = day_and_clock(text) {
        let written = clock.map_or_else(|| day.to_string(), |clock| format!("{day}T{clock}Z"));
        return format!("{} is read as Unix time; write {written}", quoted(text));
    }
    let number = text.parse::<f64>().unwrap_or(f64::NAN);
    let unit = FINE_UNITS.iter().find(|(_, units)| PLAUSIBLE.contains(&(number / units)));
    match unit {
        Some((unit, units)) => {
            format!("{} is Unix time in {unit}; divide by {units} to have seconds", quoted(text))
        }
        None => format!("{} is not a time in the years 2000 to 5138", quoted(text)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, seconds: Option<f64>) {
        let found = text.parse::<TimeArg>().ok().map(|it| it.at(Timestamp(1_795_255_200.0)).0);
        assert_eq!(found, seconds, "{text}");
    }

    #[test]
    fn instants_are_relative_or_absolute() {
        check("now", Some(1_795_255_200.0));
        check("-2h", Some(1_795_248_000.0));
        check("-1d12h", Some(1_795_125_600.0));
        check("2026-11-21T10:00:00Z", Some(1_795_255_200.0));
        check("2026-11-21T12:00:00+02:00", Some(1_795_255_200.0));
        check("2026-11-21", Some(1_795_219_200.0));
        check("1795255200.5", Some(1_795_255_200.5));
        for text in [
            "",
            "yesterday",
            "2h",
            "2026-11-21T10:00:00",
            "2026-13-01",
            "-h",
            "-5",
            "1e300",
            "inf",
            "nan",
            "1969-12-31",
            "1999-12-31",
            "0",
            "2026",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_number_that_is_no_unix_time_is_refused_with_the_right_form() {
        for (text, says) in [
            ("20261201", "write 2026-12-01"),
            ("202612011030", "write 2026-12-01T10:30:00Z"),
            ("20261201103045", "write 2026-12-01T10:30:45Z"),
            ("20261301", "not a time in the years 2000 to 5138"),
            ("20261201.5", "not a time in the years 2000 to 5138"),
            ("1795255200000", "in milliseconds; divide by 1000 to"),
            ("1795255200000.0", "in milliseconds; divide by 1000 to"),
            ("1795255200000000", "in microseconds; divide by 1000000 to"),
            ("1795255200000000000", "in nanoseconds; divide by 1000000000 to"),
            ("1970-08-23", "not a time in the years 2000 to 5138"),
            ("1e300", "not a time in the years 2000 to 5138"),
        ] {
            let refusal = text.parse::<TimeArg>().unwrap_err();
            assert!(refusal.contains(says), "{text}: {refusal}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_does_not_panic(text in ".*") {
            let _ = text.parse::<TimeArg>();
        }
    }
}
