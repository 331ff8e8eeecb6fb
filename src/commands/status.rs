//! `hostnorm status`: shows the state of the running hostnorm.

use std::ffi::OsString;

use super::daemon_client;
use crate::cli::{Exit, Status};
use crate::control::ControlCommand;

/// Shows the status. Exit code 0, or 1 if no hostnorm runs.
pub fn run(options: &Status, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Exit {
    daemon_client::ask(&options.options, environment, &ControlCommand::Status, options.json)
}
