//! The command line of `hostnorm explain`.

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use super::{GlobalOptions, shared};
use crate::config::Setting;
use crate::duration::HumanDuration;
use crate::explanation::EpisodeId;
use crate::table::TimeArg;

/// Arguments of `explain`.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainArgs {
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
            "Without EPISODE, explain the last 10 minutes, the time around --at, or the time since --since. The explanation has \
             the anomalies, the signals behind them with their normal ranges, the signals that left their range of the day \
             before, and similar earlier anomalies. If nothing was unusual, it says so. The command asks the running \
             hostnorm; if hostnorm does not run, it reads the store.\n\n\
             With EPISODE, explain a stored anomaly. The explanation has its start and duration, the signals behind its peak \
             with their normal ranges, the signals that left their range of the day before, and similar earlier anomalies. \
             The command also reproduces the scores from the stored readings, state and model, and compares them with the \
             stored scores, bit by bit. Use the same settings as the hostnorm that stored them.\n\n\
             The exit code is 0. It is 1 if there is no such episode, if scores differ, or if there is neither a running \
             hostnorm nor a store.",
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
                .help("Explain the time around this instant: -2h, 2026-11-21T10:00:00Z or Unix time [default: now]"),
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
                .help("Explain the last DURATION, such as 2h; at most 2d"),
        )
        .args(shared(settings))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print all details as one JSON object"))
}

pub(super) fn options(matches: &ArgMatches, mut options: GlobalOptions, settings: &[Setting]) -> ExplainArgs {
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
    ExplainArgs { options, target, json: matches.get_flag("json") }
}
