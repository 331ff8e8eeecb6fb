//! The time ranges of single queries.

/// Largest number of points in one query. Prometheus returns at most 11,000 for each series; one day at the default
/// step keeps responses small.
const POINTS_MAX: usize = 2_880;
/// A chunk with fewer than twice this many points is not halved.
const POINTS_MIN: usize = 60;
/// Largest number of milliseconds, as a time or a length: a hundred thousand years.
const MILLIS_MAX: i64 = 1 << 52;

/// Equidistant instants in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueryChunk {
    /// The first instant, since the epoch.
    pub(super) start: i64,
    /// Distance of adjacent instants.
    pub(super) step: i64,
    /// Number of instants.
    pub(super) points: usize,
}

impl QueryChunk {
    /// The range of length `lasting` before `until`, on a grid of the step since the epoch. It starts one step
    /// earlier, because a rate needs two readings.
    pub(super) fn whole(until: f64, lasting: f64, step: i64) -> Self {
        let step = step.max(1);
        // The casts saturate, and the clamped values cannot overflow.
        let steps = |seconds: f64| ((seconds * 1e3) as i64).clamp(-MILLIS_MAX, MILLIS_MAX).div_euclid(step);
        let (end, points) = (steps(until), steps(lasting).max(1));
        Self { start: (end - points) * step, step, points: usize::try_from(points + 1).unwrap_or(1) }
    }

    /// The range in chunks for one query each.
    pub(super) fn parts(self) -> impl Iterator<Item = Self> {
        (0..self.points).step_by(POINTS_MAX).map(move |idx| self.part(idx, POINTS_MAX.min(self.points - idx)))
    }

    /// Both halves; `None` if they would be too small.
    pub(super) fn split_in_half(self) -> Option<[Self; 2]> {
        let half = self.points / 2;
        (half >= POINTS_MIN).then(|| [self.part(0, half), self.part(half, self.points - half)])
    }

    fn part(self, idx: usize, points: usize) -> Self {
        Self { start: self.at(idx), points, ..self }
    }

    /// The instant at this index.
    pub(super) fn at(self, idx: usize) -> i64 {
        self.start.saturating_add(self.step.saturating_mul(i64::try_from(idx).unwrap_or(i64::MAX)))
    }

    /// The last instant.
    pub(super) fn end(self) -> i64 {
        self.at(self.points.saturating_sub(1))
    }

    /// The index of this instant; `None` between or outside the instants.
    pub(super) fn idx(self, millis: f64) -> Option<usize> {
        let exact = (millis - self.start as f64) / self.step as f64;
        let near = exact.round();
        let is_one = (exact - near).abs() < 0.01 && 0.0 <= near && near < self.points as f64;
        is_one.then_some(near as usize)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_range_ends_on_the_grid_and_starts_one_step_early() {
        let whole = QueryChunk::whole(1000.9, 90.0, 30_000);
        assert_eq!(whole, QueryChunk { start: 900_000, step: 30_000, points: 4 });
        assert_eq!(whole.end(), 990_000);
        assert_eq!(
            [900_000.0, 930_001.0, 945_000.0, 1_020_000.0].map(|it| whole.idx(it)),
            [Some(0), Some(1), None, None]
        );
        assert_eq!(whole.split_in_half(), None);
    }

    proptest! {
        #[test]
        fn parts_cover_all_once(points in 1usize..20_000, step in 1i64..100_000) {
            let whole = QueryChunk { start: 7 * step, step, points };
            let mut next = whole.start;
            for part in whole.parts() {
                prop_assert!(part.points <= POINTS_MAX && part.start == next);
                if let Some([one, other]) = part.split_in_half() {
                    prop_assert_eq!((one.start, one.end() + step, other.end()), (part.start, other.start, part.end()));
                }
                next = part.end() + step;
            }
            prop_assert_eq!(next, whole.end() + step);
        }

        #[test]
        fn any_time_range_is_divided(until in any::<f64>(), lasting in 0.0..1e12f64, millis in any::<f64>()) {
            let whole = QueryChunk::whole(until, lasting, 30_000);
            let _ = (whole.idx(millis), whole.end());
        }
    }
}
