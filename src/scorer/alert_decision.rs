//! Whether the current episode is worth an alert, and the excursions that show how restless the subject is.

use super::{Scorer, ScorerSettings};
use crate::alert::{AlertDecision, AlertEvidence, AlertInput};
use crate::detect::first_week::{self, MovedSignal};
use crate::detect::habituation::{self, ExcursionInput, Habituation};
use crate::detect::joint_score::RaiseLevels;
use crate::detect::{DetectorOutput, Outputs};
use crate::episode::ResolveRule;
use crate::window::Point;

/// Seconds below the level after which an excursion of the score has ended, …
const EXCURSION_GAP_SECONDS: f64 = 600.0;
/// … but at least this many points of a table with rare rows.
const EXCURSION_GAP_POINTS: f64 = 6.0;

/// Shortest duration before acceptance as normal, however new the host is.
const ACCEPT_SECONDS_MIN: f64 = 3_600.0;
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
            is_usual: self.is_usual,
        };
        self.alert.step(now, evidence, &settings.alert)
    }

    /// Notes whether what would start an alert was usual in the first week. While too few signals deviate to tell, as when
    /// a held score fades, the last answer stands for the rest of the episode.
    pub(super) fn compare_with_first_week(
        &mut self,
        point: &Point,
        z: &[f64],
        outputs: &Outputs,
        score: f64,
        settings: &ScorerSettings,
    ) {
        let is_fault = |it: &DetectorOutput| it.relative().is_some_and(|it| it >= 1.0);
        // An absence or an extreme compares with a longer past by itself.
        if self.tracker.episode().is_none() || is_fault(&outputs.absence) || is_fault(&outputs.level_extreme)
        {
            self.is_usual = false;
        } else if !self.alert.is_active() && score >= self.alert_level(settings) {
            let moved = self.moved(point, z);
            if moved.len() >= first_week::SIGNALS_MIN {
                self.is_usual = self.first_week.was_usual(point.at, &moved);
            }
        }
    }

    /// The signals that deviate most.
    fn moved(&self, point: &Point, z: &[f64]) -> Vec<MovedSignal> {
        let mut far: Vec<usize> = (0..z.len()).filter(|idx| z[*idx].abs() >= first_week::FAR).collect();
        far.sort_by(|a, b| z[*b].abs().total_cmp(&z[*a].abs()));
        far.truncate(first_week::SIGNALS_MAX);
        let expected = |idx: usize| self.expectation.statistics(idx).map(|it| it.mean);
        let of = |idx: usize| Some(MovedSignal { idx, value: point.values[idx], expected: expected(idx)? });
        far.into_iter().filter_map(of).collect()
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
    /// accepted state, where a score of 2 would start an episode.
    pub(super) fn raise_levels(&self, threshold: f64, settings: &ScorerSettings) -> RaiseLevels {
        let is_alert = self.detectors.level_extreme.has_floors() && !self.tracker.is_known_state();
        let level = if is_alert { self.alert_level(settings) } else { 1.0 };
        RaiseLevels { threshold, alert: level * threshold }
    }

    /// When an episode ends. A new host accepts a state once it has lasted as long as everything before it.
    pub(super) fn release(&self, settings: &ScorerSettings) -> ResolveRule {
        let known = (self.quiet_points * settings.point_seconds).max(ACCEPT_SECONDS_MIN);
        // While learning is paused, it is infinite: nothing is accepted.
        let given = settings.resolve.accept_after;
        let accept_after = if given.is_finite() { given.min(known) } else { given };
        ResolveRule { accept_after, ..settings.resolve }
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
