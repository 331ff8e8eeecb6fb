//! The command line of `hostnorm accept`.

use clap::ArgMatches;

use super::{GlobalOptions, store_args};
use crate::config::Setting;

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("accept")
        .about("Accept the current anomaly as normal")
        .long_about(
            "Accept the current anomaly as normal, as hostnorm does by itself after accept_after: the anomaly ends, and the \
             current state is learned much faster than usual.",
        )
        .args(store_args::socket(settings))
}

pub(super) fn options(matches: &ArgMatches, options: GlobalOptions, settings: &[Setting]) -> GlobalOptions {
    store_args::socket_options(matches, options, settings)
}
