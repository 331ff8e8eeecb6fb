//! The command line of `hostnorm episodes`.

use clap::{Arg, ArgAction, ArgMatches};

use super::GlobalOptions;
use super::store_args::{self, TimeRangeArgs};
use crate::config::Setting;

/// Which episodes are shown, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Episodes {
    /// Where the store is.
    pub options: GlobalOptions,
    /// When they were.
    pub range: TimeRangeArgs,
    /// As JSON, not for people.
    pub json: bool,
}

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("episodes")
        .about("List stored anomalies")
        .args(store_args::place(settings))
        .args(store_args::span())
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Print all details as one JSON array"),
        )
}

pub(super) fn options(matches: &ArgMatches, options: GlobalOptions, settings: &[Setting]) -> Episodes {
    Episodes {
        options: store_args::options(matches, options, settings),
        range: store_args::range(matches),
        json: matches.get_flag("json"),
    }
}
