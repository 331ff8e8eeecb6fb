//! The command line of `hostnorm status`.

use clap::{Arg, ArgAction, ArgMatches};

use super::{GlobalOptions, store_args};
use crate::config::Setting;

/// Arguments of `status`.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusArgs {
    /// Settings, for the daemon.
    pub options: GlobalOptions,
    /// Whether to print JSON.
    pub json: bool,
}

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("status")
        .about("Show the state of the running hostnorm: uptime, learning, jobs, store")
        .args(store_args::socket(settings))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON"))
}

pub(super) fn options(matches: &ArgMatches, options: GlobalOptions, settings: &[Setting]) -> StatusArgs {
    StatusArgs {
        options: store_args::socket_options(matches, options, settings),
        json: matches.get_flag("json"),
    }
}
