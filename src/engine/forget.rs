//! Forgetting a time range: a job rebuilds an engine from the other points, which then replaces the learned state of the
//! live one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Engine, StateTransfers};
use crate::grace::GraceWatcher;
use crate::reading::{Subject, SubjectTurnover};

impl Engine {
    /// One that knows nothing, with the signals, settings and models of this one; to be [warmed](Self::warming) with what
    /// is to be known and then given to [`take_over`](Self::take_over).
    pub fn rebuilt(&self) -> Self {
        Self {
            settings: self.settings.clone(),
            kinds: self.kinds.iter().map(|(kind, it)| (*kind, it.forgetful())).collect(),
            states: BTreeMap::new(),
            waiting: BTreeMap::new(),
            handover: StateTransfers::default(),
            before: Arc::default(),
            watch: GraceWatcher::new(&[], self.settings.grace),
            learning: self.learning,
        }
    }

    /// The live subjects, which are to be warmed for [`take_over`](Self::take_over) to know all of them.
    pub fn live(&self) -> impl Iterator<Item = &Subject> {
        self.states.keys()
    }

    /// Learns a subject anew: in the place of one of which nothing is to be known any more.
    pub fn start_anew(&mut self, subject: &Subject) {
        let fresh = self.fresh(subject.kind());
        self.states.extend(fresh.map(|it| (subject.clone(), it)));
    }

    /// Knows what `rebuilt` knows from now on. Where the loop is stays as it is: the window, the episode under way, grace,
    /// and subjects that `rebuilt` does not know; of those that come and go it takes over none that left meanwhile. A
    /// training is due, as the models know what is to be forgotten.
    pub fn take_over(&mut self, rebuilt: Self) {
        for (kind, family) in rebuilt.kinds {
            if let Some(live) = self.kinds.get_mut(&kind) {
                (live.schedule, live.drift, live.priors) = (family.schedule, family.drift, family.priors);
            }
        }
        for (subject, mut state) in rebuilt.states {
            match self.states.remove(&subject) {
                Some(live) => state.continue_from(live),
                None if subject.kind().turnover() == SubjectTurnover::Changing => continue,
                None => {}
            }
            self.states.insert(subject, state);
        }
    }
}
