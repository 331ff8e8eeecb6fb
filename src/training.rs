//! Trains a model from points: a forest, the threshold of its score, and its evaluation.
//!
//! It is a pure function of history, settings and seed, and takes a tenth of a second, so it runs as a job.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::detect::LearnOptions;
use crate::detect::eif::{self, ForestInputs};
use crate::detect::forest::{self, FeatureRows, Forest};
use crate::detect::seeded_rng::SeededRng;
use crate::drift::{DriftReference, DriftSamples};
use crate::reading::Timestamp;

pub mod model_evaluation;
pub mod model_codec;
pub mod holdout_test;

use holdout_test::HoldoutTest;
use model_evaluation::ModelEvaluation;

/// Smallest number of points to train on.
pub const ROWS_MIN: usize = 10;

/// Largest number of points held out to evaluate the model.
pub const HELD_OUT_MAX: usize = 500;

/// One of this many points is held out.
const HELD_OUT_EVERY: usize = 5;

/// Smallest threshold, however low the scores of the held-out points: random data score 0.5.
const THRESHOLD_MIN: f64 = 0.55;

/// Largest threshold: an isolated row scores 0.75 even in a forest of sixteen points.
const THRESHOLD_MAX: f64 = 0.7;

/// Number of scores with which their 99.5th percentile is meaningful: one is expected above it.
const SCORES_ENOUGH: f64 = 200.0;

/// Each row of the history is one normal point.
const POINT: LearnOptions = LearnOptions { weight: 1.0, step: true, in_episode: false };

/// Settings of the training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingSettings {
    /// Number of trees.
    pub trees: usize,
    /// Number of points for each tree.
    pub sample_size: usize,
}

impl Default for TrainingSettings {
    fn default() -> Self {
        let forest::ForestOptions { trees, sample_size: sample } = forest::ForestOptions::default();
        Self { trees, sample_size: sample }
    }
}

impl TrainingSettings {
    fn options(&self) -> forest::ForestOptions {
        forest::ForestOptions { trees: self.trees, sample_size: self.sample_size }
    }
}

/// The data that a model is trained on.
#[derive(Debug, Clone)]
pub struct TrainingSet {
    /// Clipped distances of points ([`clip`](crate::detect::eif::clip)), one value for each signal, newest last.
    pub rows: FeatureRows,
    /// Share of the noise floor in the variance of each signal, between 0 and 1.
    pub noise: Vec<f32>,
    /// The first row of each subject; smoothing restarts there.
    pub starts: Vec<usize>,
    /// Time of the oldest and the newest point, if known.
    pub span: Option<[Timestamp; 2]>,
    /// Sampled values of the signals, for drift.
    pub log: DriftSamples,
}

/// The result of a training.
#[derive(Debug, Clone)]
pub struct TrainedModel {
    /// The forest with its threshold, ready to be shared.
    pub eif: eif::ForestModel,
    /// The evaluation of the model.
    pub evaluation: ModelEvaluation,
    /// The distribution of the signals in the training set.
    pub reference: DriftReference,
}

/// Why there is no new model; the old one stays.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainModelError {
    /// Too few points.
    TooFewRows(usize),
    /// The forest cannot be trained.
    Forest(forest::GrowForestError),
    /// The forest does not detect faults.
    Blind {
        /// Area under the ROC curve.
        own: f64,
        /// The same of the second implementation, if there is one.
        peer: Option<f64>,
    },
}

impl fmt::Display for TrainModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewRows(rows) => {
                write!(f, "too few points: {rows}, {ROWS_MIN} required")
            }
            Self::Forest(error) => error.fmt(f),
            Self::Blind { own, peer } => {
                write!(f, "the forest hardly distinguishes faults from normal points: AUC {own:.3}")?;
                peer.map_or(Ok(()), |peer| write!(f, "; a second implementation has {peer:.3}"))
            }
        }
    }
}

impl std::error::Error for TrainModelError {}

impl From<forest::GrowForestError> for TrainModelError {
    fn from(error: forest::GrowForestError) -> Self {
        Self::Forest(error)
    }
}

/// A forest without an evaluation.
#[derive(Debug)]
pub struct UnevaluatedForest {
    /// The forest with its threshold.
    pub eif: eif::ForestModel,
    fit: FeatureRows,
    held_out: FeatureRows,
    quantiles: model_evaluation::ScoreQuantiles,
    random: SeededRng,
}

/// Trains a forest without an evaluation, as replay does for thousands of days. Equal history, settings and seed give
/// an equal forest.
pub fn grow(
    history: &TrainingSet,
    settings: &TrainingSettings,
    seed: u64,
) -> Result<UnevaluatedForest, TrainModelError> {
    let points = history.rows.len();
    if points < ROWS_MIN {
        return Err(TrainModelError::TooFewRows(points));
    }
    // The forest uses the seed itself; the split uses another stream.
    let mut random = SeededRng::new(!seed);
    let (fit, held_out) = split(history, &mut random);
    let forest = Forest::train(&fit, &settings.options(), seed)?;
    let mut scores: Vec<f64> = held_out.iter().map(|it| forest.score(it)).collect();
    scores.sort_by(f64::total_cmp);
    let quantiles = model_evaluation::ScoreQuantiles::of(&scores);
    let eif = eif::ForestModel { forest: Arc::new(forest), threshold: threshold(&scores, quantiles.p995) };
    Ok(UnevaluatedForest { eif, fit, held_out, quantiles, random })
}

/// Returns the area under the ROC curve of another implementation, trained and evaluated on the same rows.
pub type ReferenceEvaluation<'a> =
    &'a mut dyn FnMut(&FeatureRows, &HoldoutTest, &forest::ForestOptions) -> Option<f64>;

/// Trains and evaluates a model. Equal history, settings and seed give an equal model, or an equal refusal.
pub fn train(
    history: &TrainingSet,
    settings: &TrainingSettings,
    seed: u64,
) -> Result<TrainedModel, TrainModelError> {
    train_with_reference(history, settings, seed, &mut |_, _, _| None)
}

/// Like [`train`], with the second implementation in the evaluation.
pub fn train_with_reference(
    history: &TrainingSet,
    settings: &TrainingSettings,
    seed: u64,
    second_opinion: ReferenceEvaluation<'_>,
) -> Result<TrainedModel, TrainModelError> {
    let UnevaluatedForest { eif, fit, held_out, quantiles, mut random } = grow(history, settings, seed)?;
    let options = settings.options();
    let trial = HoldoutTest::new(&held_out, history.rows.width(), &mut random);
    let auc_reference = second_opinion(&fit, &trial, &options);
    let skill = trial.judge(&eif, auc_reference)?;
    let [from, to] = history.span.map_or([None; 2], |it| it.map(Some));
    let evaluation = ModelEvaluation {
        from,
        to,
        rows: fit.len(),
        held_out: held_out.len(),
        width: fit.width(),
        seed,
        trees: options.trees,
        sample_size: options.sample_size.min(fit.len()),
        splits: eif.forest.split_node_count(),
        quantiles,
        auc: skill.auc,
        auc_reference,
        recall: skill.recall,
        alarms: skill.alarms,
        digest: eif.forest.digest(),
    };
    Ok(TrainedModel { eif, evaluation, reference: history.log.reference() })
}

/// The score from which a point is anomalous: the 99.5th percentile of the held-out scores. With too few scores, it is
/// the bound of a prediction interval, which is wider.
fn threshold(scores: &[f64], p995: f64) -> f64 {
    let count = scores.len() as f64;
    let freedom = count - 1.0;
    let mean = scores.iter().sum::<f64>() / count;
    let variance = scores.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / freedom;
    let bound = match StudentsT::new(0.0, 1.0, freedom) {
        Ok(student) if count < SCORES_ENOUGH => {
            mean + student.inverse_cdf(0.995) * (variance * (1.0 + 1.0 / count)).sqrt()
        }
        Ok(_) | Err(_) => p995,
    };
    bound.max(p995).clamp(THRESHOLD_MIN, THRESHOLD_MAX)
}

/// The rows to train on, and those to evaluate the model with.
///
/// The points of an idle host are equal, and a forest would cut between meaningless differences. So each value is
/// moved by as much as the noise floor allows: below the floor, the rows become a cloud without structure. Held-out
/// rows are moved too, so that the threshold includes this noise.
fn split(history: &TrainingSet, random: &mut SeededRng) -> (FeatureRows, FeatureRows) {
    let signals = history.rows.width();
    let deviations: Vec<f32> =
        (0..signals).map(|idx| history.noise.get(idx).map_or(0.0, |it| it.clamp(0.0, 1.0).sqrt())).collect();
    let mut inputs = ForestInputs::new(signals);
    let (mut fit, mut held_out) = (FeatureRows::new(inputs.width()), FeatureRows::new(inputs.width()));
    let mut normals = vec![0.0; signals];
    // Every fifth point; of a long history only a part of these, evenly spread.
    let step = HELD_OUT_EVERY * history.rows.len().div_ceil(HELD_OUT_EVERY * HELD_OUT_MAX);
    for (idx, z) in history.rows.iter().enumerate() {
        if history.starts.binary_search(&idx).is_ok() {
            inputs = ForestInputs::new(signals);
        }
        random.fill_normal(&mut normals);
        let moved = z.iter().zip(&normals).zip(&deviations);
        let z: Vec<f64> = moved.map(|((z, normal), by)| f64::from(z + normal * by)).collect();
        let row = inputs.row(&z);
        inputs.learn(&z, POINT);
        if idx % step == step - 1 {
            held_out.push(&row);
        } else {
            fit.push(&row);
        }
    }
    (fit, held_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host whose signals are partly correlated.
    fn history(signals: usize, rows: usize, spread: f32, noise: f32) -> TrainingSet {
        let (mut random, mut set) = (SeededRng::new(3), FeatureRows::new(signals));
        let mut own = vec![0.0; signals];
        for _ in 0..rows {
            random.fill_normal(&mut own);
            let load = random.normals()[0];
            let row: Vec<f32> = own.iter().map(|it| spread * (0.8 * load + 0.6 * it)).collect();
            set.push(&row);
        }
        TrainingSet {
            rows: set,
            noise: vec![noise; signals],
            starts: Vec::new(),
            span: None,
            log: DriftSamples::default(),
        }
    }

    #[test]
    fn a_model_has_an_evaluation() {
        for signals in [1, 3, 8, 9, 26, 65] {
            let model = train(&history(signals, 600, 1.0, 0.0), &TrainingSettings::default(), 5).unwrap();
            let evaluation = &model.evaluation;
            assert!(evaluation.auc > 0.8, "{signals} signals: {evaluation:?}");
            assert_eq!((evaluation.rows, evaluation.held_out, evaluation.sample_size), (480, 120, 256));
            assert!((0.55..0.8).contains(&model.eif.threshold), "{evaluation:?}");
        }
    }

    #[test]
    fn equal_histories_give_equal_forests() {
        let train = |seed| train(&history(12, 300, 1.0, 0.1), &TrainingSettings::default(), seed).unwrap();
        assert_eq!(train(1).eif.forest, train(1).eif.forest);
        assert_ne!(train(1).evaluation.digest, train(2).evaluation.digest);
    }

    #[test]
    fn an_idle_host_is_scored_with_its_noise_floor() {
        let model = train(&history(12, 600, 0.0, 1.0), &TrainingSettings::default(), 5).unwrap();
        let score = |z: f32| model.eif.forest.score(&[z; 12]);
        assert!(
            score(0.0) < model.eif.threshold && score(0.5) < model.eif.threshold,
            "{:?}",
            model.evaluation
        );
        assert!(score(5.0) > model.eif.threshold, "{} {:?}", score(5.0), model.evaluation);
    }

    #[test]
    fn the_threshold_is_wider_with_few_points() {
        let check = |count: usize, lower: f64, upper: f64| {
            let scores: Vec<f64> = (0..count).map(|idx| 0.45 + 0.02 * (idx % 4) as f64).collect();
            let limit = threshold(&scores, 0.51);
            assert!((lower..=upper).contains(&limit), "{limit} of {count} scores");
        };
        check(1, 0.55, 0.55);
        check(2, 0.7, 0.7);
        check(4, 0.64, 0.66);
        check(20, 0.55, 0.56);
        check(400, 0.55, 0.55);
    }

    #[test]
    fn few_points_are_enough_or_refused() {
        let first = train(&history(26, 20, 1.0, 0.2), &TrainingSettings::default(), 5).unwrap();
        assert_eq!((first.evaluation.rows, first.evaluation.sample_size), (16, 16));
        let error = train(&history(26, 9, 1.0, 0.2), &TrainingSettings::default(), 5).unwrap_err();
        assert_eq!(error.to_string(), "too few points: 9, 10 required");
    }

    #[test]
    fn bad_settings_and_values_are_refused() {
        let settings = TrainingSettings { trees: 0, ..TrainingSettings::default() };
        assert!(matches!(train(&history(2, 20, 1.0, 0.0), &settings, 0), Err(TrainModelError::Forest(_))));
        let mut set = history(2, 20, 1.0, 0.0);
        set.rows.push(&[0.0, f32::NAN]);
        assert!(matches!(train(&set, &TrainingSettings::default(), 0), Err(TrainModelError::Forest(_))));
    }
}
