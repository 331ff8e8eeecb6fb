//! The circumstances that make an episode expected.

use super::SubjectState;
use crate::report::{Assessment, EpisodeCircumstances, EpisodeTransition};

impl SubjectState {
    /// Adds the circumstances of this reading to the assessment, and to its episode.
    pub(in super::super) fn add_circumstances(
        &mut self,
        assessment: &mut Assessment,
        current: EpisodeCircumstances,
    ) {
        if assessment.transition == Some(EpisodeTransition::Started) {
            self.circumstances = EpisodeCircumstances::default();
        }
        if assessment.episode.is_some() {
            self.circumstances = self.circumstances.with(current);
        }
        (assessment.current_circumstances, assessment.circumstances) = (current, self.circumstances);
    }
}
