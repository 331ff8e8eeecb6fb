//! Converts the assessment of a row to an output row.

use crate::reading::Timestamp;
use crate::replay::ReplayedRow;
use crate::table::{ScoreDetail, ScoredRow};

/// Numbers the episodes of consecutive rows.
#[derive(Debug, Default)]
pub(super) struct ScoredRowBuilder {
    /// Indices of all signals, largest deviation first; reused.
    top: Vec<usize>,
    /// Start of the newest episode.
    since: Option<Timestamp>,
    /// Episodes so far.
    episodes: u64,
}

impl ScoredRowBuilder {
    /// The output for the next row.
    pub(super) fn of(&mut self, judged: &ReplayedRow<'_>, detail: ScoreDetail) -> ScoredRow<'_> {
        judged.rank(&mut self.top);
        let score = judged.score.as_ref();
        let mut scored = ScoredRow { score: score.map(|it| it.held), top: &self.top, ..ScoredRow::default() };
        if detail == ScoreDetail::All {
            let since = judged.episode.map(|it| it.since);
            if since.is_some() && since != self.since {
                self.episodes += 1;
            }
            self.since = since;
            scored.is_anomaly = since.is_some();
            scored.is_alert = judged.is_alert;
            scored.confidence = score.and_then(|it| it.confidence);
            scored.episode = since.map(|_| self.episodes);
        }
        scored
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Episode;
    use crate::scorer::SubjectScore;

    fn check(
        output_row: &mut ScoredRowBuilder,
        score: Option<f64>,
        since: Option<f64>,
        expect: (&[usize], Option<u64>),
    ) {
        let score = score.map(|held| SubjectScore { held, ..SubjectScore::default() });
        let episode = since.map(|it| Episode { since: Timestamp(it), peak: 2.0, lasted: 0.0 });
        let held = score.as_ref().map(|it| it.held);
        let judged = ReplayedRow { score, deviations: &[0.5, 2.0, 0.5, 0.0], episode, is_alert: false };
        let found = output_row.of(&judged, ScoreDetail::All);
        assert_eq!((found.top, found.episode), expect);
        assert_eq!((found.score, found.is_anomaly), (held, since.is_some()));
    }

    #[test]
    fn signals_are_ranked_and_episodes_numbered() {
        let mut output_row = ScoredRowBuilder::default();
        let top: &[usize] = &[1, 0, 2, 3];
        check(&mut output_row, None, None, (&[], None));
        check(&mut output_row, Some(1.5), Some(60.0), (top, Some(1)));
        check(&mut output_row, Some(1.5), Some(60.0), (top, Some(1)));
        check(&mut output_row, Some(0.5), None, (top, None));
        check(&mut output_row, Some(1.5), Some(240.0), (top, Some(2)));
    }
}
