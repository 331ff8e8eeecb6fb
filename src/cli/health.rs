//! The command line of `hostnorm health`.

use super::shared;
use crate::config::Setting;

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("health")
        .about(
            "Ask the hostnorm that runs with these settings whether it answers: exit 0 if it does, 1 if not",
        )
        .args(shared(settings))
}
