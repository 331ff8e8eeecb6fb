//! The assessment of a subject with signals in the place of indices.

use super::{EngineSettings, SubjectState};
use crate::detect::absence::Absence;
use crate::report::{AbsentSignal, Contribution, DeviationDirection, ScoreDetails, SignalState};
use crate::scorer::SubjectScore;

impl SubjectState {
    pub(super) fn details(&self, score: SubjectScore) -> ScoreDetails {
        let causes = score.causes.into_iter();
        let causes = causes.map(|(idx, value)| (idx, self.scorer.direction(self.window.point(), idx), value));
        ScoreDetails {
            score: score.held,
            instant_score: score.instant_score,
            confidence: score.confidence,
            contributions: self.named(score.contributions),
            causes: self.named(causes),
            detectors: score.detectors,
            shadow: score.shadow,
        }
    }

    pub(super) fn absent(&self, absence: &Absence, settings: &EngineSettings) -> AbsentSignal {
        let seconds = |points: f64| points * settings.point_seconds();
        AbsentSignal {
            signal: self.signals[absence.idx],
            kind: absence.kind,
            seconds: seconds(absence.points),
            usual: seconds(absence.usual),
        }
    }

    fn named(&self, of: impl IntoIterator<Item = (usize, DeviationDirection, f64)>) -> Vec<Contribution> {
        let contribution =
            |(idx, direction, value)| Contribution { signal: self.signals[idx], direction, value };
        of.into_iter().map(contribution).collect()
    }

    pub(super) fn signal_states(&self) -> Vec<SignalState> {
        let point = self.window.point();
        let present = (0..self.signals.len()).filter(|idx| !point.missing[*idx]);
        present
            .map(|idx| {
                let signal = self.signals[idx];
                let known = self.scorer.expected(point, idx, signal.max()).filter(|_| self.ready);
                let (expected, by_detector) = known.map_or_else(Default::default, |it| (Some(it.0), it.1));
                let (value, drift) = (point.values[idx], self.drift[idx]);
                SignalState { signal, value, expected, expected_by_detector: by_detector, drift }
            })
            .collect()
    }
}
