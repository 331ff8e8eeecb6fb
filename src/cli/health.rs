//! The command line of `hostnorm health`.

use super::shared;
use crate::config::Setting;

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("health")
        .about("Check the health of the running hostnorm: exit 0 if healthy, 1 if not")
        .args(shared(settings))
}
