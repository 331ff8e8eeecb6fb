//! Evaluates a new forest on held-out points with injected faults, and refuses one that detects few of them.
//!
//! The result depends only on history, settings and seed.

use super::TrainModelError;
use crate::detect::eif::{CLIP, ForestModel};
use crate::detect::forest::FeatureRows;
use crate::detect::seeded_rng::SeededRng;
use crate::detect::short_term_means::SMOOTHING_HALF_LIVES;
use crate::roc::auc;

/// A forest whose area under the ROC curve is below this is refused.
pub const BLIND_MAX: f64 = 0.6;

/// Difference between two areas under the curve that does not count as worse. With few held-out points, the difference
/// by chance is larger: one over twice the root of their number, about two standard errors.
pub const WORSE_MAX: f64 = 0.05;

/// Number of injected faults.
const FAULTS: usize = 500;

/// Size of a fault, in standard deviations.
const SHIFT: [f32; 2] = [3.0, 8.0];

/// Largest number of signals that one fault shifts.
const SHIFTED_MAX: usize = 5;

/// Largest age of an injected fault, in points.
const AGE_MAX: usize = 30;

/// One of this many faults breaks the correlation of signals instead of shifting them.
const BROKEN_EVERY: usize = 4;

/// The rows for the evaluation of a forest.
#[derive(Debug, Clone)]
pub struct HoldoutTest {
    /// Held-out points, unchanged.
    pub ordinary: FeatureRows,
    /// Held-out points with a fault injected.
    pub faulty: FeatureRows,
}

impl HoldoutTest {
    /// Injects faults into held-out rows with this number of signals. A fault shifts one to five signals, or takes
    /// half of the signals from another point, so that each value is normal but their combination is not.
    pub fn new(held_out: &FeatureRows, signals: usize, random: &mut SeededRng) -> Self {
        let mut faulty = FeatureRows::new(held_out.width());
        for idx in 0..if held_out.is_empty() { 0 } else { FAULTS } {
            let mut row = held_out.row(idx % held_out.len()).to_vec();
            if signals > 1 && idx % BROKEN_EVERY == BROKEN_EVERY - 1 {
                break_relation(&mut row, held_out.row(random.below(held_out.len())), signals, random);
            } else {
                shift(&mut row, signals, random);
            }
            faulty.push(&row);
        }
        Self { ordinary: held_out.clone(), faulty }
    }
}

/// Shifts some signals by a step that began up to [`AGE_MAX`] points ago; the recent means follow in part.
fn shift(row: &mut [f32], signals: usize, random: &mut SeededRng) {
    let moved = 1 + random.below(SHIFTED_MAX.min(signals));
    let age = 1 + random.below(AGE_MAX);
    let mut unmoved: Vec<usize> = (0..signals).collect();
    for _ in 0..moved {
        let signal = unmoved.swap_remove(random.below(unmoved.len()));
        let size = SHIFT[0] + (SHIFT[1] - SHIFT[0]) * random.uniform();
        let size = if random.uniform() < 0.5 { -size } else { size };
        let gone = std::iter::once(1.0)
            .chain(SMOOTHING_HALF_LIVES.map(|half_life| 1.0 - (-(age as f64) / half_life).exp2() as f32));
        for (value, gone) in row.iter_mut().skip(signal).step_by(signals).zip(gone) {
            *value = (*value + size * gone).clamp(-CLIP as f32, CLIP as f32);
        }
    }
}

/// Takes half of the signals from another row.
fn break_relation(row: &mut [f32], other: &[f32], signals: usize, random: &mut SeededRng) {
    for signal in 0..signals {
        if random.uniform() < 0.5 {
            for idx in (signal..row.len()).step_by(signals) {
                row[idx] = other[idx];
            }
        }
    }
}

/// How well a forest distinguishes faults from normal points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HoldoutAuc {
    /// Area under the ROC curve.
    pub auc: f64,
    /// Share of the faulty points that score above the threshold.
    pub recall: f64,
    /// Share of the normal points that score above the threshold.
    pub alarms: f64,
}

/// Difference between two areas under the curve that does not count as worse, for this number of held-out points.
pub fn worse_max(held_out: usize) -> f64 {
    (0.5 / (held_out as f64).sqrt()).max(WORSE_MAX)
}

/// Smallest acceptable area under the curve for this number of held-out points: [`BLIND_MAX`], or less if chance has a
/// larger effect.
pub fn floor(held_out: usize) -> f64 {
    BLIND_MAX + WORSE_MAX - worse_max(held_out)
}

impl HoldoutTest {
    /// Measures a forest, and refuses one below the [`floor`]. `peer` is the area under the curve of another
    /// implementation; it appears in the error and has no other effect.
    ///
    /// # Errors
    /// [`TrainModelError::Blind`] if the forest is refused.
    pub fn judge(&self, model: &ForestModel, peer: Option<f64>) -> Result<HoldoutAuc, TrainModelError> {
        let scores = |rows: &FeatureRows| rows.iter().map(|it| model.forest.score(it)).collect::<Vec<_>>();
        let (ordinary, faulty) = (scores(&self.ordinary), scores(&self.faulty));
        let own = auc(&ordinary, &faulty);
        if own < floor(ordinary.len()) {
            return Err(TrainModelError::Blind { own, peer });
        }
        let above = |scores: &[f64]| {
            scores.iter().filter(|it| **it >= model.threshold).count() as f64 / scores.len().max(1) as f64
        };
        Ok(HoldoutAuc { auc: own, recall: above(&faulty), alarms: above(&ordinary) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_shift_their_signals() {
        let mut held_out = FeatureRows::new(6);
        held_out.push(&[0.0; 6]);
        held_out.push(&[1.0; 6]);
        let trial = HoldoutTest::new(&held_out, 2, &mut SeededRng::new(1));
        assert_eq!(trial.faulty.len(), FAULTS);
        for (idx, row) in trial.faulty.iter().enumerate() {
            let broken = idx % BROKEN_EVERY == BROKEN_EVERY - 1;
            assert_eq!(broken, row[0].abs() <= 1.0 && row[1].abs() <= 1.0, "{row:?}");
            assert!(row.iter().all(|it| it.abs() <= CLIP as f32));
        }
    }
}
