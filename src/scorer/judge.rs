//! What detectors see of a point, and what they say of it.

use super::{Outputs, Scorer, ScorerSettings};
use crate::detect::DetectorInput;
use crate::detect::expectation::Distances;
use crate::window::Point;

impl Scorer {
    /// The outputs of the detectors that are on, with the excursions up to this point forgotten by their age.
    pub(super) fn judge(
        &mut self,
        point: &Point,
        distances: &Distances,
        elapsed: f64,
        settings: &ScorerSettings,
    ) -> Outputs {
        self.habituation.forget_until(point.at, elapsed);
        let mut outputs = self.detectors.judge(&self.view(point, distances));
        settings.detectors.silence(&mut outputs);
        outputs
    }

    /// A point as detectors see it.
    pub(super) fn view<'a>(&self, point: &'a Point, distances: &'a Distances) -> DetectorInput<'a> {
        let Distances { z, noise, .. } = distances;
        DetectorInput { point, z, noise, threshold_factor: self.threshold_factor }
    }
}
