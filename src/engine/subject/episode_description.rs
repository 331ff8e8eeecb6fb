//! The description of the current episode, which log, metrics, store and page share.

use super::SubjectState;
use crate::episode_text;
use crate::reading::Subject;
use crate::report::{Assessment, EpisodeTransition};

impl SubjectState {
    /// Words the episode at its onset and when a renewal is due, and adds the description to the judgement.
    ///
    /// It is part of the state, not of the report alone, so that a restart in the middle of an episode keeps it.
    pub(in super::super) fn describe(&mut self, subject: &Subject, judgement: &mut Assessment) {
        if judgement.episode.is_none() {
            self.description = None;
        } else if matches!(judgement.transition, Some(EpisodeTransition::Began | EpisodeTransition::Changed))
        {
            let text = episode_text::describe(subject, judgement);
            match self.description.as_deref() {
                // A renewal that changes nothing is no news.
                Some(old) if old == text => judgement.transition = None,
                _ => self.description = Some(text.into()),
            }
        }
        judgement.description.clone_from(&self.description);
    }
}
