//! `hostnorm maintenance`: starts or stops maintenance, or shows the windows.

use std::ffi::OsString;
use std::path::Path;

use super::{daemon_client, open_store};
use crate::cli::{CommandExit, MaintenanceAction, MaintenanceArgs};
use crate::clock;
use crate::control_command::ControlCommand;
use crate::maintenance::ManualMaintenance;
use crate::reading::Timestamp;
use crate::sampler::{NO_MAINTENANCE, maintenance_marker, started_maintenance};
use crate::store::StoreWrite;

/// Starts or stops maintenance, or shows it. Exit code 0 once that is done, or stored for the next start;
/// 1 if there is nothing to stop.
pub fn run(
    options: &MaintenanceArgs,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> CommandExit {
    let now = clock::now();
    let (command, marker) = match &options.action {
        MaintenanceAction::Status => {
            return daemon_client::ask(
                &options.options,
                environment,
                &ControlCommand::Maintenance,
                options.json,
            );
        }
        MaintenanceAction::Stop => (ControlCommand::StopMaintenance, maintenance_marker(now, None)),
        MaintenanceAction::Start { name, duration } => {
            let until = Timestamp(now.0 + duration.as_seconds());
            let started = ManualMaintenance { name: name.clone(), until };
            let command = ControlCommand::StartMaintenance { name: name.clone(), duration: *duration };
            (command, maintenance_marker(now, Some(&started)))
        }
    };
    daemon_client::send_or_store_command(&options.options, environment, &command, |directory| {
        if command == ControlCommand::StopMaintenance && !is_started(directory, now)? {
            return Err(CommandExit::failure(NO_MAINTENANCE));
        }
        Ok(vec![StoreWrite::Marker(marker)])
    })
}

/// Whether maintenance was started that is not over, according to the store.
fn is_started(directory: &Path, now: Timestamp) -> Result<bool, CommandExit> {
    let reader = open_store::open(directory)?;
    let started = started_maintenance(&reader);
    let started = started.map_err(|error| CommandExit::failure(reader.locate(error).to_string()))?;
    Ok(started.is_some_and(|it| now < it.until))
}
