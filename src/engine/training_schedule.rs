//! When to train a forest: after the warm-up, on schedule, on drift, and on request.

use serde::{Deserialize, Serialize};

use super::{Engine, SubjectKindState, SubjectState};
use crate::detect::forest::FeatureRows;
use crate::drift::{DriftSamples, spread};
use crate::reading::{SubjectKind, Timestamp};
use crate::scorer::ROWS_MAX;
use crate::training::TrainingSet;

/// Longest wait after a training without a model.
pub const RETRY_SECONDS: f64 = 3_600.0;

/// Shortest time between trainings because of drift. It doubles while the drift persists, as another training on the
/// same points would not end it.
pub const DRIFT_SECONDS: f64 = 3_600.0;

/// Seconds between two drift comparisons of a changing population.
const COMPARED_SECONDS: f64 = 600.0;

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

impl Engine {
    /// The training set for a forest of this kind, if a training is due: a sample with an equal share of each ready
    /// subject. The call marks the training as started.
    ///
    /// A new host is trained again whenever the number of its points has doubled, later every `retrain_interval`.
    pub fn due(&mut self, kind: SubjectKind) -> Option<TrainingSet> {
        if !self.learning {
            return None;
        }
        let of_kind =
            self.states.iter().filter(|(subject, state)| subject.kind() == kind && state.is_trained_on());
        let ready: Vec<&SubjectState> = of_kind.map(|(_, state)| state).collect();
        let now = Timestamp(ready.iter().map(|it| it.at().0).reduce(f64::max)?);
        let observed = ready.iter().map(|it| it.observed()).fold(0.0, f64::max);
        let kind_state = self.kinds.get_mut(&kind)?;
        let drifted = self.settings.retrain_on_drift && kind_state.has_drifted(&ready, now);
        if !kind_state.schedule.is_due(now, drifted) {
            return None;
        }
        kind_state.schedule.note(now, observed.min(self.settings.retrain_interval), drifted);
        fair_sample(&ready, Timestamp(f64::NEG_INFINITY))
    }

    /// Records that the last training gave no model: the next is due within [`RETRY_SECONDS`].
    pub fn refused(&mut self, kind: SubjectKind) {
        if let Some(SubjectKindState { schedule: asked, .. }) = self.kinds.get_mut(&kind) {
            asked.wait = asked.wait.min(RETRY_SECONDS);
        }
    }

    /// Records when the installed model was trained; the next training is due by schedule.
    pub fn trained_at(&mut self, kind: SubjectKind, at: Timestamp) {
        let Some(SubjectKindState { schedule: asked, .. }) = self.kinds.get_mut(&kind) else { return };
        if asked.last.is_none() {
            (asked.last, asked.wait, asked.drift_wait) =
                (Some(at), self.settings.retrain_interval, DRIFT_SECONDS);
        }
    }

    /// Makes the next training of this kind due as soon as enough is known.
    pub fn train_soon(&mut self, kind: SubjectKind) {
        self.kinds.entry(kind).and_modify(|it| it.schedule.last = None);
    }

    /// The training set for a requested training: the points of the last `hours`, or all. The call marks the training as
    /// started.
    ///
    /// # Errors
    /// A sentence that names the obstacle: too few points, or learning paused.
    pub fn requested_training(
        &mut self,
        kind: SubjectKind,
        hours: Option<f64>,
    ) -> Result<TrainingSet, String> {
        if !self.learning {
            return Err("learning is off; run hostnorm learn on to resume it".into());
        }
        let of_kind =
            self.states.iter().filter(|(subject, state)| subject.kind() == kind && state.is_trained_on());
        let ready: Vec<&SubjectState> = of_kind.map(|(_, state)| state).collect();
        let too_little = || "too little data: the warm-up is not over".to_owned();
        let now = ready.iter().map(|it| it.at().0).reduce(f64::max).ok_or_else(too_little)?;
        let observed = ready.iter().map(|it| it.observed()).fold(0.0, f64::max);
        let from = hours.map_or(f64::NEG_INFINITY, |hours| now - 3_600.0 * hours);
        let set = fair_sample(&ready, Timestamp(from)).ok_or_else(too_little)?;
        if let Some(kind_state) = self.kinds.get_mut(&kind) {
            kind_state.schedule.note(Timestamp(now), observed.min(self.settings.retrain_interval), false);
        }
        Ok(set)
    }
}

/// The pooled training rows, limited in number, with at most the same number of each subject.
fn fair_sample(states: &[&SubjectState], from: Timestamp) -> Option<TrainingSet> {
    let (first, others) = states.split_first()?;
    let mut all = first.training_set(from);
    if others.is_empty() {
        return Some(all);
    }
    let each_max = (ROWS_MAX / states.len()).max(1);
    let mut rows = FeatureRows::new(all.rows.width());
    all.noise.fill(0.0);
    for state in states {
        let own = state.training_set(from);
        all.starts.push(rows.len());
        spread(own.rows.len(), each_max).for_each(|idx| rows.push(own.rows.row(idx)));
        let share = 1.0 / states.len() as f32;
        all.noise.iter_mut().zip(&own.noise).for_each(|(mean, own)| *mean += share * own);
        all.span = match (all.span, own.span) {
            (Some([from, to]), Some([own_from, own_to])) => {
                Some([Timestamp(from.0.min(own_from.0)), Timestamp(to.0.max(own_to.0))])
            }
            (one, other) => one.or(other),
        };
    }
    Some(TrainingSet { rows, log: DriftSamples::joined(states.iter().map(|it| it.log())), ..all })
}

impl SubjectKindState {
    /// Whether signals drifted from those the model was trained on. The only subject of a kind is compared at each
    /// sampled value; a changing population is compared as a whole every ten minutes, because single subjects may
    /// differ from it.
    fn has_drifted(&mut self, ready: &[&SubjectState], now: Timestamp) -> bool {
        if !self.is_changing() {
            return ready.iter().any(|it| it.has_drifted());
        }
        let Some(reference) = &self.reference else { return false };
        if let Some((then, drifted)) = self.drift
            && (0.0..COMPARED_SECONDS).contains(&(now.0 - then.0))
        {
            return drifted;
        }
        let calm: Vec<&SubjectState> = ready.iter().copied().filter(|it| it.is_quiet()).collect();
        let ratios = reference.ratios(&DriftSamples::joined(calm.iter().map(|it| it.log())));
        let drifted = ratios.iter().flatten().any(|it| *it >= 1.0);
        self.drift = Some((now, drifted));
        drifted
    }
}

impl TrainingSchedule {
    fn is_due(&self, now: Timestamp, drifted: bool) -> bool {
        // After a backward clock step, the last training lies in the future; a training is due then.
        let passed = |wait: f64| self.last.is_none_or(|last| !(0.0..wait).contains(&(now.0 - last.0)));
        passed(self.wait) || drifted && passed(self.drift_wait)
    }

    fn note(&mut self, now: Timestamp, wait: f64, drifted: bool) {
        let drift_wait = if drifted { 2.0 * self.drift_wait.max(DRIFT_SECONDS / 2.0) } else { DRIFT_SECONDS };
        *self = Self { last: Some(now), wait, drift_wait: drift_wait.max(DRIFT_SECONDS) };
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
        asked.note(Timestamp(0.0), 86_400.0, false);
        assert!(!due(&asked, 23.9, false) && due(&asked, 24.0, false));
        assert!(due(&asked, -1.0, false), "a clock that stepped back");
        assert!(!due(&asked, 0.9, true) && due(&asked, 1.0, true));
        // Persistent drift must not start a training each hour.
        asked.note(Timestamp(3_600.0), 86_400.0, true);
        assert!(!due(&asked, 2.9, true) && due(&asked, 3.0, true));
        asked.note(Timestamp(3.0 * 3_600.0), 86_400.0, true);
        assert!(!due(&asked, 6.9, true) && due(&asked, 7.0, true));
        asked.note(Timestamp(27.0 * 3_600.0), 86_400.0, false);
        assert!(!due(&asked, 27.9, true) && due(&asked, 28.0, true));
    }
}
