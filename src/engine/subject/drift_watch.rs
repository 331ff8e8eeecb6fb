//! Drift of the subject's signals from those that the model was trained on.

use std::sync::Arc;

use super::SubjectState;
use crate::drift::DriftReference;

impl SubjectState {
    /// Sets the drift reference.
    pub(in super::super) fn compare_with(&mut self, reference: &Arc<DriftReference>) {
        self.reference = Some(Arc::clone(reference));
        self.drift = reference.drift_ratios(&self.log);
    }

    /// Whether a signal drifted while no episode and no grace period is active.
    pub(in super::super) fn has_drifted(&self) -> bool {
        self.is_quiet() && self.drift.iter().flatten().any(|it| *it >= 1.0)
    }

    /// Samples a point outside episodes now and then, unless learning is paused, and compares the sample with the reference of the model.
    pub(super) fn watch_drift(&mut self) {
        if self.learning
            && !self.scorer.is_anomalous()
            && self.log.push(self.window.point())
            && let Some(reference) = &self.reference
        {
            self.drift = reference.drift_ratios(&self.log);
        }
    }
}
