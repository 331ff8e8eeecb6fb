//! Whether and with which weight the points of a subject are learned.

use super::{EngineSettings, SubjectState};
use crate::report::LearnedPoint;
use crate::scorer::{ScorerSettings, StepOptions};
use crate::silence::SubjectSilence;

impl SubjectState {
    /// Enables or pauses learning.
    pub(in super::super) fn learning(&mut self, on: bool) {
        self.learning = on;
    }

    /// Sets how the subject is silenced.
    pub(in super::super) fn silence(&mut self, silence: Option<SubjectSilence>) {
        self.silence = silence;
    }

    /// Pauses the detector novelty, or resumes it.
    pub(in super::super) fn pause_novelty(&mut self, is_paused: bool) {
        self.scorer.detectors.novelty.pause(is_paused);
    }

    /// The settings of the scorer for the next point.
    pub(super) fn rules(&self, settings: &EngineSettings) -> ScorerSettings {
        let mut rules = settings.scorer();
        if !self.learning {
            rules.resolve.accept_after = f64::INFINITY;
        }
        rules.anomaly_learning_weight = self.anomaly_learning_weight(settings);
        rules
    }

    /// Weight of a point inside an episode. Someone who silences a fault knows that it is not normal behavior.
    fn anomaly_learning_weight(&self, settings: &EngineSettings) -> f64 {
        match self.silence {
            None => settings.anomaly_learning_weight,
            Some(SubjectSilence { is_expected: true }) => 1.0,
            Some(SubjectSilence { is_expected: false }) => 0.0,
        }
    }

    /// Weight of the newest point: a fraction at each reading of the warm-up, later 1 once a window.
    pub(super) fn step_learning_weight(&mut self, elapsed: f64, settings: &EngineSettings) -> StepOptions {
        self.since_point += 1;
        let whole = self.since_point >= settings.window;
        if whole {
            self.since_point = 0;
        }
        let weight = match (self.ready, whole) {
            (false, _) => Some(1.0 / settings.window as f64),
            (true, true) => Some(1.0),
            (true, false) => None,
        };
        StepOptions { elapsed, ready: self.ready, weight: weight.filter(|_| self.learning), whole }
    }

    /// The whole point with its weight, for the report.
    pub(super) fn learned(&self, settings: &EngineSettings) -> LearnedPoint {
        let in_episode = self.scorer.is_anomalous();
        let weight = match (self.learning, in_episode) {
            (false, _) => 0.0,
            (true, true) => self.anomaly_learning_weight(settings),
            (true, false) => 1.0,
        };
        LearnedPoint { point: self.window.point().clone(), signals: self.signals.clone(), in_episode, weight }
    }
}
