//! Verdicts of an operator on the episodes of a subject.

use super::SubjectState;
use crate::engine::PastEpisode;
use crate::episode_pattern::{EpisodePattern, OperatorVerdict, PARTS_MAX, PatternPart};
use crate::reading::Timestamp;

impl SubjectState {
    /// Records a verdict on the episode that started in this second; returns whether it is known.
    pub(in super::super) fn set_verdict(
        &mut self,
        second: Timestamp,
        verdict: OperatorVerdict,
        at: Timestamp,
    ) -> bool {
        self.scorer.patterns().judge(second, verdict, at)
    }

    /// Adds an episode of the past; signals that are not followed now are left out.
    pub(in super::super) fn recall_episode(&mut self, it: &PastEpisode) {
        let part = |(name, is_high, contribution): &(String, bool, f64)| {
            let idx = self.signals.iter().position(|it| it.name == name)?;
            Some(PatternPart { idx, is_high: *is_high, contribution: *contribution })
        };
        let parts = it.parts.iter().filter_map(part).take(PARTS_MAX).collect();
        let pattern = EpisodePattern { since: it.since, peak: it.peak, parts };
        self.scorer.patterns().recall(pattern, it.verdict);
    }
}
