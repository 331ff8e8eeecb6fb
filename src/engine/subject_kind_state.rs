//! The shared state of all subjects of a kind: signals, models, the drift reference and the prior of new subjects.

use std::sync::Arc;

use super::SubjectState;
use super::training_schedule::TrainingSchedule;
use crate::detect::eif::ForestModel;
use crate::detect::exponential_moments::SignalMoments;
use crate::drift::DriftReference;
use crate::model_registry::ShadowTally;
use crate::reading::{SubjectKind, SubjectTurnover, Timestamp};
use crate::signal::Signal;

/// Smallest number of ready subjects from which new ones borrow; fewer do not show how subjects of the kind vary.
pub const PRIORS_MIN: usize = 3;

/// The state of one kind.
#[derive(Debug, Clone)]
pub(super) struct SubjectKindState {
    pub(super) population: SubjectTurnover,
    pub(super) signals: Vec<&'static Signal>,
    pub(super) model: Option<ForestModel>,
    /// The shadow model.
    pub(super) shadow: Option<ForestModel>,
    /// Shadow results of evicted subjects.
    pub(super) tally: ShadowTally,
    /// Values of the signals on which the current model was trained.
    pub(super) reference: Option<Arc<DriftReference>>,
    /// When trainings were requested, and when the next is due.
    pub(super) schedule: TrainingSchedule,
    /// Time and result of the last drift comparison of a changing population.
    pub(super) drift: Option<(Timestamp, bool)>,
    /// Prior statistics of each signal; empty while too few subjects are ready.
    pub(super) priors: Vec<SignalMoments>,
    /// Evictions so far.
    pub(super) evicted: u64,
    /// Restored subjects so far.
    pub(super) restored: u64,
    /// Readings not scored so far, because too many subjects were live.
    pub(super) unscored: u64,
}

impl SubjectKindState {
    pub(super) fn new(kind: SubjectKind) -> Self {
        Self {
            population: kind.turnover(),
            signals: Vec::new(),
            model: None,
            shadow: None,
            tally: ShadowTally::default(),
            reference: None,
            schedule: TrainingSchedule::default(),
            drift: None,
            priors: Vec::new(),
            evicted: 0,
            restored: 0,
            unscored: 0,
        }
    }

    pub(super) fn is_changing(&self) -> bool {
        self.population == SubjectTurnover::Changing
    }

    /// A copy without learned state, for an engine that learns from the beginning.
    pub(super) fn forgetful(&self) -> Self {
        Self { schedule: TrainingSchedule::default(), drift: None, priors: Vec::new(), ..self.clone() }
    }

    /// Updates the priors from these subjects; with too few of them, the old priors stay.
    pub(super) fn learn_priors<'a>(&mut self, states: impl Iterator<Item = &'a SubjectState>) {
        let priors: Vec<&[SignalMoments]> = states.filter_map(SubjectState::shareable_prior).collect();
        if priors.len() >= PRIORS_MIN {
            let column = |idx: usize| priors.iter().filter_map(move |it| it.get(idx));
            self.priors = (0..self.signals.len())
                .map(|idx| SignalMoments::pool_statistics(column(idx), f64::INFINITY))
                .collect();
        }
    }
}
