//! Time in buckets of five minutes, or of one point if points are further apart.

use serde::{Deserialize, Serialize};

use crate::learned_state_codec::COUNT_MAX;

const DAY_SECONDS: f64 = 86_400.0;
/// Largest number of buckets in a day: one every five minutes.
pub const PER_DAY_MAX: usize = 288;
/// Smallest number of buckets that resolves a day.
const PER_DAY_MIN: usize = 8;
/// Times are clamped to this many seconds from the epoch.
const SECONDS_MAX: f64 = 1e12;

/// Days in a week.
pub(super) const WEEK: usize = 7;

/// Whether arithmetic with this bucket cannot overflow.
pub(super) fn is_bucket(bucket: i64) -> bool {
    bucket.unsigned_abs() < COUNT_MAX as u64
}

/// The division of time into buckets: equal ones that divide a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BucketGrid {
    per_day: usize,
}

impl BucketGrid {
    /// A grid for this rate of points with at most `per_day_max` buckets; `None` if points are too rare to resolve a
    /// day.
    pub(super) fn new(points_per_day: f64, per_day_max: usize) -> Option<Self> {
        let per_day = (points_per_day as usize).min(per_day_max).min(PER_DAY_MAX);
        (per_day >= PER_DAY_MIN).then_some(Self { per_day })
    }

    /// Buckets in a day.
    pub(super) fn day(self) -> usize {
        self.per_day
    }

    /// Buckets in a week.
    pub(super) fn week(self) -> usize {
        WEEK * self.per_day
    }

    /// The bucket of this local time, in seconds, counted from the epoch.
    pub(super) fn bucket(self, local: f64) -> i64 {
        let seconds = local.clamp(-SECONDS_MAX, SECONDS_MAX);
        (seconds / DAY_SECONDS * self.per_day as f64).floor() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(points_per_day: f64, seconds: f64, bucket: Option<i64>) {
        let found = BucketGrid::new(points_per_day, PER_DAY_MAX).map(|it| it.bucket(seconds));
        assert_eq!(found, bucket, "{points_per_day} points a day, {seconds} s");
    }

    #[test]
    fn a_bucket_is_five_minutes_or_a_point() {
        check(2_880.0, 599.0, Some(1));
        check(1_440.0, 86_400.0, Some(288));
        check(24.0, 3_599.0, Some(0));
        check(24.0, 3_600.0, Some(1));
        check(1_440.0, -1.0, Some(-1));
        check(7.9, 0.0, None);
    }

    #[test]
    fn no_instant_is_too_far_away() {
        check(1_440.0, f64::NAN, Some(0));
        check(1_440.0, f64::INFINITY, Some(3_333_333_333));
        check(1_440.0, f64::MIN, Some(-3_333_333_334));
    }
}
