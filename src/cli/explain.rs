//! The command line of `hostnorm explain`.

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use super::{Options, shared};
use crate::config::Setting;

/// Which episode is explained, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// Where the store is, and the settings that judge.
    pub options: Options,
    /// Its number.
    pub episode: i64,
    /// As JSON, not for people.
    pub json: bool,
}

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("explain")
        .about("Tell all that is known of an anomaly, and make its score once more from what is stored")
        .long_about(
            "Tell all that is known of an anomaly: when it was, how long, the signals to blame at its peak with what was \
             expected of them, and what was alike before.\n\n\
             Its score is made once more from the readings, the state and the model that were stored, and compared with the \
             stored scores bit by bit. The settings have to be those that hostnorm ran with.\n\n\
             Exit 0; 1 if there is no such episode, or if scores differ.",
        )
        .arg(
            Arg::new("episode")
                .value_name("EPISODE")
                .value_parser(value_parser!(i64))
                .required(true)
                .help("Its number, see hostnorm episodes"),
        )
        .args(shared(settings))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("One JSON object of all that is known"))
}

pub(super) fn options(matches: &ArgMatches, mut options: Options, settings: &[Setting]) -> Explain {
    options.add(matches, settings);
    Explain {
        options,
        episode: matches.get_one::<i64>("episode").copied().unwrap_or_default(),
        json: matches.get_flag("json"),
    }
}
