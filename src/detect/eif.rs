//! The forest as a detector: the features of a point, and the threshold of its score.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::forest::Forest;
use super::short_term_means::{SMOOTHING_HALF_LIVES, ShortTermMeans};
use super::{DetectorInput, DetectorOutput, DetectorParameters, LearnOptions};

/// Distances beyond this many standard deviations are equal to the forest. A clip of 3 found half as many anomalies on
/// labeled data.
pub const CLIP: f64 = 10.0;

/// Up to this many signals, a row also contains their smoothed values, because cuts in fewer than about twenty
/// dimensions find little.
pub const NARROW_MAX: usize = 8;

/// Clips distances to the range of the forest.
pub fn clip(z: &[f64]) -> Vec<f64> {
    z.iter().map(|it| it.clamp(-CLIP, CLIP)).collect()
}

/// Makes the rows for training and scoring: the clipped distances, followed by their smoothed values if there are few
/// signals. Both use this type, so they cannot differ.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ForestInputs {
    signals: usize,
    memory: ShortTermMeans,
}

impl ForestInputs {
    /// Creates inputs for this number of signals, without history.
    pub fn new(signals: usize) -> Self {
        Self { signals, memory: ShortTermMeans::new(signals) }
    }

    /// Values in a row.
    pub fn width(&self) -> usize {
        if self.signals <= NARROW_MAX {
            self.signals * (1 + SMOOTHING_HALF_LIVES.len())
        } else {
            self.signals
        }
    }

    /// The row of a point with distances `z`, before the point is learned.
    pub fn row(&self, z: &[f64]) -> Vec<f32> {
        let z = clip(z);
        let row = if self.signals <= NARROW_MAX { self.memory.scales(&z) } else { z };
        row.into_iter().map(|it| it as f32).collect()
    }

    /// Advances by one point if `learn_options.step` is set.
    pub fn learn(&mut self, z: &[f64], learn_options: LearnOptions) {
        if self.signals <= NARROW_MAX {
            self.memory.learn(&clip(z), learn_options);
        }
    }
}

/// A forest with its threshold, shared by the subjects of a kind.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ForestModel {
    /// The forest.
    pub forest: Arc<Forest>,
    /// The score from which a point is anomalous.
    pub threshold: f64,
}

/// Scores points by how few cuts isolate them. It abstains until a model of its width is installed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EifDetector {
    inputs: ForestInputs,
    /// Shared, and stored separately.
    #[serde(skip)]
    model: Option<ForestModel>,
    /// The score of a row of zeros by this model, once it was needed. Most points of most subjects are within the noise floors
    /// of all signals.
    #[serde(skip)]
    score_of_zeros: OnceLock<f64>,
}

impl EifDetector {
    pub(super) fn new(parameters: &DetectorParameters) -> Self {
        Self { inputs: ForestInputs::new(parameters.width()), model: None, score_of_zeros: OnceLock::new() }
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(super) fn fits(&self, fresh: &Self) -> bool {
        self.inputs.signals == fresh.inputs.signals && self.inputs.memory.fits(&fresh.inputs.memory)
    }

    pub(super) fn judge(&self, input: &DetectorInput<'_>) -> DetectorOutput {
        let Some(ForestModel { forest, threshold }) = &self.model else { return DetectorOutput::Abstain };
        if forest.width() != self.inputs.width() {
            return DetectorOutput::Abstain;
        }
        let row = self.inputs.row(input.z);
        let score = match row.iter().all(|it| *it == 0.0) {
            true => *self.score_of_zeros.get_or_init(|| forest.score(&row)),
            false => forest.score(&row),
        };
        DetectorOutput::Score { score, threshold: *threshold, shares: Vec::new() }
    }

    /// Scores the point with this model instead of the installed one.
    pub(crate) fn score_with_model(
        &self,
        input: &DetectorInput<'_>,
        ForestModel { forest, threshold }: &ForestModel,
    ) -> DetectorOutput {
        if forest.width() != self.inputs.width() {
            return DetectorOutput::Abstain;
        }
        let score = forest.score(&self.inputs.row(input.z));
        DetectorOutput::Score { score, threshold: *threshold, shares: Vec::new() }
    }

    pub(super) fn learn(&mut self, input: &DetectorInput<'_>, learn_options: LearnOptions) {
        self.inputs.learn(input.z, learn_options);
    }

    /// Takes over the installed model of `other`.
    pub(crate) fn take_model_from(&mut self, other: Self) {
        (self.model, self.score_of_zeros) = (other.model, other.score_of_zeros);
    }

    /// Scores with this model from now on.
    pub fn install(&mut self, model: &ForestModel) {
        (self.model, self.score_of_zeros) = (Some(model.clone()), OnceLock::new());
    }
}

#[cfg(test)]
mod tests {
    use super::super::forest::{FeatureRows, ForestOptions};
    use super::super::seeded_rng::SeededRng;
    use super::*;
    use crate::window::Point;

    fn judge(detector: &EifDetector, z: &[f64]) -> DetectorOutput {
        detector.judge(&DetectorInput { point: &Point::default(), z, noise: &[], threshold_factor: 1.0 })
    }

    fn forest(width: usize) -> Arc<Forest> {
        forest_of(width, 300, 2)
    }

    fn forest_of(width: usize, count: usize, seed: u64) -> Arc<Forest> {
        let (mut random, mut rows, mut row) = (SeededRng::new(1), FeatureRows::new(width), vec![0.0; width]);
        for _ in 0..count {
            random.fill_normal(&mut row);
            rows.push(&row);
        }
        Arc::new(Forest::train(&rows, &ForestOptions::default(), seed).unwrap())
    }

    const STEP: LearnOptions = LearnOptions { weight: 1.0, step: true, in_episode: false };

    #[test]
    fn it_abstains_without_a_forest_of_its_width() {
        let mut detector = EifDetector::new(&DetectorParameters::plain(vec![0.0; 9], 1.0));
        assert_eq!(judge(&detector, &[0.0; 9]), DetectorOutput::Abstain);
        detector.install(&ForestModel { forest: forest(8), threshold: 0.6 });
        assert_eq!(judge(&detector, &[0.0; 9]), DetectorOutput::Abstain);
        detector.install(&ForestModel { forest: forest(9), threshold: 0.6 });
        let (quiet, strange) = (judge(&detector, &[0.0; 9]), judge(&detector, &[1e300; 9]));
        let (quiet, strange) = (quiet.relative().unwrap(), strange.relative().unwrap());
        assert!(quiet < 1.0 && 1.0 < strange, "{quiet} {strange}");
    }

    #[test]
    fn each_model_scores_a_row_of_zeros_by_itself() {
        let mut detector = EifDetector::new(&DetectorParameters::plain(vec![0.0; 9], 1.0));
        for (rows, seed) in [(40, 3), (300, 4)] {
            let model = ForestModel { forest: forest_of(9, rows, seed), threshold: 0.5 };
            detector.install(&model);
            let expected = model.forest.score(&[0.0; 9]) / 0.5;
            for _ in 0..2 {
                assert_eq!(judge(&detector, &[0.0; 9]).relative(), Some(expected));
                assert_ne!(judge(&detector, &[4.0; 9]).relative(), Some(expected));
            }
        }
    }

    #[test]
    fn rows_of_few_signals_contain_smoothed_values() {
        let mut inputs = ForestInputs::new(1);
        // Halfway after one half-life.
        (0..5).for_each(|_| inputs.learn(&[4.0], STEP));
        let row = inputs.row(&[2.0]);
        assert_eq!((inputs.width(), row.len()), (3, 3));
        assert!((row[1] - 2.0).abs() < 1e-5 && (0.4..0.6).contains(&row[2]), "{row:?}");
        assert_eq!(ForestInputs::new(9).row(&[11.0; 9]), [10.0; 9]);
    }
}
