//! Time in buckets of five minutes, or of one point if points are further apart.

use serde::{Deserialize, Serialize};

use crate::codec::COUNT_MAX;
use crate::reading::Timestamp;

const DAY_SECONDS: f64 = 86_400.0;
/// Buckets in a day, at most: one each five minutes.
pub const PER_DAY_MAX: usize = 288;
/// With fewer buckets a day has no shape.
const PER_DAY_MIN: usize = 8;
/// Instants further from the epoch than so many seconds are as good as this far away.
const SECONDS_MAX: f64 = 1e12;

/// Days in a week.
pub(super) const WEEK: usize = 7;

/// Whether buckets can be counted from and to this one.
pub(super) fn is_bucket(bucket: i64) -> bool {
    bucket.unsigned_abs() < COUNT_MAX as u64
}

/// How time is cut into buckets; a day is cut into equal ones, all days alike, by the wall clock in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TimeGrid {
    per_day: usize,
}

impl TimeGrid {
    /// For points that come so often, with so many buckets at most; nothing when they are too few to show a day.
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

    /// The bucket that this instant lies in, counted from the epoch.
    pub(super) fn bucket(self, at: Timestamp) -> i64 {
        let seconds = at.0.clamp(-SECONDS_MAX, SECONDS_MAX);
        (seconds / DAY_SECONDS * self.per_day as f64).floor() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(points_per_day: f64, seconds: f64, bucket: Option<i64>) {
        let found = TimeGrid::new(points_per_day, PER_DAY_MAX).map(|it| it.bucket(Timestamp(seconds)));
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
