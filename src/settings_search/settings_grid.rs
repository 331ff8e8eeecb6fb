//! The grid of combinations.

/// Largest number of combinations in a search; two cores take some minutes.
pub const COMBINATIONS_MAX: usize = 500;

const DAY_SECONDS: f64 = 86_400.0;

/// The settings of one combination.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SettingsCombination {
    /// Number of trees.
    pub trees: usize,
    /// Number of points for each tree.
    pub sample_size: usize,
    /// Half-life of learned statistics, in seconds.
    pub half_life: f64,
    /// Half-life of the score, in points.
    pub smoothing: f64,
    /// Number of rows that a point averages.
    pub window: usize,
}

/// All combinations around a default, which comes first. The small grid has one other value for each setting, the full
/// one two or three.
pub fn grid(default: SettingsCombination, full: bool) -> Vec<SettingsCombination> {
    let (trees, samples): (&[usize], &[usize]) =
        if full { (&[50, 100, 200], &[128, 256, 512]) } else { (&[200], &[512]) };
    let (days, smoothings): (&[f64], &[f64]) =
        if full { (&[1.0, 3.0, 7.0, 14.0], &[0.5, 1.0, 2.0, 4.0]) } else { (&[2.0], &[2.0]) };
    let windows: &[usize] = if full { &[1, 2, 5] } else { &[2] };
    let mut all = vec![default];
    widen(&mut all, trees, |it, trees| it.trees = trees);
    widen(&mut all, samples, |it, sample| it.sample_size = sample);
    widen(&mut all, days, |it, days| it.half_life = days * DAY_SECONDS);
    widen(&mut all, smoothings, |it, smoothing| it.smoothing = smoothing);
    widen(&mut all, windows, |it, window| it.window = window);
    all.truncate(COMBINATIONS_MAX);
    all
}

/// Adds each combination with each value, without duplicates.
fn widen<T: Copy>(
    all: &mut Vec<SettingsCombination>,
    values: &[T],
    set: impl Fn(&mut SettingsCombination, T),
) {
    for idx in 0..all.len() {
        for value in values {
            let mut other = all[idx];
            set(&mut other, *value);
            if !all.contains(&other) {
                all.push(other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_is_bounded_and_begins_with_the_default() {
        let default = SettingsCombination {
            trees: 100,
            sample_size: 256,
            half_life: 7.0 * DAY_SECONDS,
            smoothing: 1.0,
            window: 1,
        };
        for (full, count) in [(false, 32), (true, 432)] {
            let all = grid(default, full);
            assert_eq!((all.len(), all[0]), (count, default));
            assert!(all.iter().enumerate().all(|(idx, it)| !all[..idx].contains(it)));
        }
        let odd =
            SettingsCombination { trees: 77, sample_size: 99, half_life: 5.0, smoothing: 3.0, window: 3 };
        assert_eq!(grid(odd, true).len(), COMBINATIONS_MAX);
    }
}
