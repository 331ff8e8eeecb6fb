//! Scores rows of a file as the engine scores readings, each by earlier rows only.
//!
//! A row is a point. What a live host does per window or per second happens per row (ADR 010): z starts after 31 rows,
//! the forest is retrained at the first row of each day, and a high score decays with a half-life of ten minutes of
//! rows.

use crate::alert::{AlertEvidence, AlertStartRule};
use crate::alert_budget::AlertBudget;
use crate::detect::DetectorParameters;
use crate::detect::detector_settings::DetectorSettings;
use crate::episode::EpisodeEndRule;
use crate::reading::Timestamp;
use crate::report::Episode;
use crate::scorer::{self, ScoreHold, Scorer, StepOptions, SubjectScore};
use crate::time_zone::TimeZone;
use crate::training::{self, TrainModelError, TrainingSet};
use crate::window::Point;

/// Number of rows before a signal has a distance from its mean.
const ROWS_MIN: f64 = 31.0;
/// Half-life of a held novelty, in rows.
const NOVELTY_HALF_LIFE: f64 = 20.0;
/// Half-life of a held score, in seconds, but at least [`HOLD_ROWS_MIN`] rows.
const HOLD_SECONDS: f64 = 600.0;
/// See [`HOLD_SECONDS`].
const HOLD_ROWS_MIN: f64 = 6.0;
/// Rows further apart than this many times the usual interval have a gap between them.
const GAP_ROWS: f64 = 3.0;
const DAY_SECONDS: f64 = 86_400.0;

/// Settings of a replay.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplaySettings {
    /// Seconds between two rows.
    pub every: f64,
    /// Threshold on the raw scale of the joint score.
    pub threshold: f64,
    /// The score from which an episode is an alert.
    pub alert_level: f64,
    /// Accepted number of alerts; with enough history, the alert level is derived from it.
    pub budget: AlertBudget,
    /// Whether an episode whose like is known from the past is an alert, too.
    pub alert_on_recurrence: bool,
    /// Which detectors count, and what decides.
    pub detectors: DetectorSettings,
    /// When an episode ends.
    pub resolve: EpisodeEndRule,
    /// Half-life of the smoothed score, in rows.
    pub smoothing: f64,
    /// Half-life of learned statistics, in seconds.
    pub half_life: f64,
    /// Weight with which a row inside an episode is learned, between 0 and 1.
    pub anomaly_learning_weight: f64,
    /// Seconds between two trainings of the forest.
    pub retrain_interval: f64,
    /// Settings of the training.
    pub training: training::TrainingSettings,
    /// Seed of trainings.
    pub seed: u64,
    /// The zone of times of day and week.
    pub time_zone: TimeZone,
}

impl ReplaySettings {
    fn scorer(&self) -> scorer::ScorerSettings {
        scorer::ScorerSettings {
            point_seconds: self.every,
            threshold: self.threshold,
            alert: AlertStartRule {
                level: self.alert_level,
                budget: self.budget,
                on_recurrence: self.alert_on_recurrence,
            },
            detectors: self.detectors,
            resolve: self.resolve,
            smoothing: self.smoothing,
            score_hold: ScoreHold::HalfLife((HOLD_SECONDS / self.every).max(HOLD_ROWS_MIN)),
            anomaly_learning_weight: self.anomaly_learning_weight,
            exclude_episodes_from_short_memory: false,
        }
    }

    fn shape(&self, floors: Vec<f64>) -> DetectorParameters {
        DetectorParameters {
            points_per_day: (DAY_SECONDS / self.every).max(1.0),
            points_min: ROWS_MIN,
            novelty_half_life: NOVELTY_HALF_LIFE,
            time_zone: self.time_zone.clone(),
            ..DetectorParameters::plain(floors, (self.half_life / self.every).max(2.0))
        }
    }
}

/// The result for one row.
#[derive(Debug)]
pub struct ReplayedRow<'a> {
    /// The score with its details; `None` for the first rows.
    pub score: Option<SubjectScore>,
    /// Deviation of each signal, in standard deviations.
    pub deviations: &'a [f64],
    /// The current episode.
    pub episode: Option<Episode>,
    /// Whether it is worth an alert.
    pub is_alert: bool,
}

impl ReplayedRow<'_> {
    /// Fills `top` with the indices of all signals, largest deviation first, then by index; empty without a score.
    pub fn rank(&self, top: &mut Vec<usize>) {
        top.clear();
        if self.score.is_some() {
            top.extend(0..self.deviations.len());
            top.sort_by(|a, b| self.deviations[*b].total_cmp(&self.deviations[*a]));
        }
    }
}

/// Replays the rows of one file, or of several in sequence.
#[derive(Debug, Clone)]
pub struct Replay {
    settings: ReplaySettings,
    point: Point,
    scorer: Scorer,
    rows: usize,
    /// Rows between two trainings.
    retrain_interval: usize,
    /// Trainings so far.
    trainings: u64,
    at: Option<Timestamp>,
}

impl Replay {
    /// Creates a replay of signals with these noise floors.
    pub fn new(floors: Vec<f64>, settings: &ReplaySettings) -> Self {
        Self {
            point: Point::unknown(floors.len()),
            scorer: Scorer::new(&settings.shape(floors)),
            rows: 0,
            retrain_interval: ((settings.retrain_interval / settings.every).round() as usize).max(1),
            trainings: 0,
            at: None,
            settings: settings.clone(),
        }
    }

    /// States which signals are the share in use of something that can be full.
    pub fn with_filling(self, fills: &[bool]) -> Self {
        Self { scorer: self.scorer.with_filling(fills), ..self }
    }

    /// Scores a row, then learns it: one value for each signal, and whether it is missing. A row without a time
    /// follows the previous one after the usual interval.
    ///
    /// # Errors
    /// If a forest cannot be trained on the rows so far; the row is then skipped.
    pub fn step(
        &mut self,
        at: Option<Timestamp>,
        values: &[f64],
        missing: &[bool],
    ) -> Result<ReplayedRow<'_>, TrainModelError> {
        let every = self.settings.every;
        let at = at.or_else(|| self.at.map(|it| Timestamp(it.0 + every))).unwrap_or_default();
        let elapsed = self.at.map_or(every, |before| (at.0 - before.0).max(0.0));
        if !(0.0..=GAP_ROWS * every).contains(&elapsed) {
            self.scorer.interrupt();
        }
        self.at = Some(at);
        if self.rows > 0 && self.rows.is_multiple_of(self.retrain_interval) {
            self.train()?;
        }
        self.point.advance(at, values, missing);
        let ready = self.rows as f64 >= ROWS_MIN;
        let elapsed = elapsed.clamp(0.0, GAP_ROWS * every);
        let step = StepOptions { elapsed, ready, weight: Some(1.0), whole: true };
        let settings = self.settings.scorer();
        let score = self.scorer.step(&self.point, step, &settings);
        let is_alert = score.as_ref().is_some_and(|it| {
            let evidence = AlertEvidence::default();
            self.scorer.decide_alert(it.decisive, elapsed, evidence, &settings).is_active
        });
        let seasonal = &mut self.scorer.detectors.seasonal;
        if let Some(history) = seasonal.history() {
            seasonal.take(&history.fit());
        }
        self.rows += 1;
        Ok(ReplayedRow {
            score,
            deviations: self.scorer.signal_deviations(),
            episode: self.scorer.episode(),
            is_alert,
        })
    }

    /// The number of recent excursions of the score, as it counts.
    pub fn excursions(&self) -> f64 {
        self.scorer.habituation().excursions()
    }

    /// The training set of all rows so far.
    pub fn training_set(&self) -> TrainingSet {
        self.scorer.training_set()
    }

    fn train(&mut self) -> Result<(), TrainModelError> {
        let seed = self.settings.seed.wrapping_add(self.trainings);
        match training::grow(&self.scorer.training_set(), &self.settings.training, seed) {
            Ok(grown) => self.scorer.detectors.forest.install(&grown.eif),
            // A file with few rows per day: more will come.
            Err(TrainModelError::TooFewRows(_)) => {}
            Err(error) => return Err(error),
        }
        self.trainings += 1;
        Ok(())
    }
}
