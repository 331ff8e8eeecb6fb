//! The command line of `hostnorm check`.

use clap::{Arg, ArgAction, ArgMatches};

use super::shared;
use crate::config::Setting;

/// Output of `check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckOutput {
    /// Whether the settings are valid.
    Verdict,
    /// The effective settings with their sources.
    Effective,
    /// The commented defaults.
    Defaults,
}

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("check")
        .about("Check the settings: exit 0 if they are valid, 64 if not")
        .args(shared(settings))
        .arg(
            Arg::new("print")
                .long("print")
                .action(ArgAction::SetTrue)
                .help("Print the settings in effect, each with the place it comes from"),
        )
        .arg(
            Arg::new("print-defaults")
                .long("print-defaults")
                .action(ArgAction::SetTrue)
                .conflicts_with("print")
                .help("Print a settings file with all settings, their defaults and their meanings"),
        )
}

pub(super) fn print(matches: &ArgMatches) -> CheckOutput {
    match (matches.get_flag("print-defaults"), matches.get_flag("print")) {
        (true, _) => CheckOutput::Defaults,
        (false, true) => CheckOutput::Effective,
        (false, false) => CheckOutput::Verdict,
    }
}
