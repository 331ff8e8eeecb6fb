//! Arguments of the commands that read the store: its directory and time ranges.

use clap::{Arg, ArgMatches};

use super::{GlobalOptions, shared};
use crate::config::Setting;
use crate::duration::HumanDuration;
use crate::reading::Timestamp;
use crate::store::TimeRange;
use crate::table::instant;

/// An instant as users write it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TimeArg {
    /// So long ago.
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

/// From one instant to another; nothing stands for no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TimeRangeArgs {
    /// The first instant.
    pub from: Option<TimeArg>,
    /// The last instant.
    pub to: Option<TimeArg>,
}

impl TimeRangeArgs {
    /// The bounds, given the time now.
    pub fn between(self, now: Timestamp) -> TimeRange {
        TimeRange {
            from: self.from.map_or(TimeRange::ALL.from, |it| it.at(now)),
            to: self.to.map_or(TimeRange::ALL.to, |it| it.at(now)),
        }
    }
}

/// What a command that reads the store takes from the settings.
const STORE: &[&str] = &["storage.path"];
/// What a command to the daemon takes from them.
const SOCKET: &[&str] = &["storage.path", "web.control_socket"];

fn needed(settings: &[Setting], keys: &[&str]) -> Vec<Setting> {
    settings.iter().filter(|it| keys.contains(&&*it.key)).cloned().collect()
}

fn flags(settings: &[Setting], keys: &[&str]) -> std::vec::IntoIter<Arg> {
    shared(&needed(settings, keys)).collect::<Vec<_>>().into_iter()
}

/// The flags that say where the store is.
pub(super) fn place(settings: &[Setting]) -> impl Iterator<Item = Arg> {
    flags(settings, STORE)
}

/// Those flags, and the settings that stood before the name of the command.
pub(super) fn options(
    matches: &ArgMatches,
    mut options: GlobalOptions,
    settings: &[Setting],
) -> GlobalOptions {
    options.add(matches, &needed(settings, STORE));
    options
}

/// The flags that say where the daemon is.
pub(super) fn socket(settings: &[Setting]) -> impl Iterator<Item = Arg> {
    flags(settings, SOCKET)
}

/// Those flags, and the settings that stood before the name of the command.
pub(super) fn socket_options(
    matches: &ArgMatches,
    mut options: GlobalOptions,
    settings: &[Setting],
) -> GlobalOptions {
    options.add(matches, &needed(settings, SOCKET));
    options
}

/// `--from` and `--to`.
pub(super) fn span() -> [Arg; 2] {
    let moment = |name: &'static str| {
        Arg::new(name).long(name).value_name("TIME").allow_hyphen_values(true).value_parser(moment)
    };
    [
        moment("from").help("Start of the range: -2h, 2026-11-21, 2026-11-21T10:00:00Z or Unix time"),
        moment("to").help("End of the range, in the same forms or now"),
    ]
}

pub(super) fn range(matches: &ArgMatches) -> TimeRangeArgs {
    let moment = |name: &str| matches.get_one::<TimeArg>(name).copied();
    TimeRangeArgs { from: moment("from"), to: moment("to") }
}

/// Reads an instant: `now`, `-2h`, a day, RFC 3339, or seconds since 1970.
fn moment(text: &str) -> Result<TimeArg, String> {
    if text == "now" {
        return Ok(TimeArg::Ago(HumanDuration::default()));
    }
    if let Some(span) = text.strip_prefix('-')
        && let Ok(span) = span.parse()
    {
        return Ok(TimeArg::Ago(span));
    }
    let day = format!("{text}T00:00:00Z");
    let text = if text.len() == "2026-11-21".len() && text.matches('-').count() == 2 { &day } else { text };
    instant(text.as_bytes()).map(TimeArg::At).map_err(|_| {
        "expected -2h for two hours ago, now, a day such as 2026-11-21, or a time such as 2026-11-21T10:00:00Z"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, seconds: Option<f64>) {
        let found = moment(text).ok().map(|it| it.at(Timestamp(1_795_255_200.0)).0);
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
        fn no_text_is_too_strange(text in ".*") {
            let _ = moment(&text);
        }
    }
}
