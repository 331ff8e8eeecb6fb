//! The command line of `hostnorm accept`.

use clap::ArgMatches;

use super::{GlobalOptions, store_args};
use crate::config::Setting;

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("accept")
        .about("Accept the current anomalies of all subjects as normal")
        .long_about(
            "Accept the current anomalies of all subjects as normal: they end, and hostnorm learns the current state much \
             faster than usual. Without this command, hostnorm accepts each anomaly by itself after accept_after.",
        )
        .args(store_args::socket(settings))
}

pub(super) fn options(matches: &ArgMatches, options: GlobalOptions, settings: &[Setting]) -> GlobalOptions {
    store_args::socket_options(matches, options, settings)
}
