//! The command line of `hostnorm episodes`.

use clap::{Arg, ArgAction, ArgMatches};

use super::GlobalOptions;
use super::store_args::{self, TimeRangeArgs};
use crate::config::Setting;

/// Arguments of `episodes`.
#[derive(Debug, Clone, PartialEq)]
pub struct EpisodesArgs {
    /// Settings, for the store.
    pub options: GlobalOptions,
    /// Time range.
    pub range: TimeRangeArgs,
    /// Whether to print JSON.
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

pub(super) fn options(matches: &ArgMatches, options: GlobalOptions, settings: &[Setting]) -> EpisodesArgs {
    EpisodesArgs {
        options: store_args::options(matches, options, settings),
        range: store_args::range(matches),
        json: matches.get_flag("json"),
    }
}
