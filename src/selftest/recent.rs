//! The points of the last hour of a subject.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::window::Point;

/// So many whole points are kept, the last hour when a point is 30 s: of 30 signals, 35 kB.
pub const POINTS: usize = 120;

/// The last points, oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RecentPoints {
    points: VecDeque<Point>,
}

impl RecentPoints {
    /// Whether it can go on, of so many signals.
    pub(crate) fn fits(&self, signals: usize) -> bool {
        self.points.len() <= POINTS && self.points.iter().all(|it| it.is_of(signals))
    }

    /// Takes an ordinary point; the oldest one goes.
    pub fn push(&mut self, point: &Point) {
        if self.points.len() == POINTS {
            self.points.pop_front();
        }
        self.points.push_back(point.clone());
    }

    /// Forgets them: what comes now is not ordinary, and the hour begins again after it.
    pub fn clear(&mut self) {
        self.points.clear();
    }

    /// Whether the hour is whole.
    pub fn is_full(&self) -> bool {
        self.points.len() == POINTS
    }

    /// All of them.
    pub fn points(&self) -> Vec<Point> {
        self.points.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Timestamp;

    #[test]
    fn the_last_hour_is_kept() {
        let mut recent = RecentPoints::default();
        for t in 0..POINTS + 5 {
            assert_eq!(recent.is_full(), t >= POINTS);
            recent.push(&Point { at: Timestamp(t as f64), values: vec![t as f64], missing: vec![false] });
        }
        let points = recent.points();
        assert_eq!((points.len(), points[0].at.0, points[0].values[0]), (POINTS, 5.0, 5.0));
        recent.clear();
        assert!(!recent.is_full() && recent.points().is_empty());
    }
}
