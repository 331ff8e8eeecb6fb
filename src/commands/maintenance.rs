//! `hostnorm maintenance`: starts or stops maintenance, or shows the windows.

use std::ffi::OsString;

use super::daemon_client;
use crate::cli::{CommandExit, MaintenanceAction, MaintenanceArgs};
use crate::clock;
use crate::control_command::ControlCommand;
use crate::maintenance::ManualMaintenance;
use crate::reading::Timestamp;
use crate::sampler::maintenance_marker;
use crate::store::StoreWrite;

/// Starts or stops maintenance, or shows it. Exit code 0 once that is done, or stored for the next start.
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
    daemon_client::send_or_store_command(&options.options, environment, &command, |_| {
        Ok(vec![StoreWrite::Marker(marker)])
    })
}
