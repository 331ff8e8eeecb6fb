//! The command line of `hostnorm top`.

use clap::{Arg, ArgAction, ArgMatches};

use super::{GlobalOptions, store_args};
use crate::config::Setting;

/// Arguments of `top`.
#[derive(Debug, Clone, PartialEq)]
pub struct TopArgs {
    /// Settings, for the control socket.
    pub options: GlobalOptions,
    /// Whether to print the state once, also on a terminal.
    pub once: bool,
}

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("top")
        .about("Watch the running hostnorm: score, signals with their ranges, recent anomalies")
        .long_about(
            "Show state, score, detectors, signals with their normal ranges, and recent anomalies, refreshed each \
             second. Signals outside of their normal range come first, marked with !. Stop with q or Ctrl-C.\n\n\
             If standard output is not a terminal, the state is printed once.",
        )
        .args(store_args::socket(settings))
        .arg(Arg::new("once").long("once").action(ArgAction::SetTrue).help("Print the state once"))
}

pub(super) fn options(matches: &ArgMatches, options: GlobalOptions, settings: &[Setting]) -> TopArgs {
    TopArgs {
        options: store_args::socket_options(matches, options, settings),
        once: matches.get_flag("once"),
    }
}
