//! Whether the current episode is worth an alert, and the excursions that show how restless the subject is.

use super::{Scorer, ScorerSettings};
use crate::alert::{AlertDecision, AlertEvidence, AlertInput};
use crate::detect::habituation::{self, ExcursionInput, Habituation};
use crate::detect::joint_score::RaiseLevels;

/// Seconds below the level after which an excursion of the score has ended, …
const EXCURSION_GAP_SECONDS: f64 = 600.0;
/// … but at least this many points of a table with rare rows.
const EXCURSION_GAP_POINTS: f64 = 6.0;

/// Part of the threshold by which it is higher on a new host.
const YOUNG_FACTOR: f64 = 0.5;

impl Scorer {
    /// Decides whether the current episode is worth an alert; call it after [`step`](Self::step) with its score.
    pub fn decide_alert(
        &mut self,
        score: f64,
        elapsed: f64,
        evidence: AlertEvidence,
        settings: &ScorerSettings,
    ) -> AlertDecision {
        let now = AlertInput {
            elapsed,
            score,
            young_factor: self.young_factor(settings),
            in_episode: self.tracker.episode().is_some(),
            in_grace: self.tracker.in_grace(),
        };
        self.alert.step(now, evidence, &settings.alert)
    }

    /// The score from which an episode is worth an alert.
    pub(super) fn alert_level(&self, settings: &ScorerSettings) -> f64 {
        self.alert.level(self.young_factor(settings), &settings.alert)
    }

    /// Factor of the threshold while it is unknown how restless the host is: 1.5 at first, then 1. Tables without noise floors keep the levels that were measured on them.
    pub(super) fn young_factor(&self, settings: &ScorerSettings) -> f64 {
        if !self.detectors.level_extreme.has_floors() {
            return 1.0;
        }
        1.0 + YOUNG_FACTOR * 0.5_f64.powf(self.points * settings.point_seconds / habituation::HALF_LIFE)
    }

    /// Where absences and level extremes raise the score to, at this threshold on the raw scale. Where no signal has a
    /// noise floor, a constant column means little, and an absence is no alert by itself. Neither is one in grace or in an
    /// accepted state, where twice the threshold would start an episode.
    pub(super) fn raise_levels(&self, threshold: f64, settings: &ScorerSettings) -> RaiseLevels {
        let is_alert = self.detectors.level_extreme.has_floors() && !self.tracker.is_known_state();
        let level = if is_alert { self.alert_level(settings) } else { 1.0 };
        RaiseLevels { threshold, alert: level * threshold }
    }

    /// How restless the subject is.
    pub fn habituation(&self) -> &Habituation {
        &self.habituation
    }

    /// Takes the joint score of a point before its factors, for the factor of later points.
    pub(super) fn count_excursion(&mut self, unscaled: f64, elapsed: f64, settings: &ScorerSettings) {
        self.habituation.step(ExcursionInput {
            unscaled,
            retention_factor: settings.retention_factor(),
            elapsed,
            threshold_factor: self.threshold_factor,
            gap_seconds: EXCURSION_GAP_SECONDS.max(EXCURSION_GAP_POINTS * settings.point_seconds),
            counts: !self.tracker.is_known_state(),
        });
    }
}
