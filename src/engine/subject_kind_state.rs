//! The shared state of all subjects of a kind: signals, models, the drift reference and the prior of new subjects.

use std::sync::Arc;

use super::SubjectState;
use super::training_schedule::TrainingSchedule;
use crate::detect::eif::ForestModel;
use crate::detect::exponential_moments::Moments;
use crate::drift::DriftReference;
use crate::model_registry::ShadowTally;
use crate::reading::{SubjectKind, SubjectTurnover, Timestamp};
use crate::signal::Signal;

/// With fewer ready subjects nobody knows how far two of a kind may differ, so nothing is borrowed from them.
pub const LENDERS_MIN: usize = 3;

/// One kind.
#[derive(Debug, Clone)]
pub(super) struct SubjectKindState {
    pub(super) population: SubjectTurnover,
    pub(super) signals: Vec<&'static Signal>,
    pub(super) model: Option<ForestModel>,
    /// A new model that is tried out beside it.
    pub(super) shadow: Option<ForestModel>,
    /// What evicted subjects said of that.
    pub(super) tally: ShadowTally,
    /// What the signals were like that the model was trained on.
    pub(super) reference: Option<Arc<DriftReference>>,
    /// When trainings were asked for, and when the next ones are due.
    pub(super) schedule: TrainingSchedule,
    /// When the signals of many subjects were last compared with the reference, and whether they had drifted.
    pub(super) drift: Option<(Timestamp, bool)>,
    /// What is ordinary for a subject of this kind, one a signal; empty while too few are known.
    pub(super) priors: Vec<Moments>,
    /// Subjects evicted so far.
    pub(super) evicted: u64,
    /// Subjects so far that went on with their stored state.
    pub(super) restored: u64,
    /// Readings of subjects so far that were not judged, as too many subjects were live.
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

    /// The same, but for what follows from what was learned: for an engine that learns anew.
    pub(super) fn forgetful(&self) -> Self {
        Self { schedule: TrainingSchedule::default(), drift: None, priors: Vec::new(), ..self.clone() }
    }

    /// Sees what is ordinary for these subjects; what was known before stays while there are too few of them.
    pub(super) fn learn_priors<'a>(&mut self, states: impl Iterator<Item = &'a SubjectState>) {
        let lenders: Vec<&[Moments]> = states.filter_map(SubjectState::prior_to_lend).collect();
        if lenders.len() >= LENDERS_MIN {
            let column = |idx: usize| lenders.iter().filter_map(move |it| it.get(idx));
            self.priors =
                (0..self.signals.len()).map(|idx| Moments::pooled(column(idx), f64::INFINITY)).collect();
        }
    }
}
