//! Evenly spaced numbers and quantiles as in numpy, operation by operation.
//!
//! A threshold is compared with the scores it was computed from, so a different rounding could change the number of alerts.

use std::cmp::Ordering;

/// `count` evenly spaced numbers from `start` to `stop`, both included (`numpy.linspace`).
pub(super) fn linspace(start: f64, stop: f64, count: usize) -> Vec<f64> {
    let gaps = count.saturating_sub(1);
    let step = (stop - start) / gaps.max(1) as f64;
    let mut numbers: Vec<f64> = (0..count).map(|idx| idx as f64 * step + start).collect();
    if gaps > 0
        && let Some(last) = numbers.last_mut()
    {
        *last = stop;
    }
    numbers
}

/// `count` numbers from `start` to `stop` with a constant ratio (`numpy.geomspace`).
pub(super) fn geomspace(start: f64, stop: f64, count: usize) -> Vec<f64> {
    let mut numbers: Vec<f64> =
        linspace(start.log10(), stop.log10(), count).into_iter().map(|it| 10_f64.powf(it)).collect();
    if let [first, .., last] = numbers.as_mut_slice() {
        (*first, *last) = (start, stop);
    }
    numbers
}

/// The quantile of ascending values, interpolated linearly (`numpy.quantile`, `_lerp`); `None` without values.
pub(super) fn linear(ascending: &[f64], share: f64) -> Option<f64> {
    let place = ascending.len().checked_sub(1)? as f64 * share;
    let (low, part) = (place.floor(), place - place.floor());
    let last = *ascending.last()?;
    let below = ascending.get(low as usize).copied().unwrap_or(last);
    let above = ascending.get(low as usize + 1).copied().unwrap_or(last);
    let gap = above - below;
    Some(if part < 0.5 { below + gap * part } else { above - gap * (1.0 - part) })
}

/// The value nearest to the quantile; a position halfway rounds to the even index (`method='nearest'`).
pub(super) fn nearest(ascending: &[f64], share: f64) -> Option<f64> {
    let place = ascending.len().checked_sub(1)? as f64 * share;
    ascending.get(place.round_ties_even() as usize).copied()
}

/// Sorts the values and removes duplicates and values that are not finite (`numpy.unique` of finite values).
pub(super) fn unique(mut values: Vec<f64>) -> Vec<f64> {
    values.retain(|it| it.is_finite());
    values.sort_by(f64::total_cmp);
    // The two zeros are equal and adjacent.
    values.dedup_by(|a, b| a.partial_cmp(&b).is_some_and(Ordering::is_eq));
    values
}

/// The median; `None` without values.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some((values.get(middle.checked_sub(1)?)? + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
        }
    }

    #[test]
    fn spaces_are_those_of_numpy() {
        check(&linspace(0.0, 1.0, 5), &[0.0, 0.25, 0.5, 0.75, 1.0]);
        check(&linspace(0.0, 0.0, 3), &[0.0; 3]);
        check(&linspace(2.0, 3.0, 1), &[2.0]);
        check(&linspace(2.0, 3.0, 0), &[]);
        check(&geomspace(1.0, 1000.0, 4), &[1.0, 10.0, 100.0, 1000.0]);
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        let values = [1.0, 2.0, 4.0, 8.0];
        let linear = |share| linear(&values, share).unwrap();
        let nearest = |share| nearest(&values, share).unwrap();
        check(&[0.0, 0.1, 0.5, 0.9, 1.0].map(linear), &[1.0, 1.3, 3.0, 6.8, 8.0]);
        // Halfway between the positions 0 and 1, 1 and 2, 2 and 3.
        check(&[0.0, 1.0 / 6.0, 0.5, 5.0 / 6.0, 1.0].map(nearest), &[1.0, 1.0, 4.0, 4.0, 8.0]);
        assert_eq!(super::linear(&[], 0.5), None);
        assert_eq!(super::nearest(&[], 0.5), None);
    }

    #[test]
    fn each_value_once() {
        check(&unique(vec![3.0, f64::NAN, 1.0, 3.0, f64::INFINITY, 0.0, -0.0]), &[0.0, 1.0, 3.0]);
    }

    #[test]
    fn the_median_lies_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
