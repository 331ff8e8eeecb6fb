//! Which training is due, and the sample that it learns from.

use std::fmt;

use super::subject_kind_state::SubjectKindState;
use super::{Engine, SubjectState};
use crate::detect::forest::FeatureRows;
use crate::drift::{DriftSamples, spread};
use crate::episode_text;
use crate::reading::{SubjectKind, Timestamp};
use crate::scorer::ROWS_MAX;
use crate::training::TrainingSet;

/// Why no training of a kind can start now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TrainingObstacle {
    /// Learning is off.
    LearningOff,
    /// No subject of this kind was read yet.
    NoReading,
    /// The warm-up is not over; the first score is expected at this time, if it is known.
    WarmUp(Option<Timestamp>),
    /// All statistics are borrowed from other subjects.
    Borrowed,
}

impl fmt::Display for TrainingObstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (reason, remedy) = match self {
            Self::LearningOff => return f.write_str("learning is off; run hostnorm learn on to resume it"),
            Self::NoReading => ("there is no reading of this kind yet", "train after the warm-up".to_owned()),
            Self::WarmUp(None) => ("the warm-up is not over", "train after it".to_owned()),
            Self::WarmUp(Some(at)) => {
                let second = episode_text::second(Timestamp(at.0.ceil()));
                ("the warm-up is not over", format!("the first score comes at {second}, train then"))
            }
            Self::Borrowed => {
                ("what is known is borrowed from other subjects", "train after a day".to_owned())
            }
        };
        write!(f, "too little data: {reason}; {remedy}")
    }
}

/// Seconds between two drift comparisons of a changing population.
const COMPARED_SECONDS: f64 = 600.0;

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
        kind_state.schedule.record_start(now, observed.min(self.settings.retrain_interval), drifted);
        fair_sample(&ready, Timestamp(f64::NEG_INFINITY))
    }

    /// Records that the last training gave no model: the next is due within [`RETRY_SECONDS`].
    pub fn refused(&mut self, kind: SubjectKind) {
        if let Some(SubjectKindState { schedule: asked, .. }) = self.kinds.get_mut(&kind) {
            asked.retry();
        }
    }

    /// Records when the installed model was trained; the next training is due by schedule.
    pub fn trained_at(&mut self, kind: SubjectKind, at: Timestamp) {
        if let Some(SubjectKindState { schedule: asked, .. }) = self.kinds.get_mut(&kind) {
            asked.start(at, self.settings.retrain_interval);
        }
    }

    /// Makes the next training of this kind due as soon as enough is known.
    pub fn train_soon(&mut self, kind: SubjectKind) {
        self.kinds.entry(kind).and_modify(|it| it.schedule.make_due());
    }

    /// The training set for a requested training: the points of the last `hours`, or all. The call marks the training as
    /// started.
    ///
    /// # Errors
    /// A sentence that names the obstacle, too few points or learning paused, and what to do.
    pub fn requested_training(
        &mut self,
        kind: SubjectKind,
        hours: Option<f64>,
    ) -> Result<TrainingSet, String> {
        if !self.learning {
            return Err(TrainingObstacle::LearningOff.to_string());
        }
        let of_kind =
            self.states.iter().filter(|(subject, state)| subject.kind() == kind && state.is_trained_on());
        let ready: Vec<&SubjectState> = of_kind.map(|(_, state)| state).collect();
        let too_little = || self.too_little_data(kind).to_string();
        let now = ready.iter().map(|it| it.at().0).reduce(f64::max).ok_or_else(too_little)?;
        let observed = ready.iter().map(|it| it.observed()).fold(0.0, f64::max);
        let from = hours.map_or(f64::NEG_INFINITY, |hours| now - 3_600.0 * hours);
        let set = fair_sample(&ready, Timestamp(from)).ok_or_else(too_little)?;
        if let Some(kind_state) = self.kinds.get_mut(&kind) {
            kind_state.schedule.record_start(
                Timestamp(now),
                observed.min(self.settings.retrain_interval),
                false,
            );
        }
        Ok(set)
    }

    /// Why no training of this kind can start now; `None` if one can.
    pub fn training_obstacle(&self, kind: SubjectKind) -> Option<TrainingObstacle> {
        let mut of_kind = self.states.iter().filter(|(subject, _)| subject.kind() == kind);
        match self.learning {
            false => Some(TrainingObstacle::LearningOff),
            true if of_kind.any(|(_, it)| it.is_trained_on()) => None,
            true => Some(self.too_little_data(kind)),
        }
    }

    /// Why the data of this kind are too few for a training.
    fn too_little_data(&self, kind: SubjectKind) -> TrainingObstacle {
        let of_kind = || self.states.iter().filter(|(subject, _)| subject.kind() == kind);
        let first = of_kind().filter_map(|(_, it)| it.first_score_at()).map(|it| it.0).reduce(f64::min);
        match first {
            Some(at) => TrainingObstacle::WarmUp(Some(Timestamp(at))),
            None if of_kind().next().is_none() => TrainingObstacle::NoReading,
            None if of_kind().all(|(_, it)| it.is_ready()) => TrainingObstacle::Borrowed,
            None => TrainingObstacle::WarmUp(None),
        }
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
    Some(TrainingSet { rows, log: DriftSamples::pool_samples(states.iter().map(|it| it.log())), ..all })
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
        let ratios = reference.drift_ratios(&DriftSamples::pool_samples(calm.iter().map(|it| it.log())));
        let drifted = ratios.iter().flatten().any(|it| *it >= 1.0);
        self.drift = Some((now, drifted));
        drifted
    }
}
