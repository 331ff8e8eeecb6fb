//! Maintenance: commands that start and stop it, and the marker that keeps it over a restart.

use super::persist::PersistentState;
use crate::clock;
use crate::control_command::{CommandRefusal, ControlReply, MaintenanceState};
use crate::duration::HumanDuration;
use crate::episode_text;
use crate::maintenance::{self, ManualMaintenance};
use crate::reading::{Reading, Timestamp};
use crate::report::Report;
use crate::store::{MAINTENANCE, MarkerRow, StoreError, StoreReader, StoreWrite};

/// Text of the marker for the end of maintenance.
const STOP: &str = "stop";

/// Why there is no maintenance to stop.
pub const NO_MAINTENANCE: &str = "no maintenance was started; windows of the settings end by themselves";

/// The marker for maintenance that starts now, or for its end.
pub fn maintenance_marker(at: Timestamp, started: Option<&ManualMaintenance>) -> MarkerRow {
    let text = started.map_or_else(|| STOP.to_owned(), ManualMaintenance::to_text);
    MarkerRow { at, kind: MAINTENANCE.into(), text }
}

/// The maintenance that was started last and not stopped; it may be over.
///
/// # Errors
/// If the store cannot be read.
pub fn started(reader: &StoreReader) -> Result<Option<ManualMaintenance>, StoreError> {
    let last = reader.markers(MAINTENANCE)?.pop();
    Ok(last.and_then(|it| ManualMaintenance::from_text(&it.text)))
}

impl PersistentState {
    /// Scores and learns a reading, with the state of maintenance windows and silences in it.
    pub(super) fn step(&mut self, mut reading: Reading) -> Report {
        let was_active = self.engine.is_in_maintenance();
        self.maintenance.add_to(&mut reading);
        self.note_silences(&mut reading);
        match (was_active, maintenance::is_active(&reading)) {
            (false, true) => {
                let active = self.maintenance.states(reading.at).into_iter().filter(|it| it.until.is_some());
                let names: Vec<String> = active.map(|it| it.name).collect();
                tracing::info!(windows = names.join(", "), "maintenance began; learning pauses");
            }
            (true, false) => tracing::info!("maintenance ended; learning resumes"),
            _ => {}
        }
        self.engine.step(reading)
    }

    /// The windows and their state.
    pub(super) fn maintenance_states(&mut self) -> ControlReply {
        let states = self.maintenance.states(clock::now());
        let states: Vec<MaintenanceState> = states
            .into_iter()
            .map(|it| MaintenanceState {
                name: it.name,
                cron: it.cron,
                active: it.until.is_some(),
                until: it.until.map(|it| it.0),
            })
            .collect();
        let lines = states.iter().map(|it| {
            let schedule =
                it.cron.as_ref().map_or("started by a command".to_owned(), |it| format!("at {it} (UTC)"));
            match it.until {
                Some(until) => format!("{}: active until {}, {schedule}", it.name, instant(Timestamp(until))),
                None => format!("{}: not active, {schedule}", it.name),
            }
        });
        let mut lines: Vec<String> = lines.collect();
        if lines.is_empty() {
            lines.push("no maintenance, and no windows in the settings".to_owned());
        }
        ControlReply { message: lines.join("\n"), data: serde_json::to_value(states).unwrap_or_default() }
    }

    /// Starts maintenance.
    pub(super) fn start_maintenance(&mut self, name: &str, duration: HumanDuration) -> ControlReply {
        let now = clock::now();
        let until = Timestamp(now.0 + duration.as_seconds());
        let started = ManualMaintenance { name: name.to_owned(), until };
        let note = self.store_command(StoreWrite::Marker(maintenance_marker(now, Some(&started))));
        self.maintenance.start(started);
        tracing::info!(name, until = instant(until), "maintenance started by a command");
        ControlReply::sentence(format!("maintenance {name} is active until {}{note}", instant(until)))
    }

    /// Ends the maintenance that was started.
    ///
    /// # Errors
    /// If no maintenance was started.
    pub(super) fn stop_maintenance(&mut self) -> Result<ControlReply, CommandRefusal> {
        let now = clock::now();
        let stopped =
            self.maintenance.stop(now).ok_or_else(|| CommandRefusal::Conflict(NO_MAINTENANCE.into()))?;
        let note = self.store_command(StoreWrite::Marker(maintenance_marker(now, None)));
        tracing::info!(name = stopped.name, "maintenance stopped by a command");
        Ok(ControlReply::sentence(format!("maintenance {} is over{note}", stopped.name)))
    }
}

/// An instant to the second.
fn instant(at: Timestamp) -> String {
    let text = episode_text::instant(Timestamp(at.0.floor()));
    format!("{}Z", text.trim_end_matches(".000Z"))
}
