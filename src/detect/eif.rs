//! The detector around the forest: what a forest is shown of a point, and from which score on a point is strange.

use std::sync::Arc;

use super::forest::Forest;
use super::{Detector, Verdict, View};

/// Distances beyond this many standard deviations look alike to the forest; at 3 instead it found half as much on
/// labelled data.
pub const CLIP: f32 = 10.0;

/// Up to this many signals a row also tells where each signal has been lately: cuts through fewer dimensions than
/// about twenty find little.
pub const NARROW_MAX: usize = 8;

/// How far back "lately" goes: half-lives of exponentially forgotten means, in points.
pub const HALF_LIVES: [f64; 2] = [5.0, 30.0];

/// Distances as forests take them: within [`CLIP`], never NaN.
pub fn clip(z: &[f64]) -> Vec<f32> {
    z.iter().map(|it| if it.is_nan() { 0.0 } else { (*it as f32).clamp(-CLIP, CLIP) }).collect()
}

/// Makes the rows that a forest is trained on and shown: the clipped distances, and behind them their forgotten
/// means where there are few signals. Training and judging both come here, so that they cannot differ.
#[derive(Debug, Clone)]
pub struct Inputs {
    signals: usize,
    /// One row of means a half-life; empty until a point was learned, and always where there are many signals.
    means: Vec<Vec<f32>>,
}

impl Inputs {
    /// Rows for so many signals; nothing is known of the past.
    pub fn new(signals: usize) -> Self {
        Self { signals, means: Vec::new() }
    }

    /// Values in a row.
    pub fn width(&self) -> usize {
        if self.signals <= NARROW_MAX { self.signals * (1 + HALF_LIVES.len()) } else { self.signals }
    }

    /// The row of a point whose clipped distances are `z`, before it is learned.
    pub fn row(&self, z: &[f32]) -> Vec<f32> {
        let mut row = z.to_vec();
        if self.signals <= NARROW_MAX {
            for (idx, half_life) in HALF_LIVES.iter().enumerate() {
                let means = self.means.get(idx).map_or(z, Vec::as_slice);
                let share = forgotten(*half_life, 1.0);
                row.extend(means.iter().zip(z).map(|(mean, z)| mean + share * (z - mean)));
            }
        }
        row.resize(self.width(), 0.0);
        row
    }

    /// Learns a point, as `weight` of a whole one. A point that is learned in parts, one with each reading, moves
    /// the means as far as one that is learned at once.
    pub fn learn(&mut self, z: &[f32], weight: f64) {
        if self.signals > NARROW_MAX {
            return;
        }
        if self.means.is_empty() {
            self.means = vec![z.to_vec(); HALF_LIVES.len()];
        }
        for (means, half_life) in self.means.iter_mut().zip(HALF_LIVES) {
            let share = forgotten(half_life, weight);
            means.iter_mut().zip(z).for_each(|(mean, z)| *mean += share * (z - *mean));
        }
    }
}

/// The share of the past that is forgotten with `points` more points.
pub fn forgotten(half_life: f64, points: f64) -> f32 {
    (1.0 - (-points / half_life).exp2()) as f32
}

/// Judges points by how few cuts set them apart. It abstains until a forest is installed.
#[derive(Debug, Clone)]
pub struct Eif {
    inputs: Inputs,
    forest: Option<Arc<Forest>>,
    threshold: f64,
}

impl Eif {
    /// A detector for so many signals, without a forest.
    pub fn new(signals: usize) -> Self {
        Self { inputs: Inputs::new(signals), forest: None, threshold: 1.0 }
    }

    /// Takes a forest, which others may share, and the score from which on a point is strange to it. One that was
    /// trained on another number of signals leaves the detector without an opinion.
    pub fn install(&mut self, forest: Arc<Forest>, threshold: f64) {
        self.forest = (forest.width() == self.inputs.width()).then_some(forest);
        self.threshold = threshold;
    }
}

impl Detector for Eif {
    fn judge(&self, view: &View<'_>) -> Verdict {
        let Some(forest) = &self.forest else { return Verdict::Abstain };
        let score = forest.score(&self.inputs.row(&clip(view.z)));
        Verdict::Score { score, threshold: self.threshold, shares: Vec::new() }
    }

    fn learn(&mut self, view: &View<'_>, weight: f64) {
        self.inputs.learn(&clip(view.z), weight);
    }
}

#[cfg(test)]
mod tests {
    use super::super::forest::{Options, Rows};
    use super::super::random::Random;
    use super::*;
    use crate::window::Point;

    fn judge(detector: &Eif, z: &[f64]) -> Verdict {
        detector.judge(&View { point: &Point::default(), z, noise: &[] })
    }

    fn forest(width: usize) -> Arc<Forest> {
        let (mut random, mut rows, mut row) = (Random::new(1), Rows::new(width), vec![0.0; width]);
        for _ in 0..300 {
            random.fill_normal(&mut row);
            rows.push(&row);
        }
        Arc::new(Forest::train(&rows, &Options::default(), 2).unwrap())
    }

    #[test]
    fn it_abstains_without_a_forest_of_its_width() {
        let mut detector = Eif::new(9);
        assert_eq!(judge(&detector, &[0.0; 9]), Verdict::Abstain);
        detector.install(forest(8), 0.6);
        assert_eq!(judge(&detector, &[0.0; 9]), Verdict::Abstain);
        detector.install(forest(9), 0.6);
        let Verdict::Score { score: quiet, threshold, shares } = judge(&detector, &[0.0; 9]) else {
            panic!()
        };
        let Verdict::Score { score: strange, .. } = judge(&detector, &[f64::INFINITY; 9]) else { panic!() };
        assert!(quiet < threshold && threshold < strange && shares.is_empty(), "{quiet} {strange}");
    }

    #[test]
    fn distances_are_clipped_and_finite() {
        assert_eq!(clip(&[0.5, -99.0, f64::INFINITY, f64::NAN]), [0.5, -10.0, 10.0, 0.0]);
    }

    #[test]
    fn few_signals_carry_their_past() {
        let mut inputs = Inputs::new(1);
        assert_eq!((inputs.width(), inputs.row(&[4.0])), (3, vec![4.0, 4.0, 4.0]));
        inputs.learn(&[0.0], 1.0);
        // Half of the way after one half-life.
        (0..5).for_each(|_| inputs.learn(&[4.0], 1.0));
        let row = inputs.row(&[2.0]);
        assert!((row[1] - 2.0).abs() < 1e-5 && (0.4..0.6).contains(&row[2]), "{row:?}");
        assert_eq!(Inputs::new(9).row(&[1.0; 9]), [1.0; 9]);
    }

    #[test]
    fn a_point_learned_in_parts_is_one_point() {
        let (mut whole, mut parts) = (Inputs::new(2), Inputs::new(2));
        whole.learn(&[0.0; 2], 1.0);
        parts.learn(&[0.0; 2], 1.0);
        whole.learn(&[1.0; 2], 1.0);
        (0..30).for_each(|_| parts.learn(&[1.0; 2], 1.0 / 30.0));
        let far = whole.row(&[0.0; 2]).iter().zip(parts.row(&[0.0; 2])).any(|(a, b)| (a - b).abs() > 1e-5);
        assert!(!far);
    }
}
