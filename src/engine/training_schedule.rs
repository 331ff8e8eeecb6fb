//! When to train a forest: after the warm-up, on schedule, on drift, and on request.

use serde::{Deserialize, Serialize};

use crate::reading::Timestamp;

/// Longest wait after a training without a model.
pub const RETRY_SECONDS: f64 = 3_600.0;

/// Shortest time between trainings because of drift. It doubles while the drift persists, as another training on the
/// same points would not end it.
pub const DRIFT_SECONDS: f64 = 3_600.0;

/// The training times of one kind.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct TrainingSchedule {
    /// Time of the last training; `None` before the first.
    last: Option<Timestamp>,
    /// Seconds from the last training to the next by schedule.
    wait: f64,
    /// Shortest wait after the last training for one because of drift.
    drift_wait: f64,
}

impl TrainingSchedule {
    /// Whether a training is due.
    pub(super) fn is_due(&self, now: Timestamp, drifted: bool) -> bool {
        // After a backward clock step, the last training lies in the future; a training is due then.
        let passed = |wait: f64| self.last.is_none_or(|last| !(0.0..wait).contains(&(now.0 - last.0)));
        passed(self.wait) || drifted && passed(self.drift_wait)
    }

    /// Notes that a training started.
    pub(super) fn record_start(&mut self, now: Timestamp, wait: f64, drifted: bool) {
        let drift_wait = if drifted { 2.0 * self.drift_wait.max(DRIFT_SECONDS / 2.0) } else { DRIFT_SECONDS };
        *self = Self { last: Some(now), wait, drift_wait: drift_wait.max(DRIFT_SECONDS) };
    }

    /// Notes that the last training gave no model.
    pub(super) fn retry(&mut self) {
        self.wait = self.wait.min(RETRY_SECONDS);
    }

    /// Notes when the installed model was trained, unless a training is known.
    pub(super) fn start(&mut self, at: Timestamp, wait: f64) {
        if self.last.is_none() {
            *self = Self { last: Some(at), wait, drift_wait: DRIFT_SECONDS };
        }
    }

    /// Makes the next training due.
    pub(super) fn make_due(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trainings_are_due_by_schedule_by_drift_and_by_request() {
        let mut asked = TrainingSchedule::default();
        let due =
            |asked: &TrainingSchedule, hours: f64, drifted| asked.is_due(Timestamp(hours * 3_600.0), drifted);
        assert!(due(&asked, 0.0, false));
        asked.record_start(Timestamp(0.0), 86_400.0, false);
        assert!(!due(&asked, 23.9, false) && due(&asked, 24.0, false));
        assert!(due(&asked, -1.0, false), "a clock that stepped back");
        assert!(!due(&asked, 0.9, true) && due(&asked, 1.0, true));
        // Persistent drift must not start a training each hour.
        asked.record_start(Timestamp(3_600.0), 86_400.0, true);
        assert!(!due(&asked, 2.9, true) && due(&asked, 3.0, true));
        asked.record_start(Timestamp(3.0 * 3_600.0), 86_400.0, true);
        assert!(!due(&asked, 6.9, true) && due(&asked, 7.0, true));
        asked.record_start(Timestamp(27.0 * 3_600.0), 86_400.0, false);
        assert!(!due(&asked, 27.9, true) && due(&asked, 28.0, true));
    }
}
