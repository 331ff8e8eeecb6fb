//! The learned state of a scorer, to be restored into a new one.

use super::{Scorer, ScorerSettings};
use crate::learned_state_codec::COUNT_MAX;

impl Scorer {
    /// A new scorer with the learned state of one with equal shape and settings; models are not replaced. `None` if
    /// the shapes differ.
    pub fn with(self, mut kept: Self, settings: &ScorerSettings) -> Option<Self> {
        if !kept.fits(&self, settings) {
            return None;
        }
        kept.expectation.complete(&self.expectation);
        kept.detectors.seasonal.complete(&self.detectors.seasonal);
        kept.detectors.forest.take_model_from(self.detectors.forest);
        if let Some(model) = self.shadow.and_then(|it| it.model) {
            kept.start_shadow(&model);
        }
        Some(kept)
    }

    fn fits(&self, fresh: &Self, settings: &ScorerSettings) -> bool {
        let width = fresh.smooth.len();
        self.alert.fits(&settings.alert)
            && self.habituation.fits()
            && self.first_week.fits(width)
            && self.earlier_days.fits(width)
            && self.expectation.fits(&fresh.expectation)
            && self.detectors.fits(&fresh.detectors)
            && self.ranking.fits(&fresh.ranking)
            && self.history.fits(&fresh.history, width)
            && self.early.fits(&fresh.early, width)
            && (self.smooth.len(), self.deviations.len()) == (width, width)
            && self.peak.fits(width)
            && self.patterns.fits(width)
            && self.shadow.as_ref().is_none_or(|it| it.smooth.len() == width)
            && self.points < COUNT_MAX as f64
    }
}
