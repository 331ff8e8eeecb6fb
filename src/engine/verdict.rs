//! Verdicts of an operator on episodes.

use super::Engine;
use crate::episode_pattern::OperatorVerdict;
use crate::reading::{Subject, Timestamp};

/// An episode as it was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct PastEpisode {
    /// Its start.
    pub since: Timestamp,
    /// Its highest score.
    pub peak: f64,
    /// Signals by name, whether they are above their expected value, and their positive contributions.
    pub parts: Vec<(String, bool, f64)>,
    /// The verdict, and when it was given.
    pub verdict: Option<(OperatorVerdict, Timestamp)>,
}

impl Engine {
    /// Records a verdict on the episode of a live subject that started in this second; returns whether it is known. Known
    /// are the newest [`RECENT_MAX`](crate::episode_pattern::RECENT_MAX) of each subject, and those with a verdict.
    pub fn set_verdict(&mut self, subject: &Subject, second: Timestamp, verdict: OperatorVerdict) -> bool {
        let at = self.before.at;
        self.states.get_mut(subject).is_some_and(|it| it.set_verdict(second, verdict, at))
    }

    /// Adds a stored episode of a live subject.
    pub fn recall_episode(&mut self, subject: &Subject, episode: &PastEpisode) {
        if let Some(state) = self.states.get_mut(subject) {
            state.recall_episode(episode);
        }
    }
}
