//! `hostnorm forget`: removes a time range from learned state.

use std::ffi::OsString;

use super::daemon_client;
use crate::cli::{CommandExit, ForgetArgs};
use crate::clock;
use crate::control_command::ControlCommand;
use crate::sampler::forget_marker;
use crate::store::StoreWrite;

/// Forgets a time range. Exit code 0 once that is done, or stored for the next start; 64 for an empty range, or one in the future.
pub fn run(options: &ForgetArgs, environment: impl IntoIterator<Item = (OsString, OsString)>) -> CommandExit {
    let now = clock::now();
    let span = match options.range.between(now) {
        Ok(span) => span,
        Err(exit) => return exit,
    };
    if span.from > now {
        return CommandExit::usage(
            "--from is in the future, of which nothing is learned; give a time before now",
        );
    }
    let command = ControlCommand::Forget { from: span.from, to: span.to };
    daemon_client::send_or_store_command(&options.options, environment, &command, |_| {
        Ok(vec![StoreWrite::Marker(forget_marker(now, span))])
    })
}
