//! Scores the points of one subject.
//!
//! The engine makes points from readings, replay from rows of a file; both are scored here, with the settings that ADR 010
//! compares. Signals are known by their index only.

use serde::{Deserialize, Serialize};

use crate::budget::BudgetLedger;
use crate::detect::baseline::BaselineStatistics;
use crate::detect::budget_threshold::BudgetThreshold;
use crate::detect::eif::{ForestModel, clip};
use crate::detect::expectation::{Distances, Expectation};
use crate::detect::signal_ranking::SignalRanking;
use crate::detect::{
    DetectorOutput, Detectors, ExpectedRange, FeatureSpec, LearnStep, Outputs, PointView, contribution,
    joint_score, majority_vote, small_sample,
};
use crate::episode::{EpisodeTracker, ResolveRule, ScoredInstant};
use crate::model_registry::ShadowTally;
use crate::reading::Timestamp;
use crate::report::{Direction, Episode, EpisodeTransition, ExpectedValue, ShadowScore};
use crate::window::Point;

mod kind_prior;
mod learn_history;
mod step;
mod snapshot;
mod score_hold;
mod shadow;
mod training_rows;

pub use learn_history::HistoryLearner;
pub use score_hold::ScoreHold;
pub use step::{ScorerHistory, ScorerSettings, ScorerStep, SubjectScore};

use score_hold::RecentPeaks;
use shadow::{Shadow, ShadowInput};
pub use training_rows::ROWS_MAX;
use training_rows::TrainingRows;

/// However little a host knows, a state that lasts less than this many seconds is not its new normal.
const ACCEPT_SECONDS_MIN: f64 = 3_600.0;
/// A signal with a smaller share of the score is not named as a cause of it.
const CAUSE_SHARE_MIN: f64 = 0.05;
/// After a new normal was accepted, what came before weighs as much as this many points.
const POINTS_AFTER_ACCEPTANCE: f64 = 20.0;
/// Points it takes before distances mean anything.
pub const POINTS_MIN: f64 = 2.0;

/// One subject.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scorer {
    expectation: Expectation,
    /// Judge each point, and learn it afterwards.
    pub detectors: Detectors,
    ranking: SignalRanking,
    /// Whole points outside episodes, as rows for the forest.
    history: TrainingRows,
    /// Points of the warm-up, which may overlap; they stand in until there are enough whole ones.
    early: TrainingRows,
    /// The smoothed share of each signal in the joint score, on the raw scale.
    smooth: Vec<f64>,
    peak: RecentPeaks,
    tracker: EpisodeTracker,
    /// What the limit follows from, and what was spent; nothing without a budget.
    budget: Option<(BudgetThreshold, BudgetLedger)>,
    /// Whole points learned, in weights.
    points: f64,
    /// Those of them that were borrowed from other subjects of the kind.
    kind_prior_points: f64,
    /// Those of them outside episodes.
    quiet_seconds: f64,
    /// The limit's factor for that many points.
    threshold_factor: f64,
    /// How odd each signal of the last point was, in deviations.
    deviations: Vec<f64>,
    /// A new model that is tried out.
    shadow: Option<Shadow>,
}

impl Scorer {
    /// Knows nothing yet.
    pub fn new(shape: &FeatureSpec) -> Self {
        Self {
            expectation: Expectation::new(shape),
            detectors: Detectors::new(shape),
            ranking: SignalRanking::new(shape),
            history: TrainingRows::new(ROWS_MAX),
            early: TrainingRows::new(ROWS_MAX),
            smooth: vec![0.0; shape.width()],
            peak: RecentPeaks::default(),
            tracker: EpisodeTracker::default(),
            budget: None,
            points: 0.0,
            kind_prior_points: 0.0,
            quiet_seconds: 0.0,
            threshold_factor: f64::INFINITY,
            deviations: vec![0.0; shape.width()],
            shadow: None,
        }
    }

    /// The same, with room for at most this many rows for the forest.
    pub fn with_rows_max(self, rows_max: usize) -> Self {
        Self { history: TrainingRows::new(rows_max), early: TrainingRows::new(rows_max), ..self }
    }

    /// The same, less the rows that forests are trained on: to try out what it would say.
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
            budget: self.budget.clone(),
            points: self.points,
            kind_prior_points: self.kind_prior_points,
            quiet_seconds: self.quiet_seconds,
            threshold_factor: self.threshold_factor,
            deviations: self.deviations.clone(),
            shadow: None,
        }
    }

    /// Whole points learned, in weights.
    pub fn points(&self) -> f64 {
        self.points
    }

    /// How much wider limits are while few points are known, at least 1.
    pub fn width(&self) -> f64 {
        self.threshold_factor
    }

    /// The episode that is under way.
    pub fn episode(&self) -> Option<Episode> {
        self.tracker.episode()
    }

    /// Number of episodes so far, including the current one.
    pub fn episodes(&self) -> u64 {
        self.tracker.count()
    }

    /// Whether the last point lies in an episode, or in what would be one but for grace.
    pub fn is_anomalous(&self) -> bool {
        self.tracker.is_anomalous()
    }

    /// What is normal of a signal, whatever the time of day; nothing before its first whole point.
    pub fn baseline(&self, idx: usize) -> Option<BaselineStatistics> {
        BaselineStatistics::of(self.expectation.plain(), idx)
    }

    /// The episode that is under way is the new normal, from the next point on; says whether there is one.
    pub fn accept(&mut self) -> bool {
        self.tracker.accept()
    }

    /// Goes on where `live` is, of which only what it learned is to be forgotten.
    pub fn continue_from(&mut self, live: &Self) {
        self.tracker = live.tracker.clone();
        self.smooth.clone_from(&live.smooth);
        self.peak = live.peak.clone();
        self.shadow.clone_from(&live.shadow);
    }

    /// How odd each signal of the last judged point was, in deviations, at least 0.
    pub fn oddness(&self) -> &[f64] {
        &self.deviations
    }

    /// Tries this model beside the current one from now on; after a restart, goes on with it.
    pub fn try_out(&mut self, model: &ForestModel) {
        let waiting = self.shadow.take().filter(|it| it.model.is_none());
        let fresh = || Shadow { smooth: vec![0.0; self.smooth.len()], ..Shadow::default() };
        self.shadow = Some(Shadow { model: Some(model.clone()), ..waiting.unwrap_or_else(fresh) });
    }

    /// Tries none any more.
    pub fn drop_shadow(&mut self) {
        self.shadow = None;
    }

    /// What the model that is tried out said so far, beside the current one.
    pub fn tally(&self) -> Option<ShadowTally> {
        self.shadow.as_ref().map(|it| it.tally)
    }

    /// A gap: nobody knows what was between.
    pub fn interrupt(&mut self) {
        self.tracker.interrupt();
    }

    /// The subject is gone, and with it the episode that is under way.
    pub fn end_episode(&mut self) -> Option<Episode> {
        self.tracker.end()
    }

    /// Whether there is a known reason for the subject not to be as it used to be, from the next point on.
    pub fn grace(&mut self, active: bool) {
        self.tracker.grace(active);
    }

    /// Judges a point, then learns it; gives no score before it is ready.
    pub fn step(
        &mut self,
        point: &Point,
        step: ScorerStep,
        settings: &ScorerSettings,
    ) -> Option<SubjectScore> {
        let distances = self.expectation.distances(point);
        let view = PointView {
            point,
            z: &distances.z,
            noise: &distances.noise,
            threshold_factor: self.threshold_factor,
        };
        let outputs = self.detectors.judge(&view);
        self.deviations = self.ranking.of(point, &distances.z);
        let tried = self.shadow.as_ref().map(|it| it.judge(&view, &self.detectors.forest));
        let mut score =
            step.ready.then(|| self.conclude(point.at, &distances.z, &outputs, step.elapsed, settings));
        if let Some(score) = &mut score {
            score.absences = self.detectors.absence.absences(&view);
            score.shadow = tried.and_then(|it| {
                self.beside(it, outputs, &distances.z, score.momentary, step.elapsed, settings)
            });
        }
        if let Some(whole) = step.weight {
            let in_anomaly = self.tracker.is_anomalous();
            let weight = if in_anomaly { whole * settings.anomaly_weight } else { whole };
            let lesson = LearnStep {
                weight,
                step: step.whole,
                in_anomaly: in_anomaly && settings.shelter_short_memory,
            };
            self.learn(point, &distances, lesson, whole, step.ready);
            self.grow(weight, in_anomaly);
        }
        score
    }

    /// Joins the verdicts into the score, the vote and the episode.
    fn conclude(
        &mut self,
        at: Timestamp,
        z: &[f64],
        outputs: &Outputs,
        elapsed: f64,
        settings: &ScorerSettings,
    ) -> SubjectScore {
        let unwidened = self.limit(settings);
        let limit = unwidened * self.threshold_factor;
        let joint = joint_score::joint_score(z, outputs, limit);
        // By default a half-life of one: one odd reading is no alarm. A window's mean is smooth by itself.
        let keep = settings.retention_factor();
        let smoothed = self.smooth.iter_mut().zip(&joint.shares);
        smoothed.for_each(|(old, new)| *old = keep * *old + (1.0 - keep) * new);
        let momentary = self.smooth.iter().sum::<f64>().max(0.0) / limit;
        let causes = self.causes(limit);
        let largest = contribution::largest(&self.smooth, momentary);
        let (held, contributions) = self.peak.hold(at, momentary, largest, settings.score_hold);
        // Rows of minutes: what is held bridges them. Readings: a scrape's hold must not keep an episode open.
        let score = if matches!(settings.score_hold, ScoreHold::HalfLife(_)) { held } else { momentary };
        let now = ScoredInstant { at, elapsed, score };
        let turn = self.tracker.step(now, self.release(settings));
        let budget_spent = self.budget.as_mut().and_then(|(tail, ledger)| {
            tail.learn(elapsed, score * unwidened);
            ledger.step(elapsed, turn == Some(EpisodeTransition::Began));
            ledger.spent()
        });
        // Without shelter it was learned all along.
        if matches!(turn, Some(EpisodeTransition::Accepted(_))) && settings.shelter_short_memory {
            self.expectation.forget_down_to(POINTS_AFTER_ACCEPTANCE);
        }
        let detectors = outputs.map(DetectorOutput::relative);
        let votes = detectors.described().map(|(row, score)| row.vote(*score));
        let confidence = majority_vote::majority(votes).map(|it| it.confidence);
        let absences = Vec::new();
        let shadow = None;
        SubjectScore {
            held,
            momentary,
            contributions,
            causes,
            detectors,
            confidence,
            absences,
            budget_spent,
            transition: turn,
            shadow,
        }
    }

    /// What the model that is tried out makes of the reading that was judged.
    fn beside(
        &mut self,
        tried: DetectorOutput,
        outputs: Outputs,
        z: &[f64],
        score: f64,
        elapsed: f64,
        settings: &ScorerSettings,
    ) -> Option<ShadowScore> {
        let limit = self.limit(settings) * self.threshold_factor;
        let beside = ShadowInput {
            z,
            threshold: limit,
            retention_factor: settings.retention_factor(),
            elapsed,
            score,
        };
        self.shadow.as_mut()?.conclude(tried, outputs, beside)
    }

    /// The limit in effect, before it is widened for what is known too little.
    fn limit(&mut self, settings: &ScorerSettings) -> f64 {
        let Some(rate) = settings.budget.rate() else { return settings.threshold };
        let new = || (BudgetThreshold::new(rate, settings.threshold), BudgetLedger::new(settings.budget));
        let (tail, _) = self.budget.get_or_insert_with(new);
        tail.limit().unwrap_or(settings.threshold)
    }

    /// A young host believes a new state once it has lasted as long as all that it knew before.
    fn release(&self, settings: &ScorerSettings) -> ResolveRule {
        let known = (self.quiet_seconds * settings.point_seconds).max(ACCEPT_SECONDS_MIN);
        ResolveRule { accept_after: settings.resolve.accept_after.min(known), ..settings.resolve }
    }

    /// The signals that speak for an anomaly, the oddest first, with their shares of the momentary score.
    fn causes(&self, limit: f64) -> Vec<(usize, f64)> {
        let least = self.smooth.iter().sum::<f64>() * CAUSE_SHARE_MIN;
        let shares = self.smooth.iter().copied().enumerate().filter(|(_, share)| *share > least.max(0.0));
        let mut causes: Vec<(usize, f64)> = shares.map(|(idx, share)| (idx, share / limit)).collect();
        causes
            .sort_by(|a, b| self.deviations[b.0].total_cmp(&self.deviations[a.0]).then(b.1.total_cmp(&a.1)));
        causes.truncate(contribution::NAMED_MAX);
        causes
    }

    /// Learns a point; `whole` is the weight it would have outside an episode, `ready` whether there is a score.
    fn learn(&mut self, point: &Point, distances: &Distances, lesson: LearnStep, whole: f64, ready: bool) {
        let view = PointView {
            point,
            z: &distances.z,
            noise: &distances.noise,
            threshold_factor: self.threshold_factor,
        };
        self.detectors.learn(&view, lesson);
        // Distances from a borrowed mean say how subjects differ, not what is ordinary for one of them.
        if !lesson.in_anomaly && self.points >= POINTS_MIN && !self.is_borrowed() {
            let rows = if ready { &mut self.history } else { &mut self.early };
            rows.push(point.at, clip(&distances.z).into_iter().map(|it| it as f32));
        }
        self.ranking.learn(point, lesson);
        self.expectation.learn(point, distances, lesson, whole);
    }

    /// More is known by so much of a point.
    fn grow(&mut self, weight: f64, in_anomaly: bool) {
        self.points += weight;
        self.quiet_seconds += if in_anomaly { 0.0 } else { weight };
        self.threshold_factor = small_sample::width(self.points);
    }

    /// What is expected of a signal at the time of the point, within 0 and `most`; nothing before its first whole
    /// point. Of two expectations, that of the hour and week and that of the last days, the former counts, unless only
    /// the latter calls the value strange: then it is what the score is made of.
    pub fn expected(&self, point: &Point, idx: usize, most: f64) -> Option<ExpectedValue> {
        let known = self.expectation.statistics(idx)?;
        let (lower, upper) = known.bounds(self.threshold_factor);
        let plain = ExpectedRange { value: known.mean, lower, upper };
        let holds = |it: &ExpectedRange| (it.lower..=it.upper).contains(&point.values[idx]);
        let of_the_hour = self.detectors.seasonal.expected(point.at, idx, self.threshold_factor);
        let ExpectedRange { value, lower, upper } =
            of_the_hour.filter(|it| !holds(it) || holds(&plain)).unwrap_or(plain);
        Some(ExpectedValue { value: value.clamp(0.0, most), lower: lower.max(0.0), upper: upper.min(most) })
    }

    /// On which side of what is expected a signal stands.
    pub fn direction(&self, point: &Point, idx: usize) -> Direction {
        let expected = self.expectation.statistics(idx).map_or(0.0, |it| it.mean);
        if point.values[idx] < expected { Direction::Low } else { Direction::High }
    }
}
