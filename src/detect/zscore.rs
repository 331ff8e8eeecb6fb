//! Distance from the mean of the last 100 points, in standard deviations (three-sigma rule over a moving window).

use std::collections::VecDeque;

use super::adaptive::{ROUNDING, deviations};
use super::{Detector, Lesson, Shape, Verdict, View};

/// Points that the moving window holds.
const POINTS_MAX: usize = 100;
/// Points it takes to have an opinion.
const POINTS_MIN: usize = 10;
/// Distances above this are anomalies, in standard deviations.
const THRESHOLD: f64 = 3.0;

pub(super) fn build(shape: &Shape) -> Box<dyn Detector> {
    Box::new(ZScore { floors: shape.floors.clone(), past: VecDeque::new(), moments: Vec::new() })
}

#[derive(Debug, Clone)]
struct ZScore {
    floors: Vec<f64>,
    past: VecDeque<Vec<Option<f64>>>,
    /// Mean and standard deviation of each signal over `past`; nothing where it was there too seldom.
    moments: Vec<Option<(f64, f64)>>,
}

impl Detector for ZScore {
    fn judge(&self, view: &View<'_>) -> Verdict {
        if self.past.len() < POINTS_MIN {
            return Verdict::Abstain;
        }
        let each =
            self.moments.iter().zip(&self.floors).zip(view.point.values.iter().zip(&view.point.missing));
        let score = each
            .filter(|(_, (_, missing))| !**missing)
            .filter_map(|((moments, floor), (value, _))| Some(((*moments)?, floor, value)))
            .map(|((mean, deviation), floor, value)| {
                let spread = deviation.max(mean.abs() * ROUNDING).max(f64::MIN_POSITIVE);
                deviations(value - mean, spread, *floor).abs()
            })
            .fold(0.0, f64::max);
        Verdict::Score { score, threshold: THRESHOLD, shares: Vec::new() }
    }

    fn learn(&mut self, view: &View<'_>, lesson: Lesson) {
        if !lesson.step || lesson.quarantined {
            return;
        }
        if self.past.len() == POINTS_MAX {
            self.past.pop_front();
        }
        let values = view.point.values.iter().zip(&view.point.missing);
        self.past.push_back(values.map(|(value, missing)| (!missing).then_some(*value)).collect());
        let each = 0..self.floors.len();
        self.moments = each.map(|idx| moments(self.past.iter().filter_map(|it| it[idx]))).collect();
    }
}

/// Mean and population standard deviation of at least [`POINTS_MIN`] values.
fn moments(values: impl Iterator<Item = f64> + Clone) -> Option<(f64, f64)> {
    let count = values.clone().count();
    if count < POINTS_MIN {
        return None;
    }
    let count = count as f64;
    let mean = values.clone().sum::<f64>() / count;
    let variance = values.map(|it| (it - mean).powi(2)).sum::<f64>() / count;
    Some((mean, variance.sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Point;

    fn check(past: &[f64], newest: f64, verdict: Option<f64>) {
        let mut detector = build(&Shape::plain(vec![0.0], 1e4));
        let point = |value| Point { values: vec![value], missing: vec![false], ..Point::default() };
        for value in past {
            let point = point(*value);
            let view = View { point: &point, z: &[0.0], noise: &[0.0], width: 1.0 };
            detector.learn(&view, Lesson { weight: 1.0, step: true, quarantined: false });
        }
        let point = point(newest);
        let found = detector.judge(&View { point: &point, z: &[0.0], noise: &[0.0], width: 1.0 });
        let expected = verdict.map(|it| it / THRESHOLD);
        match (found.relative(), expected) {
            (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-9, "{found} {expected}"),
            (found, expected) => assert_eq!(found, expected),
        }
    }

    #[test]
    fn counts_deviations_over_the_last_hundred_points() {
        let wave: Vec<f64> = (0..100).map(|it| f64::from(it % 2)).collect();
        check(&wave, 2.5, Some(4.0));
        let old_shift: Vec<f64> = [50.0; 80].into_iter().chain(wave).collect();
        check(&old_shift, 2.5, Some(4.0));
    }

    #[test]
    fn abstains_while_young() {
        check(&[1.0; POINTS_MIN - 1], 2.0, None);
    }
}
