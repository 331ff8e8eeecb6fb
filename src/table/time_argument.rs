//! Instants as users write them: in flags and in queries.

use std::str::FromStr;

use super::instant;
use crate::duration::HumanDuration;
use crate::reading::Timestamp;

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
        instant(text.as_bytes()).map(Self::At).map_err(|_| {
            "expected -2h for two hours ago, now, a day such as 2026-11-21, or a time such as 2026-11-21T10:00:00Z"
                .to_owned()
        })
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
        for text in ["", "yesterday", "2h", "2026-11-21T10:00:00", "2026-13-01", "-h"] {
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
