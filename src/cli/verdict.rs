//! The command lines of `hostnorm reject` and `hostnorm confirm`.

use clap::{Arg, ArgMatches};

use super::{GlobalOptions, store_args};
use crate::config::Setting;
use crate::episode_pattern::Verdict;
use crate::explanation::EpisodeId;

/// Arguments of `reject` and `confirm`.
#[derive(Debug, Clone, PartialEq)]
pub struct Judge {
    /// Settings, for store and daemon.
    pub options: GlobalOptions,
    /// The episode.
    pub episode: EpisodeId,
    /// The verdict.
    pub verdict: Verdict,
}

pub(super) fn reject(settings: &[Setting]) -> clap::Command {
    command(settings, "reject", "Reject an anomaly: this was nothing").long_about(
        "Reject an anomaly: this was nothing. For 30 days, scores that match the anomaly in signals, directions, size and time of \
         day are discounted, but never below 1: the next such state is an anomaly, too, and its description says that \
         an anomaly like it was rejected.",
    )
}

pub(super) fn confirm(settings: &[Setting]) -> clap::Command {
    command(settings, "confirm", "Confirm an anomaly: this was real").long_about(
        "Confirm an anomaly: this was real. Scores like those of this anomaly are never discounted, whatever else was rejected.",
    )
}

fn command(settings: &[Setting], name: &'static str, about: &'static str) -> clap::Command {
    let id = |text: &str| text.parse::<EpisodeId>();
    clap::Command::new(name).about(about).args(store_args::socket(settings)).arg(
        Arg::new("episode")
            .value_name("EPISODE")
            .value_parser(id)
            .required(true)
            .help("Identifier of the anomaly, as hostnorm episodes lists it"),
    )
}

/// The options; nothing without an episode, which clap refuses.
pub(super) fn options(
    matches: &ArgMatches,
    options: GlobalOptions,
    settings: &[Setting],
    verdict: Verdict,
) -> Option<Judge> {
    let episode = matches.get_one::<EpisodeId>("episode")?.clone();
    Some(Judge { options: store_args::socket_options(matches, options, settings), episode, verdict })
}
