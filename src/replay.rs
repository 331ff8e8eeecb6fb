//! Scores rows of a file as the engine scores readings, each by earlier rows only.
//!
//! A row is a point. What a live host does per window or per second happens per row (ADR 010): z starts after 31 rows, the
//! forest is retrained at the first row of each day, and a high score fades over ten minutes of rows.

use crate::budget::Budget;
use crate::detect::FeatureSpec;
use crate::episode::ResolveRule;
use crate::reading::Timestamp;
use crate::report::Episode;
use crate::scorer::{self, ScoreHold, Scorer, ScorerStep, SubjectScore};
use crate::training::{self, TrainError, TrainingSet};
use crate::window::Point;

/// A signal known for fewer rows has no distance from its mean.
const ROWS_MIN: f64 = 31.0;
/// After so many rows half of a novelty is forgotten.
const NOVELTY_HALF_LIFE: f64 = 20.0;
/// A high score is halved after so many seconds, but not within fewer rows than [`HOLD_ROWS_MIN`].
const HOLD_SECONDS: f64 = 600.0;
/// See [`HOLD_SECONDS`].
const HOLD_ROWS_MIN: f64 = 6.0;
/// Rows further apart than this many times their usual distance have a gap between them.
const GAP_ROWS: f64 = 3.0;
const DAY_SECONDS: f64 = 86_400.0;

/// How rows are judged.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplaySettings {
    /// Seconds between two rows.
    pub every: f64,
    /// The joint score that is the limit, on the raw scale.
    pub threshold: f64,
    /// Episodes that are allowed; the limit follows from it once enough is known.
    pub budget: Budget,
    /// When an episode ends.
    pub resolve: ResolveRule,
    /// After so many rows half of what the score was is left, where the newest row is ordinary.
    pub smoothing: f64,
    /// Seconds after which half of what was learned is forgotten.
    pub half_life: f64,
    /// As how much of a row one inside an episode is learned.
    pub anomaly_weight: f64,
    /// Seconds between two trainings of the forest.
    pub retrain_interval: f64,
    /// The forest's.
    pub training: training::TrainingSettings,
    /// Where randomness in training comes from.
    pub seed: u64,
}

impl ReplaySettings {
    fn scorer(&self) -> scorer::ScorerSettings {
        scorer::ScorerSettings {
            point_seconds: self.every,
            threshold: self.threshold,
            budget: self.budget,
            resolve: self.resolve,
            smoothing: self.smoothing,
            score_hold: ScoreHold::HalfLife((HOLD_SECONDS / self.every).max(HOLD_ROWS_MIN)),
            anomaly_weight: self.anomaly_weight,
            shelter_short_memory: false,
        }
    }

    fn shape(&self, floors: Vec<f64>) -> FeatureSpec {
        FeatureSpec {
            points_per_day: (DAY_SECONDS / self.every).max(1.0),
            points_min: ROWS_MIN,
            novelty_half_life: NOVELTY_HALF_LIFE,
            ..FeatureSpec::plain(floors, (self.half_life / self.every).max(2.0))
        }
    }
}

/// What is concluded of one row.
#[derive(Debug)]
pub struct ReplayedRow<'a> {
    /// The score and its explanation; nothing in the first rows.
    pub score: Option<SubjectScore>,
    /// How odd each signal is, in deviations.
    pub deviations: &'a [f64],
    /// The episode that is under way.
    pub episode: Option<Episode>,
}

impl ReplayedRow<'_> {
    /// The indices of all signals, the oddest first, of equally odd ones the first; none while there is no score.
    pub fn rank(&self, top: &mut Vec<usize>) {
        top.clear();
        if self.score.is_some() {
            top.extend(0..self.deviations.len());
            top.sort_by(|a, b| self.deviations[*b].total_cmp(&self.deviations[*a]));
        }
    }
}

/// Follows the rows of one file, or of several one after the other.
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
    /// Knows nothing of signals with these noise floors.
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

    /// Judges a row, one value a signal and whether it is missing, then learns it. Without a time it comes one distance after the row before.
    ///
    /// # Errors
    /// When a forest cannot be grown of the rows so far; the row is lost.
    pub fn step(
        &mut self,
        at: Option<Timestamp>,
        values: &[f64],
        missing: &[bool],
    ) -> Result<ReplayedRow<'_>, TrainError> {
        let every = self.settings.every;
        let at = at.or_else(|| self.at.map(|it| Timestamp(it.0 + every))).unwrap_or_default();
        let elapsed = self.at.map_or(every, |before| at.0 - before.0);
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
        let step = ScorerStep { elapsed, ready, weight: Some(1.0), whole: true };
        let score = self.scorer.step(&self.point, step, &self.settings.scorer());
        let seasonal = &mut self.scorer.detectors.seasonal;
        if let Some(history) = seasonal.history() {
            seasonal.take(&history.fit());
        }
        self.rows += 1;
        Ok(ReplayedRow { score, deviations: self.scorer.oddness(), episode: self.scorer.episode() })
    }

    /// What a forest on all rows so far is to be trained on.
    pub fn training_set(&self) -> TrainingSet {
        self.scorer.training_set()
    }

    fn train(&mut self) -> Result<(), TrainError> {
        let seed = self.settings.seed.wrapping_add(self.trainings);
        match training::grow(&self.scorer.training_set(), &self.settings.training, seed) {
            Ok(grown) => self.scorer.detectors.forest.install(&grown.eif),
            // A file of few rows a day: there will be more of them.
            Err(TrainError::TooFewRows(_)) => {}
            Err(error) => return Err(error),
        }
        self.trainings += 1;
        Ok(())
    }
}
