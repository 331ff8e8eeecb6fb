//! `hostnorm learn`: pauses or resumes learning.

use std::ffi::OsString;

use super::daemon_client;
use crate::cli::{CommandExit, LearningSwitchArgs};
use crate::clock;
use crate::control_command::ControlCommand;
use crate::store::{LEARNING, MarkerRow, StoreWrite};

/// Enables or pauses learning. Exit code 0 once that is done, or stored for the next start.
pub fn run(
    options: &LearningSwitchArgs,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> CommandExit {
    let command = ControlCommand::Learn { on: options.on };
    let text = if options.on { "on" } else { "off" };
    let marker = MarkerRow { at: clock::now(), kind: LEARNING.into(), text: text.into() };
    daemon_client::send_or_store_command(&options.options, environment, &command, |_| {
        Ok(vec![StoreWrite::Marker(marker)])
    })
}
