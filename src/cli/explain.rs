//! The command line of `hostnorm explain`.

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use super::{GlobalOptions, shared};
use crate::config::Setting;
use crate::duration::HumanDuration;
use crate::explanation::EpisodeId;
use crate::table::TimeArg;

/// Arguments of `explain`.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// Settings, for store and daemon.
    pub options: GlobalOptions,
    /// The episode or time range.
    pub target: ExplainTarget,
    /// As JSON, not for people.
    pub json: bool,
}

/// The episode or time range to explain.
#[derive(Debug, Clone, PartialEq)]
pub enum ExplainTarget {
    /// A stored episode, with its scores reproduced.
    Episode(EpisodeId),
    /// The time around an instant.
    Around {
        /// The instant.
        at: TimeArg,
        /// Time before and after it.
        window: HumanDuration,
    },
    /// The time from then until now.
    Since(HumanDuration),
}

/// Time before and after an instant that is explained, unless a flag says otherwise.
const WINDOW: HumanDuration = HumanDuration::minutes(10);

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("explain")
        .about("Explain unusual behavior: now, around a time, or in one anomaly")
        .long_about(
            "Without EPISODE, explain the last 10 minutes, the time around --at, or the time since --since: the anomalies, \
             the signals behind them with their normal ranges, the signals that first went beyond their smallest or largest value \
             of the day before, and similar earlier anomalies; or that nothing was unusual. The command asks the running hostnorm, or else reads the store.\n\n\
             With EPISODE, explain a stored anomaly: its start and duration, the signals behind its peak with their normal \
             ranges, the signals that first went beyond their smallest or largest value of the day before, and similar earlier anomalies. The scores are reproduced from the stored readings, state and model, and \
             compared with the stored scores bit by bit. Use the same settings as the hostnorm that stored them.\n\n\
             Exit 0; 1 if there is no such episode, scores differ, or there is neither a running hostnorm nor a store.",
        )
        .arg(
            Arg::new("episode")
                .value_name("EPISODE")
                .value_parser(|text: &str| text.parse::<EpisodeId>())
                .conflicts_with_all(["at", "since", "around"])
                .help("Identifier as listed by hostnorm episodes, such as 2026-11-28T19:04:05Z or 2026-11-28T19:04:05Z/log/nginx"),
        )
        .arg(
            Arg::new("at")
                .long("at")
                .value_name("TIME")
                .allow_hyphen_values(true)
                .value_parser(|text: &str| text.parse::<TimeArg>())
                .conflicts_with("since")
                .help("Explain the time around: -2h, 2026-11-21T10:00:00Z or Unix time [default: now]"),
        )
        .arg(
            Arg::new("around")
                .long("around")
                .value_name("DURATION")
                .value_parser(value_parser!(HumanDuration))
                .conflicts_with("since")
                .help("Time before and after --at, at most 1d [default: 10m]"),
        )
        .arg(
            Arg::new("since")
                .long("since")
                .value_name("DURATION")
                .value_parser(value_parser!(HumanDuration))
                .help("Explain the time since then, such as 2h, at most 2d"),
        )
        .args(shared(settings))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print all details as one JSON object"))
}

pub(super) fn options(matches: &ArgMatches, mut options: GlobalOptions, settings: &[Setting]) -> Explain {
    options.add(matches, settings);
    let duration = |name: &str| matches.get_one::<HumanDuration>(name).copied();
    let target = match (matches.get_one::<EpisodeId>("episode"), duration("since")) {
        (Some(episode), _) => ExplainTarget::Episode(episode.clone()),
        (None, Some(since)) => ExplainTarget::Since(since),
        (None, None) => ExplainTarget::Around {
            at: matches.get_one("at").copied().unwrap_or(TimeArg::Ago(HumanDuration::default())),
            window: duration("around").unwrap_or(WINDOW),
        },
    };
    Explain { options, target, json: matches.get_flag("json") }
}
