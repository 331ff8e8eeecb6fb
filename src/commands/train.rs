//! `hostnorm train`: trains on another server's history, or searches for settings.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};

use crate::backfill::SHIPPED;
use crate::cli::{CommandExit, TrainArgs};
use crate::control_command::ControlCommand;
use crate::reading::SubjectKind;

use super::daemon_client;

mod backfill;
mod search;

/// Trains. Exit code 0; 64 for an invalid command line or invalid settings; 1 for a missing or unsuitable history, or
/// an output file that cannot be written.
pub fn run(options: &TrainArgs, environment: impl IntoIterator<Item = (OsString, OsString)>) -> CommandExit {
    match options {
        TrainArgs::Search(options) => search::run(options),
        TrainArgs::Backfill(options) => backfill::run(options, environment),
        TrainArgs::Now(options) => {
            let command = ControlCommand::Train { kind: SubjectKind::Host, hours: None };
            daemon_client::ask(options, environment, &command, false)
        }
        TrainArgs::Mapping => CommandExit::success(SHIPPED),
    }
}

/// Shows progress on a terminal.
fn progress(done: usize, all: usize, what: &str) {
    const WIDTH: usize = 30;
    let mut to = std::io::stderr().lock();
    if to.is_terminal() {
        let full = WIDTH * done / all.max(1);
        let bar = format!("{}{}", "#".repeat(full), ".".repeat(WIDTH - full.min(WIDTH)));
        let end = if done == all { "\r\x1b[K" } else { "" };
        // A closed terminal is no reason to stop.
        let _ = write!(to, "\r{bar} {done} of {all} {what}{end}").and_then(|()| to.flush());
    }
}
