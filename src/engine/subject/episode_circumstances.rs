//! The circumstances that make an episode expected.

use super::SubjectState;
use crate::report::{Assessment, EpisodeCircumstances, EpisodeTransition};

impl SubjectState {
    /// Adds the circumstances of this reading to the assessment, and to its episode.
    pub(in super::super) fn mark(&mut self, assessment: &mut Assessment, expected: EpisodeCircumstances) {
        if assessment.transition == Some(EpisodeTransition::Started) {
            self.marks = EpisodeCircumstances::default();
        }
        if assessment.episode.is_some() {
            self.marks = self.marks.with(expected);
        }
        (assessment.expected, assessment.marks) = (expected, self.marks);
    }
}
