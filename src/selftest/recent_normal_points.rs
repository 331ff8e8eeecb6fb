//! The last points of a subject outside of anomalies.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::window::Point;

/// Number of whole points kept: the last hour if a point is 30 s; 35 kB for 30 signals.
pub const POINTS: usize = 120;

/// The last points, oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RecentNormalPoints {
    points: VecDeque<Point>,
}

impl RecentNormalPoints {
    /// Whether this restored state has this number of signals.
    pub(crate) fn fits(&self, signals: usize) -> bool {
        self.points.len() <= POINTS && self.points.iter().all(|it| it.is_of(signals))
    }

    /// Adds a normal point and removes the oldest.
    pub fn push(&mut self, point: &Point) {
        if self.points.len() == POINTS {
            self.points.pop_front();
        }
        self.points.push_back(point.clone());
    }

    /// Removes all points, because the present ones are not normal; the hour starts again afterwards.
    pub fn clear(&mut self) {
        self.points.clear();
    }

    /// Whether the hour is complete.
    pub fn is_full(&self) -> bool {
        self.points.len() == POINTS
    }

    /// The points, oldest first.
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
        let mut recent = RecentNormalPoints::default();
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
