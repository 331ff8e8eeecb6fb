//! What a signal is expected to be at the time of a point: for the subject, and by each detector.

use super::Scorer;
use crate::detect::{ExpectedRange, PerDetector};
use crate::report::ExpectedValue;
use crate::window::Point;

impl Scorer {
    /// Expected value and range of a signal at the time of the point, within 0 and `most`, and the expected value of each
    /// detector that has one; `None` before the first whole point. Of the two expectations, by time of day and week and by
    /// the last days, the first is used, unless only the second finds the value anomalous: the score is then based on it.
    pub fn expected(
        &self,
        point: &Point,
        idx: usize,
        most: f64,
    ) -> Option<(ExpectedValue, PerDetector<Option<f64>>)> {
        let known = self.expectation.statistics(idx)?;
        let (lower, upper) = known.bounds(self.threshold_factor);
        let plain = ExpectedRange { value: known.mean, lower, upper };
        let holds = |it: &ExpectedRange| (it.lower..=it.upper).contains(&point.values[idx]);
        let of_the_hour = self.detectors.seasonal.expected(point.at, idx, self.threshold_factor);
        let by_detector = PerDetector {
            zscore: self.detectors.zscore.expected(idx),
            baseline: Some(known.mean),
            seasonal: of_the_hour.as_ref().map(|it| it.value),
            ..PerDetector::default()
        };
        let ExpectedRange { value, lower, upper } =
            of_the_hour.filter(|it| !holds(it) || holds(&plain)).unwrap_or(plain);
        let expected =
            ExpectedValue { value: value.clamp(0.0, most), lower: lower.max(0.0), upper: upper.min(most) };
        Some((expected, by_detector.map(|it| it.map(|it| it.clamp(0.0, most)))))
    }
}
