//! Scores the points of one subject.
//!
//! The engine makes points from readings, replay makes them from rows of a file. Both score them here, with the
//! settings that ADR 010 compares. Signals are known by index only.

use serde::{Deserialize, Serialize};

use crate::alert::AlertTracker;
use crate::detect::baseline::BaselineStatistics;
use crate::detect::earlier_days::EarlierDays;
use crate::detect::eif::ForestModel;
use crate::detect::expected_values::Expectations;
use crate::detect::first_week_habits::FirstWeekHabits;
use crate::detect::habituation::Habituation;
use crate::detect::signal_deviations::SignalDeviations;
use crate::detect::{
    DetectorOutput, DetectorOutputs, DetectorParameters, Detectors, LearnOptions, largest_contributions,
    majority_vote, raw_score, small_sample,
};
use crate::episode::{EpisodeTracker, ScoredInstant};
use crate::episode_pattern::PatternMemory;
use crate::model_registry::ShadowTally;
use crate::report::{Episode, EpisodeTransition, ShadowScore};
use crate::window::Point;

mod alert_decision;
mod expected_value;
mod judge;
mod kind_prior;
mod learn_history;
mod rejected_patterns;
mod step;
mod snapshot;
mod score_hold;
mod shadow_scoring;
mod training_rows;

pub use learn_history::HistoryLearner;
pub use score_hold::ScoreHold;
pub use step::{HistoryPoint, ScorerSettings, StepOptions, SubjectScore};

use score_hold::RecentPeaks;
use shadow_scoring::{ShadowInput, ShadowScoring};
pub use training_rows::ROWS_MAX;
use training_rows::TrainingRows;

/// The threshold by default, on the raw scale of the joint score.
pub const THRESHOLD: f64 = 2.5;
/// Smallest share of the score with which a signal is named as a cause.
const CAUSE_SHARE_MIN: f64 = 0.05;
/// Weight of all earlier points after an acceptance, in points.
const POINTS_AFTER_ACCEPTANCE: f64 = 20.0;
/// Points needed before distances are meaningful.
pub const POINTS_MIN: f64 = 2.0;

/// The learned state and the score of one subject.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scorer {
    expectation: Expectations,
    /// Each scores a point, then learns it.
    pub detectors: Detectors,
    ranking: SignalDeviations,
    /// Whole points outside episodes, as rows for the forest.
    history: TrainingRows,
    /// Points of the warm-up, which may overlap; used until there are enough whole points.
    early: TrainingRows,
    /// Smoothed contribution of each signal to the joint score, on the raw scale.
    smooth: Vec<f64>,
    peak: RecentPeaks,
    tracker: EpisodeTracker,
    alert: AlertTracker,
    /// How restless the subject is.
    habituation: Habituation,
    /// What was usual in its first week.
    first_week: FirstWeekHabits,
    /// Whether the current episode is like the first week.
    is_usual: bool,
    /// What it did on earlier days.
    earlier_days: EarlierDays,
    /// Whether the current episode is like earlier days.
    is_recurrent: bool,
    /// Learned whole points, as a sum of weights.
    points: f64,
    /// The part of `points` that was borrowed from other subjects of the kind.
    kind_prior_points: f64,
    /// The part of `points` learned outside episodes.
    quiet_points: f64,
    /// Factor of the threshold at that number of points.
    threshold_factor: f64,
    /// Deviation of each signal of the last point, in standard deviations.
    deviations: Vec<f64>,
    /// The shapes of episodes, and the verdicts on them.
    patterns: PatternMemory,
    /// The candidate in shadow mode.
    shadow: Option<ShadowScoring>,
}

impl Scorer {
    /// Creates a scorer without learned state.
    pub fn new(parameters: &DetectorParameters) -> Self {
        Self {
            expectation: Expectations::new(parameters),
            detectors: Detectors::new(parameters),
            ranking: SignalDeviations::new(parameters),
            history: TrainingRows::new(ROWS_MAX),
            early: TrainingRows::new(ROWS_MAX),
            smooth: vec![0.0; parameters.width()],
            peak: RecentPeaks::default(),
            tracker: EpisodeTracker::default(),
            alert: AlertTracker::default(),
            habituation: Habituation::default(),
            first_week: FirstWeekHabits::default(),
            is_usual: false,
            earlier_days: EarlierDays::default(),
            is_recurrent: false,
            points: 0.0,
            kind_prior_points: 0.0,
            quiet_points: 0.0,
            threshold_factor: f64::INFINITY,
            deviations: vec![0.0; parameters.width()],
            patterns: PatternMemory::default(),
            shadow: None,
        }
    }

    /// Limits the number of training rows.
    pub fn with_rows_max(self, rows_max: usize) -> Self {
        Self { history: TrainingRows::new(rows_max), early: TrainingRows::new(rows_max), ..self }
    }

    /// States which signals are the share in use of something that can be full.
    pub fn with_filling(mut self, fills: &[bool]) -> Self {
        self.detectors.level_extreme.set_filling(fills);
        self
    }

    /// A copy without training rows, to score points without affecting this one.
    pub fn fork(&self) -> Self {
        Self {
            expectation: self.expectation.clone(),
            detectors: self.detectors.clone(),
            ranking: self.ranking.clone(),
            history: TrainingRows::new(ROWS_MAX),
            early: TrainingRows::new(ROWS_MAX),
            smooth: self.smooth.clone(),
            peak: self.peak.clone(),
            tracker: self.tracker.clone(),
            alert: self.alert.clone(),
            habituation: self.habituation.clone(),
            first_week: self.first_week.clone(),
            earlier_days: self.earlier_days.clone(),
            is_usual: self.is_usual,
            is_recurrent: self.is_recurrent,
            points: self.points,
            kind_prior_points: self.kind_prior_points,
            quiet_points: self.quiet_points,
            threshold_factor: self.threshold_factor,
            deviations: self.deviations.clone(),
            patterns: PatternMemory::default(),
            shadow: None,
        }
    }

    /// Learned whole points, as a sum of weights.
    pub fn points(&self) -> f64 {
        self.points
    }

    /// Factor by which thresholds are widened while few points are known; at least 1.
    pub fn width(&self) -> f64 {
        self.threshold_factor
    }

    /// The current episode.
    pub fn episode(&self) -> Option<Episode> {
        self.tracker.episode()
    }

    /// Number of episodes so far, including the current one.
    pub fn episodes(&self) -> u64 {
        self.tracker.count()
    }

    /// Whether the last point lies in an episode, or would without grace.
    pub fn is_anomalous(&self) -> bool {
        self.tracker.is_anomalous()
    }

    /// Statistics of a signal over all times of day; `None` before the first whole point.
    pub fn baseline(&self, idx: usize) -> Option<BaselineStatistics> {
        BaselineStatistics::of(self.expectation.plain(), idx)
    }

    /// Accepts the current episode as normal from the next point on; returns whether there is one.
    pub fn accept(&mut self) -> bool {
        self.tracker.accept()
    }

    /// Takes the position of `live` in the stream, whose learned state is replaced by this one.
    pub fn continue_from(&mut self, live: &Self) {
        self.tracker = live.tracker.clone();
        self.alert.continue_from(&live.alert);
        (self.is_usual, self.is_recurrent) = (live.is_usual, live.is_recurrent);
        self.smooth.clone_from(&live.smooth);
        self.peak = live.peak.clone();
        self.shadow.clone_from(&live.shadow);
        if self.patterns.is_empty() {
            self.patterns.clone_from(&live.patterns);
        }
    }

    /// Deviation of each signal of the last scored point, in standard deviations; at least 0.
    pub fn signal_deviations(&self) -> &[f64] {
        &self.deviations
    }

    /// Runs this model in shadow mode from now on; after a restart, continues its tally.
    pub fn start_shadow(&mut self, model: &ForestModel) {
        let waiting = self.shadow.take().filter(|it| it.model.is_none());
        let fresh = || ShadowScoring { smooth: vec![0.0; self.smooth.len()], ..ShadowScoring::default() };
        self.shadow = Some(ShadowScoring { model: Some(model.clone()), ..waiting.unwrap_or_else(fresh) });
    }

    /// Ends shadow mode.
    pub fn drop_shadow(&mut self) {
        self.shadow = None;
    }

    /// Results of the shadow model so far, beside those of the current one.
    pub fn tally(&self) -> Option<ShadowTally> {
        self.shadow.as_ref().map(|it| it.tally)
    }

    /// Records a gap in the points.
    pub fn interrupt(&mut self) {
        self.tracker.interrupt();
        self.habituation.interrupt();
    }

    /// Ends the current episode, because the subject is gone.
    pub fn end_episode(&mut self) -> Option<Episode> {
        self.alert.end();
        self.tracker.end()
    }

    /// Sets whether a grace period is active from the next point on.
    pub fn grace(&mut self, active: bool) {
        self.tracker.grace(active);
    }

    /// Scores a point, then learns it; returns no score before it is ready.
    pub fn step(
        &mut self,
        point: &Point,
        step: StepOptions,
        settings: &ScorerSettings,
    ) -> Option<SubjectScore> {
        let distances = self.expectation.distances(point);
        let outputs = self.judge(point, &distances, step.elapsed, settings);
        let input = self.input(point, &distances);
        self.deviations = self.ranking.of(point, &distances.z);
        let tried = self.shadow.as_ref().map(|it| it.judge(&input, &self.detectors.forest));
        let mut score =
            step.ready.then(|| self.conclude(point, &distances.z, &outputs, step.elapsed, settings));
        if let Some(score) = &mut score {
            if outputs.absence != DetectorOutput::Abstain {
                score.absences = self.detectors.absence.absences(&input);
            }
            score.shadow =
                tried.and_then(|it| self.beside(it, outputs, &distances.z, score, step.elapsed, settings));
        }
        if let Some(whole) = step.weight {
            let in_episode = self.tracker.is_anomalous();
            let weight = if in_episode { whole * settings.anomaly_learning_weight } else { whole };
            let learn_options = LearnOptions {
                weight,
                step: step.whole,
                in_episode: in_episode && settings.exclude_episodes_from_short_memory,
            };
            self.learn(point, &distances, learn_options, whole, step.ready);
            self.grow(weight, in_episode);
        }
        score
    }

    /// Combines the detector outputs into score, vote and episode.
    fn conclude(
        &mut self,
        point: &Point,
        z: &[f64],
        outputs: &DetectorOutputs,
        elapsed: f64,
        settings: &ScorerSettings,
    ) -> SubjectScore {
        let at = point.at;
        let limit = settings.threshold * self.threshold_factor * self.new_host_threshold_factor(settings);
        let levels = self.raise_levels(limit, settings);
        let joint = raw_score::raw_score(z, outputs, self.habituation.factor(), levels);
        // By default the half-life is one point: one outlier does not alert. The mean of a window is smooth anyway.
        let keep = settings.retention_factor();
        let smoothed = self.smooth.iter_mut().zip(&joint.shares);
        smoothed.for_each(|(old, new)| *old = keep * *old + (1.0 - keep) * new);
        let full = self.smooth.iter().sum::<f64>().max(0.0) / limit;
        let (instant_score, like_rejected) = self.discount(point, full);
        let mut causes = self.causes(limit);
        causes.iter_mut().filter(|_| like_rejected > 0).for_each(|it| it.1 *= instant_score / full);
        let largest = largest_contributions::largest(&self.smooth, instant_score).into_iter();
        let largest = largest.map(|(idx, value)| (idx, self.direction(point, idx), value)).collect();
        let (held, contributions) = self.peak.hold(at, instant_score, largest, settings.score_hold);
        // With rows of minutes, the held score bridges pauses. With readings, a hold for scrapes must not prolong an
        // episode.
        let score = if matches!(settings.score_hold, ScoreHold::HalfLife(_)) { held } else { instant_score };
        let detectors = outputs.map(DetectorOutput::relative);
        let vote = majority_vote::majority(detectors.described().map(|(row, score)| row.vote(*score)));
        let score = settings.detectors.decide.decision_score(score, vote);
        let now = ScoredInstant { at, elapsed, score };
        let turn = self.tracker.step(now, self.release(settings), self.alert_level(settings));
        self.note_pattern(point, full);
        self.compare_with_past(point, z, outputs, score, settings);
        self.count_excursion(joint.unscaled, elapsed, settings);
        // Without this exclusion the episode was learned continuously.
        if matches!(turn, Some(EpisodeTransition::Accepted(_))) && settings.exclude_episodes_from_short_memory
        {
            self.expectation.forget_down_to(POINTS_AFTER_ACCEPTANCE);
        }
        let confidence = vote.map(|it| it.confidence);
        let absences = Vec::new();
        let shadow = None;
        SubjectScore {
            held,
            instant_score,
            contributions,
            causes,
            detectors,
            confidence,
            absences,
            decisive: score,
            threshold: limit,
            like_rejected,
            transition: turn,
            shadow,
        }
    }

    /// Scores the current point with the shadow model.
    fn beside(
        &mut self,
        tried: DetectorOutput,
        outputs: DetectorOutputs,
        z: &[f64],
        current: &SubjectScore,
        elapsed: f64,
        settings: &ScorerSettings,
    ) -> Option<ShadowScore> {
        let beside = ShadowInput {
            z,
            habituation: self.habituation.factor(),
            threshold: current.threshold,
            levels: self.raise_levels(current.threshold, settings),
            retention_factor: settings.retention_factor(),
            elapsed,
            score: current.instant_score,
        };
        self.shadow.as_mut()?.conclude(tried, outputs, beside)
    }

    /// The signals that raise the score, largest deviation first, with their contributions to the instant score.
    fn causes(&self, limit: f64) -> Vec<(usize, f64)> {
        let least = self.smooth.iter().sum::<f64>() * CAUSE_SHARE_MIN;
        let shares = self.smooth.iter().copied().enumerate().filter(|(_, share)| *share > least.max(0.0));
        let mut causes: Vec<(usize, f64)> = shares.map(|(idx, share)| (idx, share / limit)).collect();
        causes
            .sort_by(|a, b| self.deviations[b.0].total_cmp(&self.deviations[a.0]).then(b.1.total_cmp(&a.1)));
        causes.truncate(largest_contributions::NAMED_MAX);
        causes
    }

    /// Adds a point's weight to the number of points.
    fn grow(&mut self, weight: f64, in_episode: bool) {
        self.points += weight;
        self.quiet_points += if in_episode { 0.0 } else { weight };
        self.threshold_factor = small_sample::width(self.points);
    }
}
