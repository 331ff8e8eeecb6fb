//! Rebuilds the state of a subject from stored points.

use super::{EngineSettings, SubjectState};
use crate::drift;
use crate::forecast::FORECAST_SECONDS_MAX;
use crate::scorer::{HistoryLearner, HistoryPoint, StepOptions};
use crate::selftest::POINTS;
use crate::window::Point;

impl SubjectState {
    /// Number of signals.
    pub(in super::super) fn width(&self) -> usize {
        self.signals.len()
    }

    /// Learns a stored point.
    pub(in super::super) fn learn_history(
        &mut self,
        past: &HistoryPoint,
        fold: &mut HistoryLearner,
        settings: &EngineSettings,
    ) {
        fold.push(&mut self.scorer, past);
        if !past.in_episode && fold.age(past) <= drift::AGE_MAX {
            self.log.push(&past.point);
        }
        if fold.age(past) <= FORECAST_SECONDS_MAX {
            self.history.push(&past.point);
        }
        self.observed += settings.point_seconds();
        let hour = POINTS as f64 * settings.point_seconds();
        if let Some(recent) = self.recent.as_mut().filter(|_| fold.age(past) <= hour) {
            if past.in_episode { recent.clear() } else { recent.push(&past.point) }
        }
    }

    /// Scores a stored point with the current and the shadow model, then learns it.
    pub(in super::super) fn judge(
        &mut self,
        past: &HistoryPoint,
        settings: &EngineSettings,
    ) -> Option<[f64; 2]> {
        let step =
            StepOptions { elapsed: settings.point_seconds(), ready: true, weight: Some(1.0), whole: true };
        let score = self.scorer.step(&past.point, step, &settings.scorer())?;
        Some([score.instant_score, score.shadow?.score])
    }

    /// Ends the warm start: sets readiness by the points learned, and the score of the last point as the newest one.
    pub(in super::super) fn finish_warm_start(&mut self, last: &Point, settings: &EngineSettings) {
        self.window.fill(last);
        self.last_seen = last.at;
        self.estimate_ready_at(last.at, settings);
        if let Some(reference) = &self.reference {
            self.drift = reference.drift_ratios(&self.log);
        }
        if !self.ready {
            return;
        }
        let step = StepOptions { elapsed: settings.point_seconds(), ready: true, weight: None, whole: false };
        // On a fork, because the point is already learned, and an episode must start with a new reading.
        if let Some(score) = self.scorer.fork().step(last, step, &settings.scorer()) {
            self.newest = Some((last.at, self.details(score)));
        }
    }
}
