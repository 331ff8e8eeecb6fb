//! Instants as users write them: in flags and in queries.

use std::ops::RangeInclusive;
use std::str::FromStr;

use super::{ParseTimestampError, instant, quoted};
use crate::duration::HumanDuration;
use crate::reading::Timestamp;

/// Earliest and latest time, in Unix seconds: others are mistakes. [`instant`] has its own, wider limit.
const PLAUSIBLE: RangeInclusive<f64> = 0.0..=1e11;

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
            Ok(_) | Err(ParseTimestampError::Large) => {
                Err(format!("{} is not a time in the years 1970 to 5138", quoted(text)))
            }
            Err(_) => Err(
                "expected -2h for two hours ago, now, a day such as 2026-11-21, or a time such as 2026-11-21T10:00:00Z"
                    .to_owned(),
            ),
        }
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
        ] {
            check(text, None);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_does_not_panic(text in ".*") {
            let _ = text.parse::<TimeArg>();
        }
    }
}
