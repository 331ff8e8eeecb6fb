//! The command line of `hostnorm learn`.

use clap::{Arg, ArgMatches};

use super::{GlobalOptions, store_args};
use crate::config::Setting;

/// Arguments of `learn`.
#[derive(Debug, Clone, PartialEq)]
pub struct LearningSwitchArgs {
    /// Settings, for store and daemon.
    pub options: GlobalOptions,
    /// Whether to learn.
    pub on: bool,
}

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("learn")
        .about("Pause or resume learning, as for a load test")
        .arg(
            Arg::new("switch")
                .value_name("on|off")
                .value_parser(["on", "off"])
                .hide_possible_values(true)
                .required(true)
                .help("off pauses learning, also over restarts; on resumes learning"),
        )
        .args(store_args::socket(settings))
}

pub(super) fn options(
    matches: &ArgMatches,
    options: GlobalOptions,
    settings: &[Setting],
) -> LearningSwitchArgs {
    let on = matches.get_one::<String>("switch").is_some_and(|it| it == "on");
    LearningSwitchArgs { options: store_args::socket_options(matches, options, settings), on }
}
