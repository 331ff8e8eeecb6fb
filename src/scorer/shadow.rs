//! A candidate model in shadow mode: its score beside the current one, and how often it would alert.

use serde::{Deserialize, Serialize};

use crate::detect::eif::{Eif, ForestModel};
use crate::detect::{DetectorOutput, Outputs, PointView, joint_score};
use crate::model_registry::ShadowTally;
use crate::report::ShadowScore;

/// A model under trial.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Shadow {
    /// Nothing between a restart and the installation of the model: what was counted before goes on then.
    #[serde(skip)]
    pub(super) model: Option<ForestModel>,
    /// The smoothed share of each signal in the joint score, on the raw scale.
    pub(super) smooth: Vec<f64>,
    pub(super) tally: ShadowTally,
}

/// What a reading is for both.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShadowInput<'a> {
    pub(super) z: &'a [f64],
    pub(super) threshold: f64,
    /// What is left of the smoothed shares.
    pub(super) retention_factor: f64,
    pub(super) elapsed: f64,
    /// What the current model makes of it, in units of the limit.
    pub(super) score: f64,
}

impl Shadow {
    /// The verdict of its forest; it abstains while it waits or does not fit.
    pub(super) fn judge(&self, view: &PointView<'_>, detector: &Eif) -> DetectorOutput {
        self.model.as_ref().map_or(DetectorOutput::Abstain, |it| detector.judge_by(view, it))
    }

    /// What it says of a reading, beside the verdicts that the current model has part in.
    pub(super) fn conclude(
        &mut self,
        own: DetectorOutput,
        outputs: Outputs,
        beside: ShadowInput<'_>,
    ) -> Option<ShadowScore> {
        let forest = own.relative()?;
        let ShadowInput { z, threshold: limit, retention_factor: keep, elapsed, score } = beside;
        let joint = joint_score::joint_score(z, &Outputs { forest: own, ..outputs }, limit);
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
