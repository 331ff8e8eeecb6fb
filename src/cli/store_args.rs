//! Arguments of the commands that read the store: its directory and time ranges.

use clap::{Arg, ArgMatches};

use super::{CommandExit, GlobalOptions, shared};
use crate::config::Setting;
use crate::reading::Timestamp;
use crate::store::TimeRange;
use crate::table::TimeArg;

/// A time range; `None` is unbounded.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TimeRangeArgs {
    /// Start.
    pub from: Option<TimeArg>,
    /// End.
    pub to: Option<TimeArg>,
}

impl TimeRangeArgs {
    /// The absolute range, given the present.
    ///
    /// # Errors
    /// If it ends before it starts.
    pub fn between(self, now: Timestamp) -> Result<TimeRange, CommandExit> {
        let range = TimeRange {
            from: self.from.map_or(TimeRange::ALL.from, |it| it.at(now)),
            to: self.to.map_or(TimeRange::ALL.to, |it| it.at(now)),
        };
        match range.from > range.to {
            true => Err(CommandExit::usage("--from is after --to; swap them")),
            false => Ok(range),
        }
    }
}

/// Settings for commands that read the store.
const STORE: &[&str] = &["storage.path"];
/// Settings for commands to the daemon.
const SOCKET: &[&str] = &["storage.path", "web.control_socket"];

fn needed(settings: &[Setting], keys: &[&str]) -> Vec<Setting> {
    settings.iter().filter(|it| keys.contains(&&*it.key)).cloned().collect()
}

fn flags(settings: &[Setting], keys: &[&str]) -> std::vec::IntoIter<Arg> {
    shared(&needed(settings, keys)).collect::<Vec<_>>().into_iter()
}

/// The flags for the location of the store.
pub(super) fn place(settings: &[Setting]) -> impl Iterator<Item = Arg> {
    flags(settings, STORE)
}

/// The values of those flags, and the settings before the name of the command.
pub(super) fn options(
    matches: &ArgMatches,
    mut options: GlobalOptions,
    settings: &[Setting],
) -> GlobalOptions {
    options.add(matches, &needed(settings, STORE));
    options
}

/// The flags for the control socket.
pub(super) fn socket(settings: &[Setting]) -> impl Iterator<Item = Arg> {
    flags(settings, SOCKET)
}

/// The values of those flags, and the settings before the name of the command.
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
        let parse = |text: &str| text.parse::<TimeArg>();
        Arg::new(name).long(name).value_name("TIME").allow_hyphen_values(true).value_parser(parse)
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
