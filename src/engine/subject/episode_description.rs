//! The description of the current episode, which log, metrics, store and page share.

use super::SubjectState;
use crate::episode_text;
use crate::reading::Subject;
use crate::report::{Assessment, EpisodeTransition};
use crate::signal::ReadingPair;

impl SubjectState {
    /// Renews the description with the next reading.
    pub(in super::super) fn renew_description(&mut self) {
        self.renews_description = true;
    }

    /// Describes the episode at its start and whenever a renewal is due, and adds the description to the assessment.
    ///
    /// It is part of the state, not only of the report, so that a restart during an episode keeps it.
    pub(in super::super) fn describe(
        &mut self,
        subject: &Subject,
        assessment: &mut Assessment,
        change: Option<&ReadingPair<'_>>,
    ) {
        let is_due = std::mem::take(&mut self.renews_description);
        if assessment.episode.is_none() {
            (self.description, assessment.description) = (None, None);
            return;
        }
        if is_due && assessment.transition.is_none() && !episode_text::causes(assessment).is_empty() {
            assessment.transition = Some(EpisodeTransition::Changed);
        }
        if matches!(assessment.transition, Some(EpisodeTransition::Started | EpisodeTransition::Changed)) {
            let text = episode_text::describe(subject, assessment, change);
            match self.description.as_deref() {
                // An unchanged description is no transition.
                Some(old) if old == text => assessment.transition = None,
                _ => self.description = Some(text.into()),
            }
        }
        assessment.description.clone_from(&self.description);
    }
}
