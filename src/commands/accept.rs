//! `hostnorm accept`: accepts the current anomaly as normal.

use std::ffi::OsString;

use super::daemon_client;
use crate::cli::{Exit, GlobalOptions};
use crate::control::ControlCommand;

/// Accepts; exit code 0 once that is done, 1 when there is no anomaly or no hostnorm runs.
pub fn run(options: &GlobalOptions, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Exit {
    daemon_client::ask(options, environment, &ControlCommand::Accept, false)
}
