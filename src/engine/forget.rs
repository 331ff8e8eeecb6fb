//! Forgetting a time range: a job rebuilds an engine from the other points, which then replaces the learned state of the
//! live one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Engine, SubjectStateHandover};
use crate::counter_reset::MonotonicCounters;
use crate::grace::GraceWatcher;
use crate::reading::{Subject, SubjectTurnover};

impl Engine {
    /// Returns an engine with the same signals, settings and models, but without learned state. [Warm](Self::start_state_rebuild)
    /// it with the remaining points, then pass it to [`take_over`](Self::take_over).
    pub fn rebuilt(&self) -> Self {
        Self {
            settings: self.settings.clone(),
            kinds: self.kinds.iter().map(|(kind, it)| (*kind, it.forgetful())).collect(),
            states: BTreeMap::new(),
            waiting: BTreeMap::new(),
            handover: SubjectStateHandover::default(),
            before: Arc::default(),
            counters: MonotonicCounters::default(),
            watch: GraceWatcher::new(&[], self.settings.grace),
            impacts: self.impacts.clone(),
            learning: self.learning,
        }
    }

    /// The live subjects, all of which must be warmed before [`take_over`](Self::take_over).
    pub fn live(&self) -> impl Iterator<Item = &Subject> {
        self.states.keys()
    }

    /// Replaces the learned state of a subject with that of a new one, if all of its points are forgotten.
    pub fn reset_learned_state(&mut self, subject: &Subject) {
        let fresh = self.new_subject_state(subject.kind());
        self.states.extend(fresh.map(|it| (subject.clone(), it)));
    }

    /// Replaces the learned state with that of `rebuilt`. The position of the loop stays: the window, the current
    /// episode, grace, and subjects that `rebuilt` lacks. Subjects of a changing population that left meanwhile are
    /// not taken over. A training becomes due, because the models were trained on the forgotten points.
    pub fn take_over(&mut self, rebuilt: Self) {
        for (kind, kind_state) in rebuilt.kinds {
            if let Some(live) = self.kinds.get_mut(&kind) {
                (live.schedule, live.drift, live.priors) =
                    (kind_state.schedule, kind_state.drift, kind_state.priors);
            }
        }
        for (subject, mut state) in rebuilt.states {
            match self.states.remove(&subject) {
                Some(live) => state.continue_from(live, &self.settings),
                None if subject.kind().turnover() == SubjectTurnover::Changing => continue,
                None => {}
            }
            self.states.insert(subject, state);
        }
    }
}
