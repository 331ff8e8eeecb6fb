//! A candidate model in shadow mode: its score beside the current one, and how often it would alert.

use serde::{Deserialize, Serialize};

use crate::detect::eif::{EifDetector, ForestModel};
use crate::detect::raw_score::{MinimumScores, raw_score};
use crate::detect::{DetectorInput, DetectorOutput, DetectorOutputs};
use crate::model_registry::ShadowTally;
use crate::report::ShadowScore;

/// A model in shadow mode.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct ShadowScoring {
    /// `None` between a restart and the installation of the model, which then continues the tally.
    #[serde(skip)]
    pub(super) model: Option<ForestModel>,
    /// Smoothed contribution of each signal to the joint score, on the raw scale.
    pub(super) smooth: Vec<f64>,
    pub(super) tally: ShadowTally,
}

/// One reading as both models see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShadowInput<'a> {
    pub(super) z: &'a [f64],
    /// Factor of the joint score.
    pub(super) habituation: f64,
    pub(super) threshold: f64,
    pub(super) levels: MinimumScores,
    /// Factor by which smoothed contributions decay.
    pub(super) retention_factor: f64,
    pub(super) elapsed: f64,
    /// Score of the current model; 1.0 is the threshold.
    pub(super) score: f64,
}

impl ShadowScoring {
    /// Output of its forest; `None` before the model is installed or if its signals differ.
    pub(super) fn judge(&self, input: &DetectorInput<'_>, detector: &EifDetector) -> DetectorOutput {
        self.model.as_ref().map_or(DetectorOutput::Abstain, |it| detector.score_with_model(input, it))
    }

    /// Joint score with the shadow model, next to the outputs of the other detectors.
    pub(super) fn conclude(
        &mut self,
        own: DetectorOutput,
        outputs: DetectorOutputs,
        beside: ShadowInput<'_>,
    ) -> Option<ShadowScore> {
        let forest = own.relative()?;
        let ShadowInput { z, habituation, threshold: limit, levels, retention_factor: keep, elapsed, score } =
            beside;
        let joint = raw_score(z, &DetectorOutputs { forest: own, ..outputs }, habituation, levels);
        let smoothed = self.smooth.iter_mut().zip(&joint.shares);
        smoothed.for_each(|(old, new)| *old = keep * *old + (1.0 - keep) * new);
        let own_score = self.smooth.iter().sum::<f64>().max(0.0) / limit;
        let count = |score: f64| f64::from(u8::from(score >= 1.0));
        self.tally.seconds += elapsed;
        self.tally.readings += 1.0;
        self.tally.above += count(own_score);
        self.tally.above_current += count(score);
        Some(ShadowScore { score: own_score, forest })
    }
}
