//! Whether the current episode is worth an alert, and the excursions that show how restless the subject is.

use super::{Scorer, ScorerSettings};
use crate::alert::{AlertDecision, AlertEvidence, AlertInput};
use crate::detect::earlier_days::{self, UpwardDeviation};
use crate::detect::first_week_habits::{self, FirstWeekDeviation};
use crate::detect::habituation::{self, ExcursionInput, Habituation};
use crate::detect::raw_score::MinimumScores;
use crate::detect::{DetectorOutput, DetectorOutputs};
use crate::episode::EpisodeEndRule;
use crate::report::WithheldReason;
use crate::window::Point;

/// Seconds below the level after which an excursion of the score has ended, …
const EXCURSION_GAP_SECONDS: f64 = 600.0;
/// … but at least this many points of a table with rare rows.
const EXCURSION_GAP_POINTS: f64 = 6.0;

/// Shortest duration before acceptance as normal, however new the host is.
const ACCEPT_SECONDS_MIN: f64 = 3_600.0;
/// Part of the threshold by which it is higher on a new host.
const NEW_HOST_FACTOR: f64 = 0.5;

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
            new_host_factor: self.new_host_threshold_factor(settings),
            in_episode: self.tracker.episode().is_some(),
            in_grace: self.tracker.in_grace(),
            usual: match (self.is_usual, self.is_recurrent) {
                _ if settings.alert.on_recurrence => None,
                (true, _) => Some(WithheldReason::FirstWeek),
                (false, true) => Some(WithheldReason::EarlierDays),
                (false, false) => None,
            },
        };
        self.alert.step(now, evidence, &settings.alert)
    }

    /// Notes whether what would start an alert was there before. While too few signals deviate to tell, as when
    /// a held score fades, the last answer stands for the rest of the episode.
    pub(super) fn compare_with_past(
        &mut self,
        point: &Point,
        z: &[f64],
        outputs: &DetectorOutputs,
        score: f64,
        settings: &ScorerSettings,
    ) {
        let is_fault = |it: &DetectorOutput| it.relative().is_some_and(|it| it >= 1.0);
        let is_over = self.tracker.episode().is_none() || is_fault(&outputs.absence);
        let is_asked = !self.alert.is_active() && score >= self.alert_level(settings);
        // An absence or an extreme compares with a longer past by itself.
        if is_over || is_fault(&outputs.level_extreme) {
            self.is_usual = false;
        } else if is_asked {
            let moved = self.moved(point, z);
            if moved.len() >= first_week_habits::SIGNALS_MIN {
                self.is_usual = self.first_week.was_usual(point.at, &moved) && !self.is_like_confirmed(point);
            }
        }
        // An extreme is one of the distance from the expected value; a job that recurs is larger than usual, not new.
        if is_over {
            self.is_recurrent = false;
        } else if is_asked {
            self.is_recurrent = self.recurs(point, z).unwrap_or(self.is_recurrent);
        }
    }

    /// Whether all that deviates was about as high on earlier days; `None` if few signals deviate and none is higher than
    /// before, as when a held score fades. Without noise floors, the units of the signals are unknown, and nothing tells whether an incident recurs or a job.
    fn recurs(&self, point: &Point, z: &[f64]) -> Option<bool> {
        if !self.detectors.level_extreme.has_floors() {
            return Some(false);
        }
        let far = far_signals(z);
        // A job is more work; what falls is no job.
        let high = |idx: &usize| -> Option<UpwardDeviation> {
            let mean = self.expectation.plain().moments()[*idx].mean;
            let level = mean.min(self.expectation.statistics(*idx)?.mean);
            (z[*idx] > 0.0).then_some(UpwardDeviation { idx: *idx, value: point.values[*idx], level })
        };
        let rising: Vec<UpwardDeviation> = far.iter().filter_map(high).collect();
        let are_many = far.len() >= earlier_days::SIGNALS_MIN;
        let local = self.expectation.local_seconds(point.at);
        // What is left of a job is still of that job.
        let counts_any_time = are_many || self.is_recurrent;
        let was_reached = self.earlier_days.was_reached(local, &rising, counts_any_time);
        let recurs = was_reached && rising.len() == far.len() && !self.is_like_confirmed(point);
        let is_new = !rising.is_empty() && !was_reached;
        (recurs || are_many || is_new).then_some(recurs)
    }

    /// The signals that deviate most.
    fn moved(&self, point: &Point, z: &[f64]) -> Vec<FirstWeekDeviation> {
        let mut far = far_signals(z);
        far.sort_by(|a, b| z[*b].abs().total_cmp(&z[*a].abs()));
        far.truncate(first_week_habits::SIGNALS_MAX);
        let expected = |idx: usize| self.expectation.statistics(idx).map(|it| it.mean);
        let of =
            |idx: usize| Some(FirstWeekDeviation { idx, value: point.values[idx], expected: expected(idx)? });
        far.into_iter().filter_map(of).collect()
    }

    /// The score from which an episode is worth an alert.
    pub(super) fn alert_level(&self, settings: &ScorerSettings) -> f64 {
        self.alert.level(self.new_host_threshold_factor(settings), &settings.alert)
    }

    /// Factor of the threshold while it is unknown how restless the host is: 1.5 at first, then 1. Tables without noise floors keep the levels that were measured on them.
    pub(super) fn new_host_threshold_factor(&self, settings: &ScorerSettings) -> f64 {
        if !self.detectors.level_extreme.has_floors() {
            return 1.0;
        }
        1.0 + NEW_HOST_FACTOR * 0.5_f64.powf(self.points * settings.point_seconds / habituation::HALF_LIFE)
    }

    /// Where absences and level extremes raise the score to, at this threshold on the raw scale. Where no signal has a
    /// noise floor, a constant column means little, and an absence is no alert by itself. Neither is one in grace or in an
    /// accepted state, where a score of 2 would start an episode.
    pub(super) fn raise_levels(&self, threshold: f64, settings: &ScorerSettings) -> MinimumScores {
        let is_alert = self.detectors.level_extreme.has_floors() && !self.tracker.is_known_state();
        let level = if is_alert { self.alert_level(settings) } else { 1.0 };
        let absence = level * threshold;
        let is_known = self.detectors.level_extreme.is_known();
        MinimumScores { threshold, absence, level_extreme: if is_known { absence } else { threshold } }
    }

    /// When an episode ends. A new host accepts a state once it has lasted as long as everything before it.
    pub(super) fn release(&self, settings: &ScorerSettings) -> EpisodeEndRule {
        let known = (self.quiet_points * settings.point_seconds).max(ACCEPT_SECONDS_MIN);
        // While learning is paused, it is infinite: nothing is accepted.
        let given = settings.resolve.accept_after;
        let accept_after = if given.is_finite() { given.min(known) } else { given };
        EpisodeEndRule { accept_after, ..settings.resolve }
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

/// The signals that deviate so much that the past is asked about them, by index.
fn far_signals(z: &[f64]) -> Vec<usize> {
    (0..z.len()).filter(|idx| z[*idx].abs() >= first_week_habits::FAR).collect()
}
