//! `hostnorm status`: shows the state of the running hostnorm.

use std::ffi::OsString;

use super::daemon_client;
use crate::cli::{CommandExit, StatusArgs};
use crate::control_command::ControlCommand;

/// Shows the status. Exit code 0, or 1 if no hostnorm runs.
pub fn run(options: &StatusArgs, environment: impl IntoIterator<Item = (OsString, OsString)>) -> CommandExit {
    daemon_client::ask(&options.options, environment, &ControlCommand::Status, options.json)
}
