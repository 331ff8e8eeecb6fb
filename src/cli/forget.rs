//! The command line of `hostnorm forget`.

use clap::ArgMatches;

use super::store_args::{self, TimeRangeArgs};
use super::{CommandExit, GlobalOptions};
use crate::config::Setting;

/// Arguments of `forget`.
#[derive(Debug, Clone, PartialEq)]
pub struct ForgetArgs {
    /// Settings, for store and daemon.
    pub options: GlobalOptions,
    /// Time range; both ends are present.
    pub range: TimeRangeArgs,
}

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    let [from, to] = store_args::span();
    clap::Command::new("forget")
        .about("Unlearn a time range, such as an incident")
        .long_about(
            "Unlearn a time range, such as an incident, so that the same fault is detected next time. hostnorm relearns the \
             stored points outside the range and trains a new model. Readings and scores of the range stay in the store, \
             but are not learned again. If hostnorm is not running, the command takes effect at the next start.",
        )
        .args(store_args::socket(settings))
        .args([from.required(true), to.required(true)])
}

pub(super) fn options(
    matches: &ArgMatches,
    options: GlobalOptions,
    settings: &[Setting],
) -> Result<ForgetArgs, CommandExit> {
    Ok(ForgetArgs {
        options: store_args::socket_options(matches, options, settings),
        range: store_args::range(matches),
    })
}
