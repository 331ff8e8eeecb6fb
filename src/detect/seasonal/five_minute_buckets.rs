//! Collects points into five-minute means of each signal, for the last weeks.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::bucket_grid::{BucketGrid, is_bucket};
use crate::detect::smoothing_factor;
use crate::window::Point;

/// Buckets older than this many weeks are removed.
const WEEKS_MAX: usize = 4;
/// A larger value is missing, because it would overflow in single precision.
const VALUE_MAX: f64 = 1e30;
/// A clock that steps back by at most this share of a day repeats buckets; a larger step means that it was wrong
/// before.
const STEP_BACK: f64 = 1.0 / 8.0;
/// Half-life of the variance inside buckets, in days.
const WITHIN_DAYS: f64 = 7.0;

/// The current bucket.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct OpenBucket {
    bucket: i64,
    /// Number of points, mean and sum of squared distances of each signal, by Welford's method.
    moments: Vec<(f64, f64, f64)>,
}

/// Effect of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BucketUpdate {
    /// It lies in the current bucket or an earlier one.
    Same,
    /// It starts a new bucket and completes the previous one.
    Closed,
    /// The clock stepped back far: all history of times of day is invalid.
    Restarted,
}

/// The buckets of one subject.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct BucketCollector {
    grid: BucketGrid,
    /// Means of complete buckets, oldest first; NaN for a missing signal, an empty row if all were missing. Shared
    /// with histories that are being fitted.
    #[serde(with = "crate::learned_state_codec::shared_rows")]
    rows: VecDeque<Arc<[f32]>>,
    hole: Arc<[f32]>,
    /// The bucket after the newest row.
    end: i64,
    open: Option<OpenBucket>,
    /// Variance of points inside a bucket and its weight, for each signal.
    within: Vec<(f64, f64)>,
}

impl BucketCollector {
    pub(super) fn new(grid: BucketGrid, width: usize) -> Self {
        Self {
            grid,
            rows: VecDeque::new(),
            hole: Arc::from([]),
            end: 0,
            open: None,
            within: vec![(0.0, 0.0); width],
        }
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(super) fn fits(&self, fresh: &Self) -> bool {
        let width = fresh.within.len();
        self.grid == fresh.grid
            && self.within.len() == width
            && self.rows.len() <= WEEKS_MAX * self.grid.week()
            && self.rows.iter().all(|it| it.is_empty() || it.len() == width)
            && is_bucket(self.end)
            && self.open.as_ref().is_none_or(|it| is_bucket(it.bucket) && it.moments.len() == width)
    }

    /// Number of rows, including gaps.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The bucket after the newest row.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// The newest complete bucket.
    pub(super) fn newest(&self) -> Option<&[f32]> {
        self.rows.back().map(|it| &**it)
    }

    /// All complete buckets, for a fit.
    pub(super) fn history(&self) -> BucketHistory {
        BucketHistory {
            grid: self.grid,
            first: self.end - self.rows.len() as i64,
            rows: self.rows.iter().cloned().collect(),
            within: self.within.iter().map(|(variance, _)| *variance).collect(),
        }
    }

    /// Adds a normal point, which lies in `bucket`.
    pub(super) fn push(&mut self, point: &Point, bucket: i64) -> BucketUpdate {
        let back = (STEP_BACK * self.grid.day() as f64) as i64;
        let turn = match &self.open {
            Some(open) if bucket == open.bucket => BucketUpdate::Same,
            Some(open) if bucket < open.bucket - back => {
                self.rows.clear();
                BucketUpdate::Restarted
            }
            Some(open) if bucket < open.bucket => return BucketUpdate::Same,
            Some(_) => {
                self.close();
                BucketUpdate::Closed
            }
            None => BucketUpdate::Same,
        };
        if turn != BucketUpdate::Same {
            self.open = None;
        }
        let width = self.within.len();
        let open =
            self.open.get_or_insert_with(|| OpenBucket { bucket, moments: vec![(0.0, 0.0, 0.0); width] });
        let values = point.values.iter().zip(&point.missing);
        for ((count, mean, squares), (value, missing)) in open.moments.iter_mut().zip(values) {
            if !missing && value.abs() <= VALUE_MAX {
                *count += 1.0;
                let error = value - *mean;
                *mean += error / *count;
                *squares += error * (value - *mean);
            }
        }
        turn
    }

    /// Completes the current bucket.
    fn close(&mut self) {
        let Some(OpenBucket { bucket, moments }) = self.open.take() else { return };
        if !self.rows.is_empty() {
            // Whole weeks without points are left out, which preserves times of day and week.
            let missed = (bucket - self.end).max(0) as usize % self.grid.week();
            (0..missed).for_each(|_| self.store_row(Arc::clone(&self.hole)));
        }
        let late = smoothing_factor(WITHIN_DAYS * self.grid.day() as f64);
        for ((variance, weight), (count, _, squares)) in self.within.iter_mut().zip(&moments) {
            if *count > 0.0 {
                *weight += 1.0;
                *variance += late.max(1.0 / *weight) * (squares / count - *variance);
            }
        }
        let mean = |(count, mean, _): (f64, f64, f64)| if count > 0.0 { mean as f32 } else { f32::NAN };
        self.store_row(moments.into_iter().map(mean).collect());
        self.end = bucket + 1;
    }

    fn store_row(&mut self, row: Arc<[f32]>) {
        if self.rows.len() == WEEKS_MAX * self.grid.week() {
            self.rows.pop_front();
        }
        self.rows.push_back(row);
    }
}

/// The input of a fit: the buckets of the last weeks.
#[derive(Debug, Clone)]
pub struct BucketHistory {
    pub(super) grid: BucketGrid,
    /// The bucket of the first row.
    pub(super) first: i64,
    pub(super) rows: Vec<Arc<[f32]>>,
    /// Variance of points inside a bucket, for each signal.
    pub(super) within: Vec<f64>,
}

impl BucketHistory {
    /// Number of signals.
    pub(super) fn width(&self) -> usize {
        self.within.len()
    }

    /// The values of one signal; NaN where it was missing.
    pub(super) fn column(&self, idx: usize) -> Vec<f32> {
        self.rows.iter().map(|row| row.get(idx).copied().unwrap_or(f32::NAN)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Timestamp;

    const BUCKET: f64 = 300.0;

    fn collector() -> BucketCollector {
        BucketCollector::new(
            BucketGrid::new(1_440.0, crate::detect::seasonal::BUCKETS_PER_DAY_MAX).unwrap(),
            2,
        )
    }

    fn push(collector: &mut BucketCollector, at: f64, value: f64) -> BucketUpdate {
        let point = Point { at: Timestamp(at), values: vec![value, 1.0], missing: vec![false, true] };
        let bucket = collector.grid.bucket(at);
        collector.push(&point, bucket)
    }

    /// Pushes points and compares the buckets of the first signal; `None` is a gap.
    fn check(points: &[(f64, f64)], first: i64, expected: &[Option<f32>]) {
        let mut collector = collector();
        for (at, value) in points {
            push(&mut collector, *at, *value);
        }
        let history = collector.history();
        let found: Vec<Option<f32>> =
            history.column(0).into_iter().map(|it| (!it.is_nan()).then_some(it)).collect();
        assert_eq!((history.first, found.as_slice()), (first, expected), "{points:?}");
        assert!(history.column(1).iter().all(|it| it.is_nan()));
    }

    #[test]
    fn a_bucket_is_the_mean_of_its_points() {
        check(&[(0.0, 1.0)], 0, &[]);
        check(&[(600.0, 1.0), (660.0, 2.0), (899.0, 6.0), (900.0, 9.0)], 2, &[Some(3.0)]);
        check(&[(0.0, 1e99), (300.0, 1.0), (600.0, 2.0)], 0, &[None, Some(1.0)]);
    }

    #[test]
    fn gaps_are_kept_and_whole_weeks_are_skipped() {
        check(&[(0.0, 1.0), (900.0, 2.0), (1_200.0, 3.0)], 0, &[Some(1.0), None, None, Some(2.0)]);
        let week = 2_016.0 * BUCKET;
        let late = 2.0 * week + BUCKET;
        check(&[(0.0, 1.0), (late, 2.0), (late + BUCKET, 3.0)], 2 * 2_016, &[Some(1.0), Some(2.0)]);
    }

    #[test]
    fn a_clock_that_steps_back_does_no_harm() {
        let mut stepped = collector();
        (0..50).for_each(|idx| {
            assert_ne!(push(&mut stepped, f64::from(idx) * BUCKET, 1.0), BucketUpdate::Restarted);
        });
        // An hour repeats: it is not collected twice.
        (37..50)
            .for_each(|idx| assert_eq!(push(&mut stepped, f64::from(idx) * BUCKET, 9.0), BucketUpdate::Same));
        assert_eq!(push(&mut stepped, 50.0 * BUCKET, 1.0), BucketUpdate::Closed);
        assert_eq!(stepped.len(), 50);
        assert!(stepped.history().column(0)[..49].iter().all(|it| (*it - 1.0).abs() < 1e-6));
        assert_eq!(push(&mut stepped, -1e9, 1.0), BucketUpdate::Restarted);
        assert_eq!(stepped.len(), 0);
    }

    #[test]
    fn four_weeks_are_kept() {
        let mut collector = collector();
        (0..9_000).for_each(|idx| _ = push(&mut collector, f64::from(idx) * BUCKET, f64::from(idx)));
        assert_eq!((collector.len(), collector.history().first), (4 * 2_016, 8_999 - 4 * 2_016));
    }

    #[test]
    fn the_spread_inside_buckets_is_known() {
        let mut collector = collector();
        (0..500).for_each(|idx| _ = push(&mut collector, f64::from(idx) * 60.0, f64::from(idx % 5)));
        assert!((collector.history().within[0] - 2.0).abs() < 1e-9, "{:?}", collector.within);
    }
}
