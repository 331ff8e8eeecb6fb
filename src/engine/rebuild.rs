//! Forgetting: an engine that is made anew from points without a span, beside the loop, and takes the place of what the
//! live one learned.

use std::collections::BTreeMap;

use super::Engine;
use crate::grace::Watch;

impl Engine {
    /// One that knows nothing, with the signals, settings and models of this one; to be [warmed](Self::warming) with what
    /// is to be known and then given to [`take_over`](Self::take_over).
    pub fn rebuilt(&self) -> Self {
        Self {
            settings: self.settings.clone(),
            signals: self.signals.clone(),
            states: BTreeMap::new(),
            before: std::sync::Arc::default(),
            models: self.models.clone(),
            shadows: self.shadows.clone(),
            references: self.references.clone(),
            watch: Watch::new(&[], self.settings.grace),
            asked: BTreeMap::new(),
            learning: self.learning,
        }
    }

    /// Knows what `rebuilt` knows from now on. Where the loop is stays as it is: the window, the episode under way, grace.
    /// A training is due, as the models know what is to be forgotten.
    pub fn take_over(&mut self, rebuilt: Self) {
        let mut live = std::mem::replace(&mut self.states, rebuilt.states);
        for (subject, state) in &mut self.states {
            if let Some(live) = live.remove(subject) {
                state.continue_from(live);
            }
        }
        self.asked = rebuilt.asked;
    }
}
