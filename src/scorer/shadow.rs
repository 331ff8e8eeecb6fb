//! A new model that judges beside the current one: what the score would be with it, and how often it would alarm.

use serde::{Deserialize, Serialize};

use crate::detect::eif::Model;
use crate::detect::{DETECTORS, Detector, Verdict, View, fuse};
use crate::registry::Tally;
use crate::report::{DetectorState, Shadowed};

use super::state_of;

/// A model under trial.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Shadow {
    /// Nothing between a restart and the installation of the model: what was counted before goes on then.
    #[serde(skip)]
    model: Option<Model>,
    /// The smoothed share of each signal in the joint score, on the raw scale.
    smooth: Vec<f64>,
    tally: Tally,
}

/// What a reading is for both.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beside<'a> {
    pub(super) z: &'a [f64],
    pub(super) limit: f64,
    /// What is left of the smoothed shares.
    pub(super) keep: f64,
    pub(super) elapsed: f64,
    /// What the current model makes of it, in units of the limit.
    pub(super) score: f64,
}

impl Shadow {
    /// Tries this model from now on.
    pub(super) fn new(width: usize, model: &Model) -> Self {
        Self { model: Some(model.clone()), smooth: vec![0.0; width], tally: Tally::default() }
    }

    /// Goes on with this model after a restart.
    pub(super) fn resume(&mut self, model: &Model) {
        self.model = Some(model.clone());
    }

    /// The same with the model that another one has.
    pub(super) fn with_model_of(self, other: Self) -> Self {
        Self { model: other.model, ..self }
    }

    /// Whether it waits for its model after a restart.
    pub(super) fn waits(&self) -> bool {
        self.model.is_none()
    }

    /// Whether it can go on, of so many signals.
    pub(super) fn fits(&self, signals: usize) -> bool {
        self.smooth.len() == signals
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// The verdicts with its own among them, each with its place in the table; none while it waits or does not fit.
    pub(super) fn verdicts(&self, view: &View<'_>, detectors: &[Box<dyn Detector>]) -> Vec<(usize, Verdict)> {
        let Some(model) = &self.model else { return Vec::new() };
        let each = detectors.iter().enumerate();
        each.filter_map(|(idx, it)| Some((idx, it.judge_by(view, model)?))).collect()
    }

    /// What it says of a reading, beside the verdicts that the current model has part in.
    pub(super) fn conclude(
        &mut self,
        own: Vec<(usize, Verdict)>,
        verdicts: &[Verdict],
        beside: Beside<'_>,
    ) -> Option<Shadowed> {
        if own.is_empty() {
            return None;
        }
        let mut all = verdicts.to_vec();
        let states: Vec<DetectorState> =
            own.iter().filter_map(|(idx, verdict)| Some(state_of(DETECTORS.get(*idx)?, verdict))).collect();
        own.into_iter().for_each(|(idx, verdict)| all[idx] = verdict);
        let Beside { z, limit, keep, elapsed, score } = beside;
        let joint = fuse::fuse(z, &all, limit);
        let smoothed = self.smooth.iter_mut().zip(&joint.shares);
        smoothed.for_each(|(old, new)| *old = keep * *old + (1.0 - keep) * new);
        let own_score = self.smooth.iter().sum::<f64>().max(0.0) / limit;
        let count = |score: f64| f64::from(u8::from(score >= 1.0));
        self.tally.seconds += elapsed;
        self.tally.readings += 1.0;
        self.tally.above += count(own_score);
        self.tally.above_current += count(score);
        Some(Shadowed { score: own_score, detectors: states })
    }
}
