//! Rows that a forest is trained on, thinned so that days of them stay small.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::detect::forest::Rows;
use crate::reading::Timestamp;
use crate::seal::COUNT_MAX;

/// Rows that are kept of one subject; when they are full every other one goes and only half as many come.
pub(super) const ROWS_MAX: usize = 8_192;
/// Rows older than this many seconds are not trained on.
const AGE_MAX: f64 = 7.0 * 86_400.0;

/// The rows of one subject, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Thinned {
    rows: VecDeque<(Timestamp, Box<[f32]>)>,
    /// One of so many rows is kept.
    stride: usize,
    /// Rows since one was kept.
    skipped: usize,
}

impl Thinned {
    pub(super) fn new() -> Self {
        Self { rows: VecDeque::new(), stride: 1, skipped: 0 }
    }

    /// Whether it can go on, with rows so wide.
    pub(super) fn fits(&self, width: usize) -> bool {
        self.rows.len() <= ROWS_MAX
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
        // A clock that stepped back leaves rows of the future behind, which would never be old.
        while self.rows.back().is_some_and(|(newest, _)| newest.0 > at.0) {
            self.rows.pop_back();
        }
        while self.rows.front().is_some_and(|(oldest, _)| at.0 - oldest.0 > AGE_MAX) {
            self.rows.pop_front();
        }
        if self.rows.len() == ROWS_MAX {
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

    /// When the oldest and the newest row were.
    pub(super) fn span(&self) -> Option<[Timestamp; 2]> {
        Some([self.rows.front()?.0, self.rows.back()?.0])
    }

    pub(super) fn copy_into(&self, rows: &mut Rows) {
        self.rows.iter().for_each(|(_, row)| rows.push(row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pushed: usize, seconds: f64, kept: usize, oldest: f32) {
        let mut thinned = Thinned::new();
        for t in 0..pushed {
            thinned.push(Timestamp(t as f64 * seconds), std::iter::once(t as f32));
        }
        let mut rows = Rows::new(1);
        thinned.copy_into(&mut rows);
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
