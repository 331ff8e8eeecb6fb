//! The points of a subject within a limit: of neighbors, the one with the highest score.

use crate::explanation::SignalValues;
use crate::reading::Timestamp;

/// Points in the order of time, at most so many. While there is room, each is kept; then the range is divided into parts of
/// equally many points, and each part keeps one.
#[derive(Debug)]
pub(super) struct ThinnedPoints {
    /// The score and the signals of the point of each part.
    parts: Vec<(Option<f64>, SignalValues)>,
    parts_max: usize,
    /// Number of points of each part, …
    in_part: usize,
    /// … and of the last one so far.
    in_last: usize,
}

impl ThinnedPoints {
    pub(super) fn new(points_max: usize) -> Self {
        Self { parts: Vec::new(), parts_max: points_max.max(2), in_part: 1, in_last: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Adds the next point.
    pub(super) fn push(&mut self, score: Option<f64>, signals: SignalValues) {
        if 0 < self.in_last && self.in_last < self.in_part {
            self.in_last += 1;
            if let Some(last) = self.parts.last_mut().filter(|last| last.0 < score) {
                *last = (score, signals);
            }
            return;
        }
        if self.parts.len() == self.parts_max {
            self.join_neighbors();
        }
        self.parts.push((score, signals));
        self.in_last = 1;
    }

    /// Makes each two parts one.
    fn join_neighbors(&mut self) {
        let mut number = 0;
        // Where the first of two has the higher score, it takes the place of the second, which is kept.
        for idx in (1..self.parts.len()).step_by(2) {
            if self.parts[idx].0 <= self.parts[idx - 1].0 {
                self.parts.swap(idx - 1, idx);
            }
        }
        let last = self.parts.len() - 1;
        self.parts.retain(|_| {
            number += 1;
            number % 2 == 0 || number > last
        });
        self.in_part *= 2;
    }

    /// The scores with their times, and the points, each the oldest first.
    pub(super) fn into_parts(self) -> (Vec<(Timestamp, f64)>, Vec<SignalValues>) {
        let scores = self.parts.iter().filter_map(|(score, it)| Some((it.at, (*score)?))).collect();
        (scores, self.parts.into_iter().map(|(_, it)| it).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn thinned(scores: &[Option<f64>], points_max: usize) -> ThinnedPoints {
        let mut points = ThinnedPoints::new(points_max);
        for (idx, score) in scores.iter().enumerate() {
            points.push(*score, SignalValues { at: Timestamp(idx as f64), values: vec![*score] });
        }
        points
    }

    #[test]
    fn of_neighbors_the_highest_score_is_kept() {
        let scores = [0.5, 0.25, 0.75, 1.5, 0.5, 0.25, 0.25, 2.0, 0.5].map(Some);
        let (kept, points) = thinned(&scores, 4).into_parts();
        let kept: Vec<_> = kept.iter().map(|(at, score)| (at.0, *score)).collect();
        assert_eq!(kept, [(3.0, 1.5), (7.0, 2.0), (8.0, 0.5)]);
        assert_eq!(points.iter().map(|it| it.at.0).collect::<Vec<_>>(), [3.0, 7.0, 8.0]);
        assert_eq!(thinned(&scores[..4], 4).into_parts().0.len(), 4, "while there is room, each is kept");
    }

    proptest! {
        #[test]
        fn points_stay_in_order_and_few_and_the_peak_is_among_them(
            scores in proptest::collection::vec(proptest::option::of(0.0..3.0f64), 0..200),
            points_max in 2..20usize,
        ) {
            let (kept, points) = thinned(&scores, points_max).into_parts();
            prop_assert!(points.len() <= points_max && points.len() >= scores.len().min(points_max / 2));
            prop_assert!(points.is_sorted_by(|one, other| one.at < other.at));
            let peak = |it: &mut dyn Iterator<Item = f64>| it.reduce(f64::max);
            prop_assert_eq!(
                peak(&mut kept.iter().map(|it| it.1)),
                peak(&mut scores.iter().filter_map(|it| *it))
            );
            for (at, score) in kept {
                prop_assert_eq!(scores[at.0 as usize], Some(score), "the time of a score is its own");
            }
        }
    }
}
