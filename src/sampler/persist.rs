//! Persists the engine's state and the models in the store.

use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::engine::{Engine, SUBJECTS_MAX};
use crate::log_stream::LogStream;
use crate::logs::LogPositions;
use crate::maintenance::MaintenanceCalendar;
use crate::model_registry::{ModelRegistry, RegistryChange, VersionRecord};
use crate::reading::{Subject, SubjectKind, Timestamp};
use crate::report::Report;
use crate::silence::SilenceCalendar;
use crate::store::{
    self, BaselineRow, LogPositionRow, LogStateRow, SnapshotRow, Store, StoreWrite, SubjectStateRow,
};

/// Seconds between two commits of the baselines, and of what logs taught.
const BASELINES_SECONDS: f64 = 600.0;
/// Seconds between two commits of the positions in logs: a crash reads their lines again.
const LOG_POSITIONS_SECONDS: f64 = 5.0;
/// Seconds between two snapshots.
pub(super) const SNAPSHOT_SECONDS: f64 = 14_400.0;
/// Largest number of states of changing populations saved in one tick, besides those of evicted subjects.
const STATES_A_TICK_MAX: usize = 2;
/// Largest number of readings between two snapshots: a restart replays the readings since the last one.
const SNAPSHOT_READINGS: u64 = 14_400;

/// The learned state and the models, with their store.
#[derive(Debug)]
pub struct PersistentState {
    /// The engine.
    pub engine: Engine,
    /// The versions of the models.
    pub registry: ModelRegistry,
    /// The store.
    pub store: Store,
    /// The maintenance windows.
    pub maintenance: MaintenanceCalendar,
    /// The silences of Alertmanager.
    pub silences: SilenceCalendar,
    /// How far logs were read.
    pub log_positions: LogPositions,
}

impl PersistentState {
    /// Stores the effect of a command; returns the end of the reply, which says whether a restart would lose the effect.
    pub(super) fn store_command(&self, entry: StoreWrite) -> &'static str {
        if self.store.put(entry) { "" } else { "; this is not stored, so a restart loses it" }
    }

    /// Saves a report; baselines and a snapshot from time to time. `ticks` is the number of this report.
    pub(super) fn save_tick(&mut self, report: &Report, ticks: u64, interval: Duration) {
        let ticks_in = |seconds: f64| ticks_in(seconds, interval);
        // Before the reading: with a newer offset, an older shown value still continues.
        self.save_counter_offsets();
        self.store.append(report);
        if ticks.is_multiple_of(ticks_in(BASELINES_SECONDS)) {
            self.save_baselines();
        }
        if ticks.is_multiple_of(ticks_in(LOG_POSITIONS_SECONDS)) {
            self.save_log_positions();
        }
        let due = self.engine.checkpoint(SNAPSHOT_SECONDS, STATES_A_TICK_MAX);
        self.save_subjects(due);
        if ticks == 1 {
            // The present state may derive from stored points instead of readings.
            self.save_snapshot(Some("start"));
        } else if ticks.is_multiple_of(ticks_in(SNAPSHOT_SECONDS).min(SNAPSHOT_READINGS)) {
            self.save_snapshot(None);
        }
    }

    /// Saves a snapshot, with a cause if it does not follow from readings.
    pub(super) fn save_snapshot(&mut self, cause: Option<&str>) {
        if self.store.directory().is_none() || self.engine.at() == Timestamp::default() {
            return;
        }
        let current = self.engine.kinds().filter_map(|kind| self.registry.current(kind));
        let models = current.map(|it| it.id.to_string()).collect();
        let (at, bytes) = (self.engine.at(), self.engine.snapshot());
        let (format, cause) = (Engine::snapshot_format(), cause.map(str::to_owned));
        self.store.put(StoreWrite::Snapshot(SnapshotRow { at, format, models, cause, bytes }));
    }

    /// Saves the states of subjects of changing populations.
    pub(super) fn save_subjects(&mut self, states: Vec<(Subject, Vec<u8>)>) {
        let at = self.engine.at();
        for (subject, bytes) in states {
            let (kind, identity) = (subject.kind(), subject.name().to_owned());
            let format = Engine::snapshot_format();
            self.store.put(StoreWrite::SubjectState(SubjectStateRow { kind, identity, at, format, bytes }));
        }
    }

    /// Saves the baseline of each signal.
    pub(super) fn save_baselines(&mut self) {
        if self.store.directory().is_none() {
            return;
        }
        let now = clock::now();
        let rows = self.engine.baselines().map(|(subject, signal, it)| BaselineRow {
            subject: subject.clone(),
            signal: signal.name.to_owned(),
            mean: it.mean,
            stddev: it.stddev,
            min: it.min,
            max: it.max,
            points: it.points,
            at: it.learned_at.unwrap_or(now),
            p95: it.p95,
            p99: it.p99,
        });
        let rows = rows.collect();
        self.store.put(StoreWrite::Baselines(rows));
    }

    /// Saves what is added to counters that fell or jumped, so that they continue after a restart.
    fn save_counter_offsets(&mut self) {
        if self.store.directory().is_none() {
            return;
        }
        let changes = self.engine.take_offset_changes();
        if changes.is_some_and(|it| !self.store.put_offsets(it)) {
            self.engine.store_all_offsets();
        }
    }

    /// Saves how far logs were read.
    fn save_log_positions(&self) {
        if self.store.directory().is_none() {
            return;
        }
        let changes = self.log_positions.take_changes();
        if changes.is_empty() {
            return;
        }
        let row = |(log, part, position): &(String, String, Option<String>)| LogPositionRow {
            log: log.clone(),
            part: part.clone(),
            position: position.clone(),
        };
        if !self.store.put(StoreWrite::LogPositions(changes.iter().map(row).collect())) {
            self.log_positions.return_unstored(changes);
        }
    }

    /// Saves what logs taught, as often as the baselines.
    pub(super) fn save_log_states(&self, logs: &[Arc<LogStream>], ticks: u64, interval: Duration) {
        if ticks.is_multiple_of(ticks_in(BASELINES_SECONDS, interval)) {
            self.save_states_of(logs);
        }
    }

    fn save_states_of(&self, logs: &[Arc<LogStream>]) {
        if self.store.directory().is_none() {
            return;
        }
        for it in logs {
            if let Some(bytes) = it.learned() {
                self.store.put(StoreWrite::LogState(LogStateRow { log: it.name().to_string(), bytes }));
            }
        }
    }

    /// Saves everything, for a new store.
    pub(super) fn save_all(&mut self) {
        for version in self.registry.versions() {
            self.store.put(StoreWrite::Model(row(version.record())));
        }
        self.save_snapshot(Some("new store"));
        self.engine.store_all_offsets();
        self.save_baselines();
    }

    /// Saves the changes of the registry.
    pub(super) fn save_models(&mut self) {
        for entry in entries(&mut self.registry) {
            self.store.put(entry);
        }
    }

    /// Installs the current model and the shadow model of the registry.
    pub(super) fn install(&mut self, kind: SubjectKind) {
        let Some(current) = self.registry.current(kind) else { return };
        self.engine.install(kind, current.eif());
        self.engine.compare_with(kind, &current.model.reference);
        if self.registry.shadow(kind).is_none() {
            self.engine.drop_shadow(kind);
        }
        // Later scores are based on another model.
        self.save_snapshot(Some("model"));
    }

    /// Replaces the learned state by that of an engine that learned stored points. Models are trained again, because
    /// they include forgotten points.
    pub(super) fn take_over(&mut self, learned: Engine, cause: &str) {
        self.engine.take_over(learned);
        let kinds: Vec<SubjectKind> = self.engine.kinds().collect();
        kinds.iter().for_each(|kind| self.engine.train_soon(*kind));
        self.save_snapshot(Some(cause));
        self.save_baselines();
    }

    /// Saves everything and closes the store.
    pub(super) fn close(mut self, logs: &[Arc<LogStream>]) {
        self.save_log_positions();
        self.save_states_of(logs);
        self.save_baselines();
        self.save_snapshot(None);
        let states = self.engine.checkpoint(0.0, SUBJECTS_MAX);
        self.save_subjects(states);
        self.store.close();
    }
}

/// Number of ticks in so many seconds, at least 1. The cast saturates; the settings refuse an interval of 0.
fn ticks_in(seconds: f64, interval: Duration) -> u64 {
    ((seconds / interval.as_secs_f64()) as u64).max(1)
}

/// Changes of a registry, as entries of the store.
pub fn entries(registry: &mut ModelRegistry) -> Vec<StoreWrite> {
    let entry = |saved| match saved {
        RegistryChange::New(record) => StoreWrite::Model(row(record)),
        RegistryChange::Stage(id, stage) => {
            StoreWrite::ModelState { id: id.to_string(), state: stage.to_string() }
        }
        RegistryChange::Gone(id) => StoreWrite::ModelGone { id: id.to_string() },
    };
    registry.take_changes().into_iter().map(entry).collect()
}

fn row(it: VersionRecord) -> store::ModelRow {
    store::ModelRow {
        id: it.id,
        kind: it.kind,
        created: Timestamp(it.created),
        state: it.state,
        evaluation: it.evaluation,
        digest: it.digest,
        format: i64::from(it.format),
        bytes: it.blob,
    }
}

/// The model in a row of the store.
pub fn record(it: store::ModelRow) -> VersionRecord {
    VersionRecord {
        id: it.id,
        kind: it.kind,
        created: it.created.0,
        state: it.state,
        evaluation: it.evaluation,
        digest: it.digest,
        format: u32::try_from(it.format).unwrap_or(u32::MAX),
        blob: it.bytes,
    }
}
