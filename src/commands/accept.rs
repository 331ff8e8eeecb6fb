//! `hostnorm accept`: accepts the current anomalies of all subjects as normal.

use std::ffi::OsString;

use super::daemon_client;
use crate::cli::{CommandExit, GlobalOptions};
use crate::control_command::ControlCommand;

/// Accepts the current anomalies. Exit code 0 once that is done; 1 without an anomaly or a running hostnorm.
pub fn run(
    options: &GlobalOptions,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> CommandExit {
    daemon_client::ask(options, environment, &ControlCommand::Accept, false)
}
