//! The command lines of `hostnorm reject` and `hostnorm confirm`.

use clap::{Arg, ArgMatches};

use super::{GlobalOptions, store_args};
use crate::config::Setting;
use crate::episode_pattern::OperatorVerdict;
use crate::explanation::EpisodeId;

/// Arguments of `reject` and `confirm`.
#[derive(Debug, Clone, PartialEq)]
pub struct VerdictArgs {
    /// Settings, for store and daemon.
    pub options: GlobalOptions,
    /// The episode.
    pub episode: EpisodeId,
    /// The verdict.
    pub verdict: OperatorVerdict,
}

pub(super) fn reject(settings: &[Setting]) -> clap::Command {
    command(settings, "reject", "Reject an anomaly: mark it as a false alarm").long_about(
        "Reject an anomaly: mark it as a false alarm. For 30 days, scores that match the anomaly in signals, directions, size and \
         time of day are discounted, but never below 1. So a similar state is still an anomaly, but rarely an alert. Its \
         description says that a similar anomaly was rejected.",
    )
}

pub(super) fn confirm(settings: &[Setting]) -> clap::Command {
    command(settings, "confirm", "Confirm an anomaly: mark it as real").long_about(
        "Confirm an anomaly: mark it as real. An anomaly like a confirmed one is never discounted, even if it \
         is also like a rejected one.",
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
    verdict: OperatorVerdict,
) -> Option<VerdictArgs> {
    let episode = matches.get_one::<EpisodeId>("episode")?.clone();
    Some(VerdictArgs { options: store_args::socket_options(matches, options, settings), episode, verdict })
}
