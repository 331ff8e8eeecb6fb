//! Trains a model from points: a forest, the threshold of its score, and its evaluation.
//!
//! It is a pure function of history, settings and seed, and takes a tenth of a second, so it runs as a job.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::detect::LearnStep;
use crate::detect::eif::{self, ForestInputs};
use crate::detect::forest::{self, FeatureRows, Forest};
use crate::detect::seeded_rng::SeededRng;
use crate::drift::{DriftLog, DriftReference};
use crate::reading::Timestamp;

pub mod model_evaluation;
pub mod model_codec;
pub mod holdout_test;

use holdout_test::HoldoutTest;
use model_evaluation::ModelEvaluation;

/// Fewer points than this tell nothing of what is ordinary.
pub const ROWS_MIN: usize = 10;

/// The most points that are held out of training to try the model on.
pub const HELD_OUT_MAX: usize = 500;

/// Every so many points one is held out.
const HELD_OUT_EVERY: usize = 5;

/// Scores below this are never strange, however ordinary the held-out points are: 0.5 is what random data score.
const THRESHOLD_MIN: f64 = 0.55;

/// Scores above this are always strange: a row that stands alone scores 0.75 even in a forest of sixteen points.
const THRESHOLD_MAX: f64 = 0.7;

/// So many scores show their quantile of 99.5 %: one of them is expected above it.
const SCORES_ENOUGH: f64 = 200.0;

/// Each row of the history is one ordinary point.
const POINT: LearnStep = LearnStep { weight: 1.0, step: true, in_anomaly: false };

/// Settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingSettings {
    /// Trees in the forest.
    pub trees: usize,
    /// Points that each tree grows on.
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

/// What a model is trained on.
#[derive(Debug, Clone)]
pub struct TrainingSet {
    /// The clipped distances of points ([`clip`](crate::detect::eif::clip)), one value a signal, newest last.
    pub rows: FeatureRows,
    /// How much of one unit of variance is the noise floor's, within 0 and 1, one a signal.
    pub noise: Vec<f32>,
    /// The rows with which another subject begins: what is smoothed over rows begins anew there.
    pub starts: Vec<usize>,
    /// When the oldest and the newest of the points were, where that is known.
    pub span: Option<[Timestamp; 2]>,
    /// What the signals were like, to tell when they no longer are.
    pub log: DriftLog,
}

/// What training gives.
#[derive(Debug, Clone)]
pub struct TrainedModel {
    /// The forest and its threshold, ready to be shared.
    pub eif: eif::ForestModel,
    /// What is known of it.
    pub evaluation: ModelEvaluation,
    /// What the signals were like that it was trained on.
    pub reference: DriftReference,
}

/// Why there is no new model; the old one stays.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainError {
    /// Not enough points yet.
    TooFewRows(usize),
    /// The forest cannot be grown.
    Forest(forest::TrainError),
    /// The forest does not find faults.
    Blind {
        /// The area under its curve.
        own: f64,
        /// That of the second opinion, where there is one.
        peer: Option<f64>,
    },
}

impl fmt::Display for TrainError {
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

impl std::error::Error for TrainError {}

impl From<forest::TrainError> for TrainError {
    fn from(error: forest::TrainError) -> Self {
        Self::Forest(error)
    }
}

/// A forest that was not tried yet.
#[derive(Debug)]
pub struct GrownForest {
    /// The forest and its threshold.
    pub eif: eif::ForestModel,
    fit: FeatureRows,
    held_out: FeatureRows,
    quantiles: model_evaluation::ScoreQuantiles,
    random: SeededRng,
}

/// Grows a forest without a second opinion on it, as replay does for thousands of days. Equal history, settings and
/// seed give an equal forest.
pub fn grow(
    history: &TrainingSet,
    settings: &TrainingSettings,
    seed: u64,
) -> Result<GrownForest, TrainError> {
    let points = history.rows.len();
    if points < ROWS_MIN {
        return Err(TrainError::TooFewRows(points));
    }
    // The forest has the seed itself; what surrounds it draws from another stream.
    let mut random = SeededRng::new(!seed);
    let (fit, held_out) = split(history, &mut random);
    let forest = Forest::train(&fit, &settings.options(), seed)?;
    let mut scores: Vec<f64> = held_out.iter().map(|it| forest.score(it)).collect();
    scores.sort_by(f64::total_cmp);
    let quantiles = model_evaluation::ScoreQuantiles::of(&scores);
    let eif = eif::ForestModel { forest: Arc::new(forest), threshold: threshold(&scores, quantiles.p995) };
    Ok(GrownForest { eif, fit, held_out, quantiles, random })
}

/// Returns the area under the curve of another implementation, fitted on the same rows and shown the same trial.
pub type SecondOpinion<'a> =
    &'a mut dyn FnMut(&FeatureRows, &HoldoutTest, &forest::ForestOptions) -> Option<f64>;

/// Trains a model and tries it. Equal history, settings and seed give an equal model, or an equal refusal.
pub fn train(
    history: &TrainingSet,
    settings: &TrainingSettings,
    seed: u64,
) -> Result<TrainedModel, TrainError> {
    train_with_reference(history, settings, seed, &mut |_, _, _| None)
}

/// The same, with a second opinion on the card.
pub fn train_with_reference(
    history: &TrainingSet,
    settings: &TrainingSettings,
    seed: u64,
    second_opinion: SecondOpinion<'_>,
) -> Result<TrainedModel, TrainError> {
    let GrownForest { eif, fit, held_out, quantiles, mut random } = grow(history, settings, seed)?;
    let options = settings.options();
    let trial = HoldoutTest::new(&held_out, history.rows.width(), &mut random);
    let auc_peer = second_opinion(&fit, &trial, &options);
    let skill = trial.judge(&eif, auc_peer)?;
    let [from, to] = history.span.map_or([None; 2], |it| it.map(Some));
    let card = ModelEvaluation {
        from,
        to,
        rows: fit.len(),
        held_out: held_out.len(),
        width: fit.width(),
        seed,
        trees: options.trees,
        sample_size: options.sample_size.min(fit.len()),
        splits: eif.forest.splits(),
        quantiles,
        auc_own: skill.auc,
        auc_peer,
        recall: skill.recall,
        alarms: skill.alarms,
        digest: eif.forest.digest(),
    };
    Ok(TrainedModel { eif, evaluation: card, reference: history.log.reference() })
}

/// The score from which on a point is strange: 99.5 % of the held-out points' scores are below it. Where they are too
/// few to show that quantile, the bound of a prediction interval stands in, wider the fewer they are.
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

/// The rows to train on and those to try the model on.
///
/// An idle host's points are all alike, and a forest would cut between differences that mean nothing. So each value
/// is moved by as much as the noise floor may move it: below the floor the rows are a cloud without structure. The
/// held-out rows are moved too, so that the threshold allows for it.
fn split(history: &TrainingSet, random: &mut SeededRng) -> (FeatureRows, FeatureRows) {
    let signals = history.rows.width();
    let deviations: Vec<f32> =
        (0..signals).map(|idx| history.noise.get(idx).map_or(0.0, |it| it.clamp(0.0, 1.0).sqrt())).collect();
    let mut inputs = ForestInputs::new(signals);
    let (mut fit, mut held_out) = (FeatureRows::new(inputs.width()), FeatureRows::new(inputs.width()));
    let mut normals = vec![0.0; signals];
    // Every fifth point; in a long history only some of these, evenly spread.
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

    /// A host whose signals move together, in part.
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
            log: DriftLog::default(),
        }
    }

    #[test]
    fn a_model_knows_how_good_it_is() {
        for signals in [1, 3, 8, 9, 26, 65] {
            let model = train(&history(signals, 600, 1.0, 0.0), &TrainingSettings::default(), 5).unwrap();
            let card = &model.evaluation;
            assert!(card.auc_own > 0.8, "{signals} signals: {card:?}");
            assert_eq!((card.rows, card.held_out, card.sample_size), (480, 120, 256));
            assert!((0.55..0.8).contains(&model.eif.threshold), "{card:?}");
        }
    }

    #[test]
    fn equal_histories_give_equal_forests() {
        let train = |seed| train(&history(12, 300, 1.0, 0.1), &TrainingSettings::default(), seed).unwrap();
        assert_eq!(train(1).eif.forest, train(1).eif.forest);
        assert_ne!(train(1).evaluation.digest, train(2).evaluation.digest);
    }

    #[test]
    fn an_idle_host_is_judged_with_its_noise_floor() {
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
    fn the_limit_is_wider_where_few_points_are_known() {
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
    fn bad_settings_and_values_are_told() {
        let settings = TrainingSettings { trees: 0, ..TrainingSettings::default() };
        assert!(matches!(train(&history(2, 20, 1.0, 0.0), &settings, 0), Err(TrainError::Forest(_))));
        let mut set = history(2, 20, 1.0, 0.0);
        set.rows.push(&[0.0, f32::NAN]);
        assert!(matches!(train(&set, &TrainingSettings::default(), 0), Err(TrainError::Forest(_))));
    }
}
