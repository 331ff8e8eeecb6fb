//! Forgetting: an engine that is made anew from points without a span, beside the loop, and takes the place of what the
//! live one learned.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Engine, Handover};
use crate::grace::Watch;
use crate::reading::{Population, Subject};

impl Engine {
    /// One that knows nothing, with the signals, settings and models of this one; to be [warmed](Self::warming) with what
    /// is to be known and then given to [`take_over`](Self::take_over).
    pub fn rebuilt(&self) -> Self {
        Self {
            settings: self.settings.clone(),
            families: self.families.iter().map(|(kind, it)| (*kind, it.forgetful())).collect(),
            states: BTreeMap::new(),
            waiting: BTreeMap::new(),
            handover: Handover::default(),
            before: Arc::default(),
            watch: Watch::new(&[], self.settings.grace),
            learning: self.learning,
        }
    }

    /// The live subjects, which are to be warmed for [`take_over`](Self::take_over) to know all of them.
    pub fn live(&self) -> impl Iterator<Item = &Subject> {
        self.states.keys()
    }

    /// Knows what `rebuilt` knows from now on, of subjects that are live still. Where the loop is stays as it is: the
    /// window, the episode under way, grace. Live subjects that `rebuilt` does not know start as new ones. A training is
    /// due, as the models know what is to be forgotten.
    pub fn take_over(&mut self, rebuilt: Self) {
        let Self { mut states, families, .. } = rebuilt;
        for (kind, mut family) in families {
            if let Some(live) = self.families.get_mut(&kind) {
                (live.asked, live.drift, live.priors) =
                    (family.asked, family.drift, std::mem::take(&mut family.priors));
            }
        }
        for (subject, live) in std::mem::take(&mut self.states) {
            let anew = states.remove(&subject).or_else(|| self.fresh(subject.kind()));
            self.states.extend(anew.map(|mut anew| {
                anew.continue_from(live);
                (subject, anew)
            }));
        }
        self.states.extend(states.into_iter().filter(|(it, _)| it.kind().population() == Population::Single));
    }
}
