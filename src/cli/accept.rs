//! The command line of `hostnorm accept`.

use clap::ArgMatches;

use super::{Options, stored};
use crate::config::Setting;

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("accept")
        .about("Take the anomaly that is under way for the new normal")
        .long_about(
            "Take the anomaly that is under way for the new normal, as hostnorm does by itself after accept_after: the \
             anomaly is over, and what the machine does now is believed much faster than usual.",
        )
        .args(stored::place(settings))
}

pub(super) fn options(matches: &ArgMatches, options: Options, settings: &[Setting]) -> Options {
    stored::options(matches, options, settings)
}
