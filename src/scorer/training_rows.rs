//! The rows to train a forest on, thinned so that days of them stay small.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Scorer;
use crate::detect::forest::FeatureRows;
use crate::drift::DriftSamples;
use crate::learned_state_codec::COUNT_MAX;
use crate::reading::Timestamp;
use crate::training::TrainingSet;

/// Largest number of rows of the only subject of a kind. When they are full, every second row is removed and the
/// sampling rate is halved.
pub const ROWS_MAX: usize = 8_192;
/// Age in seconds beyond which rows are not used for training.
const AGE_MAX: f64 = 7.0 * 86_400.0;

/// Number of whole points that fills the sample of a tree; the overlapping points of the warm-up are then no longer
/// used.
const ROWS_ENOUGH: usize = 256;

/// The rows of one subject, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TrainingRows {
    #[serde(with = "crate::learned_state_codec::timed_rows")]
    rows: VecDeque<(Timestamp, Box<[f32]>)>,
    rows_max: usize,
    /// One of this many rows is kept.
    stride: usize,
    /// Rows skipped since the last one kept.
    skipped: usize,
}

impl TrainingRows {
    pub(super) fn new(rows_max: usize) -> Self {
        Self { rows: VecDeque::new(), rows_max, stride: 1, skipped: 0 }
    }

    /// Whether this restored state can replace `fresh`, with rows of this width.
    pub(super) fn fits(&self, fresh: &Self, width: usize) -> bool {
        self.rows_max == fresh.rows_max
            && self.rows.len() <= self.rows_max
            && self.rows.iter().all(|(_, row)| row.len() == width)
            && (1..COUNT_MAX).contains(&self.stride)
            && self.skipped < COUNT_MAX
    }

    pub(super) fn push(&mut self, at: Timestamp, row: impl Iterator<Item = f32>) {
        self.skipped += 1;
        if self.skipped < self.stride {
            return;
        }
        self.skipped = 0;
        // After a backward clock step, rows from the future would never expire.
        while self.rows.back().is_some_and(|(newest, _)| newest.0 > at.0) {
            self.rows.pop_back();
        }
        while self.rows.front().is_some_and(|(oldest, _)| at.0 - oldest.0 > AGE_MAX) {
            self.rows.pop_front();
        }
        if self.rows.len() == self.rows_max {
            let mut keep = false;
            self.rows.retain(|_| {
                keep = !keep;
                keep
            });
            self.stride *= 2;
        }
        self.rows.push_back((at, row.collect()));
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows from an instant on, oldest first.
    fn since(&self, from: Timestamp) -> impl DoubleEndedIterator<Item = &(Timestamp, Box<[f32]>)> {
        self.rows.iter().filter(move |(at, _)| *at >= from)
    }

    /// Time of the oldest and the newest row since an instant.
    pub(super) fn span(&self, from: Timestamp) -> Option<[Timestamp; 2]> {
        Some([self.since(from).next()?.0, self.rows.back()?.0])
    }

    pub(super) fn copy_into(&self, rows: &mut FeatureRows, from: Timestamp) {
        self.since(from).for_each(|(_, row)| rows.push(row));
    }
}

impl Scorer {
    /// The training set for a forest of this subject.
    pub fn training_set(&self) -> TrainingSet {
        self.training_set_since(Timestamp(f64::NEG_INFINITY))
    }

    /// The training set of the points since an instant.
    pub fn training_set_since(&self, from: Timestamp) -> TrainingSet {
        let early = if self.history.len() < ROWS_ENOUGH { Some(&self.early) } else { None };
        let mut rows = FeatureRows::new(self.smooth.len());
        early.into_iter().chain([&self.history]).for_each(|it| it.copy_into(&mut rows, from));
        TrainingSet {
            rows,
            noise: self.expectation.plain().noise().into_iter().map(|it| it as f32).collect(),
            starts: Vec::new(),
            span: self.span(from),
            log: DriftSamples::default(),
        }
    }

    /// Time of the oldest and the newest training row.
    fn span(&self, from: Timestamp) -> Option<[Timestamp; 2]> {
        let rows = [&self.early, &self.history].into_iter().filter_map(|it| it.span(from));
        rows.reduce(|[from, one], [other, to]| [Timestamp(from.0.min(other.0)), Timestamp(one.0.max(to.0))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pushed: usize, seconds: f64, kept: usize, oldest: f32) {
        let mut thinned = TrainingRows::new(ROWS_MAX);
        for t in 0..pushed {
            thinned.push(Timestamp(t as f64 * seconds), std::iter::once(t as f32));
        }
        let mut rows = FeatureRows::new(1);
        thinned.copy_into(&mut rows, Timestamp(f64::NEG_INFINITY));
        assert_eq!((rows.len(), rows.row(0)[0]), (kept, oldest), "{pushed} rows");
    }

    #[test]
    fn is_thinned_when_full_and_forgets_what_is_old() {
        check(10, 30.0, 10, 0.0);
        check(ROWS_MAX, 30.0, ROWS_MAX, 0.0);
        check(ROWS_MAX + 1, 30.0, ROWS_MAX / 2 + 1, 0.0);
        check(10, 86_400.0, 8, 2.0);
    }
}
