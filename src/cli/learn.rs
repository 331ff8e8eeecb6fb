//! The command line of `hostnorm learn`.

use clap::{Arg, ArgMatches};

use super::{Options, stored};
use crate::config::Setting;

/// Whether is to be learned.
#[derive(Debug, Clone, PartialEq)]
pub struct Learn {
    /// Where the store is, by which the running hostnorm is found.
    pub options: Options,
    /// Yes or no.
    pub on: bool,
}

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("learn")
        .about("Let a running hostnorm learn nothing for a while, as during a load test, or learn again")
        .arg(
            Arg::new("switch")
                .value_name("on|off")
                .value_parser(["on", "off"])
                .hide_possible_values(true)
                .required(true)
                .help("off: what is normal stays as it is, also after a restart; on: it follows again"),
        )
        .args(stored::place(settings))
}

pub(super) fn options(matches: &ArgMatches, options: Options, settings: &[Setting]) -> Learn {
    let on = matches.get_one::<String>("switch").is_some_and(|it| it == "on");
    Learn { options: stored::options(matches, options, settings), on }
}
