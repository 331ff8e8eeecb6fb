//! `hostnorm status`: shows the state of the running hostnorm.

use std::ffi::OsString;

use super::daemon_client;
use crate::cli::{Exit, Status};
use crate::control::ControlCommand;

/// Tells; exit code 0, 1 when no hostnorm runs.
pub fn run(options: &Status, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Exit {
    daemon_client::ask(&options.options, environment, &ControlCommand::Status, options.json)
}
