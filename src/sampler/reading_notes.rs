//! Says once what is wrong with the readings: they take too long, or signals have no value.

use std::collections::BTreeSet;

use crate::engine::Engine;
use crate::reading::{Subject, SubjectKind};
use crate::report::Report;

/// Number of skipped intervals from which on it is said.
const SKIPPED_MAX: u32 = 3;

/// Readings after which a signal without a value is said to be without one: rates need two readings.
const READINGS: u64 = 5;

/// What was said.
#[derive(Debug, Default)]
pub(super) struct ReadingNotes {
    /// Whether the last reading took too long.
    is_slow: bool,
    readings: u64,
}

impl ReadingNotes {
    /// Says which signals of the host have no value after the first readings.
    pub(super) fn note_signals(&mut self, report: &Report, engine: &Engine) {
        self.readings += 1;
        if self.readings != READINGS {
            return;
        }
        let Some(assessment) = report.assessments.get(&Subject::Host) else { return };
        let known: BTreeSet<&str> = assessment.signals.iter().map(|it| it.signal.name).collect();
        let signals = engine.signals(SubjectKind::Host);
        let unknown: Vec<&str> = signals.iter().map(|it| it.name).filter(|it| !known.contains(it)).collect();
        if !unknown.is_empty() {
            tracing::info!(
                signals = unknown.join(","),
                "signals without a value are not judged; this host does not have what they are computed from, or the settings leave it out"
            );
        }
    }

    /// Says that intervals were skipped, and which collector took longest; once until readings are in time again.
    pub(super) fn note_skipped(&mut self, skipped: u32, report: Option<&Report>) {
        let is_slow = skipped >= SKIPPED_MAX;
        if is_slow && !self.is_slow {
            let collections = report.into_iter().flat_map(|it| &it.reading.collections);
            let slowest = collections.max_by(|one, other| one.seconds.total_cmp(&other.seconds));
            tracing::warn!(
                skipped,
                slowest_collector = slowest.map(|it| it.source),
                duration_seconds = slowest.map(|it| it.seconds),
                "readings skipped; if this persists, raise --interval"
            );
        }
        self.is_slow = is_slow;
    }
}
