//! Parses the identifier of an episode.

use std::str::FromStr;

use crate::reading::{Subject, SubjectKind, Timestamp};

/// An identifier as [`episode_text::id`](crate::episode_text::id) writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct EpisodeId {
    /// The subject of the episode.
    pub subject: Subject,
    /// The second of its start.
    pub second: Timestamp,
}

impl FromStr for EpisodeId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, '/');
        let second = parts.next().and_then(|it| it.parse::<jiff::Timestamp>().ok());
        let subject = match (parts.next(), parts.next()) {
            (None, _) => Some(Subject::Host),
            (Some(kind), Some(name)) => SubjectKind::read(kind)
                .filter(|it| *it != SubjectKind::Host && !name.is_empty())
                .and_then(|kind| Subject::read(kind, name)),
            (Some(_), None) => None,
        };
        let found = subject.zip(second).ok_or(
            "write an identifier as `hostnorm episodes` lists it, such as 2026-11-28T19:04:05Z or \
             2026-11-28T19:04:05Z/container/web",
        );
        let (subject, second) = found?;
        Ok(Self { subject, second: Timestamp(second.as_second() as f64) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::episode_text;

    proptest! {
        #[test]
        fn identifiers_that_are_written_are_read(second in 0_i32..2_000_000_000, name in "[^\\p{C}]{1,20}", of in 0..5) {
            let subject = match of {
                0 => Subject::Host,
                1 => Subject::Container(name.as_str().into()),
                2 => Subject::Log(name.as_str().into()),
                3 => Subject::Pod(name.as_str().into()),
                _ => Subject::Service(name.as_str().into()),
            };
            let second = Timestamp(f64::from(second));
            let read = episode_text::id(&subject, second).parse::<EpisodeId>();
            prop_assert_eq!(read, Ok(EpisodeId { subject, second }));
        }

        #[test]
        fn arbitrary_text_does_not_panic(text in ".{0,40}") {
            let _ = text.parse::<EpisodeId>();
        }
    }
}
