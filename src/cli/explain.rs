//! The command line of `hostnorm explain`.

use clap::{Arg, ArgAction, ArgMatches};

use super::{GlobalOptions, shared};
use crate::config::Setting;
use crate::reading::{Subject, Timestamp};
use crate::table::instant;

/// Which episode is explained, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// Where the store is, and the settings that judge.
    pub options: GlobalOptions,
    /// Subject and second of its onset; nothing for the present state.
    pub episode: Option<(Subject, Timestamp)>,
    /// As JSON, not for people.
    pub json: bool,
}

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("explain")
        .about("Explain the current score, or an anomaly from stored data")
        .long_about(
            "Without EPISODE, explain the current state of the running hostnorm: the score, the signals behind it with \
             their expected ranges, and the current anomaly.\n\n\
             With EPISODE, explain a stored anomaly: when it was, how long, the signals behind its peak with their expected \
             ranges, and similar ones before. Its score is reproduced from the stored readings, state and model, and \
             compared with the stored scores bit by bit; the settings must be those that hostnorm ran with.\n\n\
             Exit 0; 1 if there is no such episode, scores differ, or hostnorm is not running.",
        )
        .arg(
            Arg::new("episode")
                .value_name("EPISODE")
                .value_parser(episode)
                .help("Identifier such as 2026-11-28T19:04:05Z, as listed by hostnorm episodes [default: the current state]"),
        )
        .args(shared(settings))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print all details as one JSON object"))
}

pub(super) fn options(matches: &ArgMatches, mut options: GlobalOptions, settings: &[Setting]) -> Explain {
    options.add(matches, settings);
    Explain { options, episode: matches.get_one("episode").cloned(), json: matches.get_flag("json") }
}

/// Reads an identifier as [`episode_text::id`](crate::episode_text::id) makes it.
fn episode(text: &str) -> Result<(Subject, Timestamp), String> {
    let mut parts = text.splitn(3, '/');
    let second = parts.next().and_then(|it| instant(it.as_bytes()).ok());
    let subject = match (parts.next(), parts.next()) {
        (None, _) => Some(Subject::Host),
        (Some(kind), Some(name)) => subject(kind, name),
        (Some(_), None) => None,
    };
    subject.zip(second).ok_or_else(|| {
        "write an identifier as `hostnorm episodes` lists it, such as 2026-11-28T19:04:05Z or \
         2026-11-28T19:04:05Z/container/web"
            .to_owned()
    })
}

fn subject(kind: &str, name: &str) -> Option<Subject> {
    match kind {
        "container" => Some(Subject::Container(name.into())),
        "log" => Some(Subject::Log(name.into())),
        _ => None,
    }
}
