//! Stores the state of evicted subjects and loads it when they return.

use std::collections::{BTreeSet, VecDeque};

use super::jobs::{Job, JobFailure, Jobs, SubjectStates};
use super::persist::PersistentState;
use crate::engine::{Engine, SubjectCounts, SubjectStateHandover};
use crate::metric::Metric;
use crate::reading::{MetricLabels, Subject, SubjectKind, SubjectValues};
use crate::store::StoreError;

/// Largest number of states that one job loads.
const BATCH_MAX: usize = 32;

/// Number of recently evicted states in memory, because the store may not have written them yet.
const RECENT_MAX: usize = 32;

pub(super) static SUBJECTS: Metric = Metric::gauge(
    "hostnorm_subjects",
    "Subjects in memory, by state: learning, ready, gone (missing from the readings) or waiting (for their stored state)",
)
.by(&["kind", "state"]);
pub(super) static EVICTED: Metric = Metric::counter(
    "hostnorm_subjects_evicted_total",
    "Subjects evicted from memory, because they were gone or other subjects needed the space",
)
.by(&["kind"]);
pub(super) static RESTORED: Metric = Metric::counter(
    "hostnorm_subjects_restored_total",
    "Subjects that returned and were restored from their stored state",
)
.by(&["kind"]);
pub(super) static UNSCORED: Metric = Metric::counter(
    "hostnorm_subject_readings_unscored_total",
    "Readings of subjects not scored, because the maximum number of subjects was reached",
)
.by(&["kind"]);

/// Transfers of state between engine and store.
#[derive(Debug, Default)]
pub(super) struct StateTransfers {
    /// Recently evicted states, newest at the back.
    recent: VecDeque<(Subject, Vec<u8>)>,
    /// Subjects whose state must be loaded.
    wanted: BTreeSet<Subject>,
    /// Subjects whose state is being loaded.
    reading: BTreeSet<Subject>,
}

impl StateTransfers {
    /// Starts the transfers that the last step requested.
    pub(super) fn update(&mut self, persistent: &mut PersistentState, jobs: &mut Jobs) {
        let SubjectStateHandover { evicted, wanted } = persistent.engine.take_handover();
        let Some(directory) = persistent.store.directory().map(std::path::Path::to_owned) else {
            wanted.iter().for_each(|it| persistent.engine.absent(it));
            return;
        };
        for subject in wanted {
            match self.recent.iter().position(|(it, _)| *it == subject) {
                Some(place) => {
                    let (subject, bytes) = self.recent.remove(place).unwrap_or((subject, Vec::new()));
                    return_state(&mut persistent.engine, &subject, Some(&bytes));
                }
                None => drop(self.wanted.insert(subject)),
            }
        }
        for (subject, bytes) in &evicted {
            self.recent.push_back((subject.clone(), bytes.clone()));
        }
        self.recent.drain(..self.recent.len().saturating_sub(RECENT_MAX));
        persistent.save_subjects(evicted);
        self.wanted.retain(|it| persistent.engine.is_waiting(it));
        if self.reading.is_empty() && !self.wanted.is_empty() {
            let batch: BTreeSet<Subject> = self.wanted.iter().take(BATCH_MAX).cloned().collect();
            let format = Engine::snapshot_format();
            let subjects = batch.clone();
            // If the queue is full, the next tick tries again.
            if jobs.push(Job::LoadStates { directory, format, subjects }).is_some() {
                self.wanted.retain(|it| !batch.contains(it));
                self.reading = batch;
            }
        }
    }

    /// Passes the loaded states to the engine.
    pub(super) fn loaded(
        &mut self,
        result: Result<SubjectStates, JobFailure<StoreError>>,
        engine: &mut Engine,
    ) {
        let states = result.unwrap_or_else(|reason| {
            tracing::warn!(%reason, "stored states of subjects unreadable; learning from live data");
            SubjectStates::new()
        });
        for subject in std::mem::take(&mut self.reading) {
            return_state(engine, &subject, states.get(&subject).map(Vec::as_slice));
        }
    }

    /// Drops recently evicted states, because they include points forgotten now.
    pub(super) fn forget(&mut self) {
        self.recent.clear();
    }

    pub(super) fn values(engine: &Engine, values: &mut SubjectValues) {
        for (kind, it) in engine.subject_counts() {
            // A kind without subjects would add series to each host.
            if it == SubjectCounts::default() && kind != SubjectKind::Host {
                continue;
            }
            let kind = kind.name();
            let states =
                [("learning", it.learning), ("ready", it.ready), ("gone", it.gone), ("waiting", it.waiting)];
            for (state, count) in states {
                values.set_by(&SUBJECTS, &MetricLabels::new([kind, state]), count as f64);
            }
            for (metric, count) in
                [(&EVICTED, it.evicted), (&RESTORED, it.restored), (&UNSCORED, it.unscored)]
            {
                values.set_by(metric, &MetricLabels::new([kind]), count as f64);
            }
        }
    }
}

fn return_state(engine: &mut Engine, subject: &Subject, state: Option<&[u8]>) {
    let Some(bytes) = state else { return engine.absent(subject) };
    if let Err(reason) = engine.return_state(subject, bytes) {
        tracing::info!(subject = subject.name(), %reason, "stored state not used; learning from live data");
    }
}
