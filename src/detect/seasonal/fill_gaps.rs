//! Fills gaps in a signal, because the decomposition needs complete data.

use super::bucket_grid::BucketGrid;

/// Signals with a greater share of missing values are not fitted.
const MISSING_MAX: f64 = 1.0 / 3.0;
/// Gaps of up to this share of a day (an hour) are interpolated.
const SHORT: usize = 24;

/// The values without gaps; `None` if too many are missing. A gap is NaN.
///
/// Short gaps are interpolated linearly. Longer ones are filled with the values of a week before, or a day before with
/// less history, or after; so that the fit does not invent a season.
pub(super) fn fill(values: &[f32], grid: BucketGrid) -> Option<Vec<f32>> {
    let missing = values.iter().filter(|it| it.is_nan()).count();
    if missing as f64 > MISSING_MAX * values.len() as f64 || missing == values.len() {
        return None;
    }
    let mut filled = values.to_vec();
    if missing == 0 {
        return Some(filled);
    }
    let short = (grid.day() / SHORT).max(1);
    let mut from = 0;
    while from < values.len() {
        let length = values[from..].iter().take_while(|it| it.is_nan()).count();
        if length > short {
            (from..from + length)
                .for_each(|idx| filled[idx] = value_of_another_day(&filled, values, idx, grid));
        }
        from += length.max(1);
    }
    bridge(&mut filled);
    Some(filled)
}

/// The value at the same time of another day.
fn value_of_another_day(filled: &[f32], values: &[f32], idx: usize, grid: BucketGrid) -> f32 {
    let before =
        [grid.week(), grid.day()].into_iter().filter_map(|period| filled.get(idx.checked_sub(period)?));
    let after = [grid.day(), grid.week()].into_iter().filter_map(|period| values.get(idx + period));
    before.chain(after).copied().find(|it| !it.is_nan()).unwrap_or(f32::NAN)
}

/// Interpolates missing values linearly.
fn bridge(values: &mut [f32]) {
    let mut last: Option<(usize, f32)> = None;
    for idx in 0..values.len() {
        let value = values[idx];
        if value.is_nan() {
            continue;
        }
        let (from, start) = last.map_or((0, value), |(at, start)| (at + 1, start));
        let step = (value - start) / (idx + 1 - from) as f32;
        (from..idx).for_each(|hole| values[hole] = start + step * (hole + 1 - from) as f32);
        last = Some((idx, value));
    }
    if let Some((at, value)) = last {
        values[at + 1..].fill(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLE: f32 = f32::NAN;

    /// Days of 24 buckets, so that a gap of one bucket is short.
    fn check(values: &[f32], expected: Option<&[f32]>) {
        let found =
            fill(values, BucketGrid::new(24.0, crate::detect::seasonal::BUCKETS_PER_DAY_MAX).unwrap());
        assert_eq!(found.as_deref(), expected, "{values:?}");
    }

    #[test]
    fn short_gaps_are_interpolated() {
        check(&[1.0, 2.0], Some(&[1.0, 2.0]));
        check(&[1.0, HOLE, 2.0], Some(&[1.0, 1.5, 2.0]));
        check(&[HOLE, 3.0, 4.0], Some(&[3.0, 3.0, 4.0]));
        check(&[3.0, 4.0, HOLE], Some(&[3.0, 4.0, 4.0]));
    }

    #[test]
    fn too_many_gaps_are_not_filled() {
        check(&[], None);
        check(&[HOLE], None);
        check(&[1.0, HOLE, HOLE, 2.0], None);
    }

    #[test]
    fn long_gaps_are_filled_from_another_day() {
        let hours = |days: usize| (0..24 * days).map(|hour| (hour % 24) as f32).collect::<Vec<f32>>();
        for from in [0, 5, 30, 58] {
            let mut holed = hours(3);
            holed[from..from + 14].fill(HOLE);
            check(&holed, Some(&hours(3)));
        }
    }

    #[test]
    fn a_gap_without_another_day_is_interpolated() {
        let mut values = vec![1.0; 12];
        values[4..7].fill(HOLE);
        check(&values, Some(&[1.0; 12]));
    }
}
