//! `hostnorm accept`: accepts the current anomaly as normal.

use std::ffi::OsString;

use super::daemon_client;
use crate::cli::{Exit, GlobalOptions};
use crate::control::ControlCommand;

/// Accepts the current anomaly. Exit code 0 once that is done; 1 without an anomaly or a running hostnorm.
pub fn run(options: &GlobalOptions, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Exit {
    daemon_client::ask(options, environment, &ControlCommand::Accept, false)
}
