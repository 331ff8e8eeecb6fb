//! When a forest is to be trained: after the warm-up, by schedule, because signals drifted, because somebody asks.

use serde::{Deserialize, Serialize};

use super::Engine;
use crate::reading::{Kind, Timestamp};
use crate::training::TrainingSet;

/// After a training without a model the next one is due at most this much later.
pub const RETRY_SECONDS: f64 = 3_600.0;

/// Seconds that are at least between a training and one because of drift; they double each time as long as the drift goes
/// on, as a training on the same points again would not end it.
pub const DRIFT_SECONDS: f64 = 3_600.0;

/// When trainings of one kind were asked for.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Asked {
    /// When the last one was; nothing before the first.
    last: Option<Timestamp>,
    /// So many seconds after it the next one is due.
    wait: f64,
    /// So many seconds after it one because of drift may be.
    drift_wait: f64,
    /// Whether somebody asked for one.
    requested: bool,
}

impl Engine {
    /// What a forest for this kind is to be trained on, when a training is due; asking counts as training.
    ///
    /// A young host's forest is trained again each time twice as much is known, later each `retrain`.
    pub fn due(&mut self, kind: Kind) -> Option<TrainingSet> {
        if !self.learning {
            return None;
        }
        let (_, state) =
            self.states.iter().find(|(subject, state)| subject.kind() == kind && state.is_ready())?;
        let asked = self.asked.entry(kind).or_default();
        let now = state.at();
        let drifted = self.settings.retrain_on_drift && state.has_drifted();
        if !asked.is_due(now, drifted) {
            return None;
        }
        asked.note(now, state.observed().min(self.settings.retrain), drifted);
        Some(state.training_set())
    }

    /// Takes note that the last training gave no model: the next is due after [`RETRY_SECONDS`] at the latest.
    pub fn refused(&mut self, kind: Kind) {
        if let Some(asked) = self.asked.get_mut(&kind) {
            asked.wait = asked.wait.min(RETRY_SECONDS);
        }
    }

    /// Takes note that the installed model was trained at this instant: the next training is due by schedule.
    pub fn trained_at(&mut self, kind: Kind, at: Timestamp) {
        let asked = self.asked.entry(kind).or_default();
        if asked.last.is_none() {
            (asked.last, asked.wait, asked.drift_wait) = (Some(at), self.settings.retrain, DRIFT_SECONDS);
        }
    }

    /// Whether somebody asked for a training of this kind that did not begin yet.
    pub fn is_requested(&self, kind: Kind) -> bool {
        self.asked.get(&kind).is_some_and(|it| it.requested)
    }

    /// Asks for a training of this kind as soon as it can be.
    ///
    /// # Errors
    /// A sentence that says what is lacking, when too little is known or nothing is learned.
    pub fn request_training(&mut self, kind: Kind) -> Result<(), String> {
        if !self.learning {
            return Err("learning is off; hostnorm learn on switches it on".into());
        }
        let ready = self.states.iter().any(|(subject, it)| subject.kind() == kind && it.is_ready());
        if !ready {
            return Err("too little is known yet: the warm-up goes on".into());
        }
        self.asked.entry(kind).or_default().requested = true;
        Ok(())
    }
}

impl Asked {
    fn is_due(&self, now: Timestamp, drifted: bool) -> bool {
        // A clock that stepped back makes the last training lie in the future; it is due again then.
        let passed = |wait: f64| self.last.is_none_or(|last| !(0.0..wait).contains(&(now.0 - last.0)));
        self.requested || passed(self.wait) || drifted && passed(self.drift_wait)
    }

    fn note(&mut self, now: Timestamp, wait: f64, drifted: bool) {
        let drift_wait = if drifted { 2.0 * self.drift_wait.max(DRIFT_SECONDS / 2.0) } else { DRIFT_SECONDS };
        *self = Self { last: Some(now), wait, drift_wait: drift_wait.max(DRIFT_SECONDS), requested: false };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trainings_are_due_by_schedule_by_drift_and_by_request() {
        let mut asked = Asked::default();
        let due = |asked: &Asked, hours: f64, drifted| asked.is_due(Timestamp(hours * 3_600.0), drifted);
        assert!(due(&asked, 0.0, false));
        asked.note(Timestamp(0.0), 86_400.0, false);
        assert!(!due(&asked, 23.9, false) && due(&asked, 24.0, false));
        assert!(due(&asked, -1.0, false), "a clock that stepped back");
        assert!(!due(&asked, 0.9, true) && due(&asked, 1.0, true));
        // A drift that goes on is no reason to train each hour.
        asked.note(Timestamp(3_600.0), 86_400.0, true);
        assert!(!due(&asked, 2.9, true) && due(&asked, 3.0, true));
        asked.note(Timestamp(3.0 * 3_600.0), 86_400.0, true);
        assert!(!due(&asked, 6.9, true) && due(&asked, 7.0, true));
        asked.note(Timestamp(27.0 * 3_600.0), 86_400.0, false);
        assert!(!due(&asked, 27.9, true) && due(&asked, 28.0, true));
        asked.requested = true;
        assert!(due(&asked, 27.1, false));
    }
}
