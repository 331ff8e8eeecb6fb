//! Pointwise metrics without point adjustment: each row counts alone.

use crate::roc;

/// Pointwise results at one threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct AtThreshold {
    /// The score from which a row counts as anomalous.
    pub(super) threshold: f64,
    /// Share of the rows above the threshold that are anomalous.
    pub(super) precision: f64,
    /// Share of the anomalous rows that are above the threshold.
    pub(super) recall: f64,
}

impl AtThreshold {
    /// The harmonic mean of both; 0 if both are 0.
    pub(super) fn f1(&self) -> f64 {
        2.0 * self.precision * self.recall / (self.precision + self.recall).max(1e-12)
    }
}

/// Rows by descending score. Sorted once, because all metrics need it.
#[derive(Debug)]
pub(super) struct RankedRows<'a> {
    /// Whether each row is anomalous, in order of time.
    pub(super) labels: &'a [bool],
    /// Scores in order of time; all finite.
    pub(super) scores: &'a [f64],
    /// Row numbers by descending score.
    pub(super) order: Vec<usize>,
    /// Number of anomalous rows.
    pub(super) positives: usize,
}

impl<'a> RankedRows<'a> {
    /// Ranks rows.
    pub(super) fn new(labels: &'a [bool], scores: &'a [f64]) -> Self {
        let mut order: Vec<usize> = (0..labels.len().min(scores.len())).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        Self { labels, scores, order, positives: labels.iter().filter(|it| **it).count() }
    }

    /// Precision and recall at each distinct score, from the highest; rows of equal score enter together.
    pub(super) fn points(&self) -> impl Iterator<Item = AtThreshold> {
        let mut found = 0;
        let mut rest = self.order.iter().enumerate().peekable();
        std::iter::from_fn(move || {
            loop {
                let (rank, row) = rest.next()?;
                found += usize::from(self.labels[*row]);
                let limit = self.scores[*row];
                let is_last = rest.peek().is_none_or(|(_, next)| self.scores[**next] < limit);
                if is_last {
                    return Some(self.at(limit, found, rank + 1));
                }
            }
        })
    }

    /// The point of the best F1; `None` without an anomalous row.
    pub(super) fn best_f1_threshold(&self) -> Option<AtThreshold> {
        if self.positives == 0 {
            return None;
        }
        // Of equal ones the highest threshold, which comes first.
        self.points().reduce(|best, it| if best.f1() < it.f1() { it } else { best })
    }

    /// The point at a given threshold; `None` without an anomalous row.
    pub(super) fn at_threshold(&self, limit: f64) -> Option<AtThreshold> {
        if self.positives == 0 {
            return None;
        }
        let called = self.order.partition_point(|row| limit <= self.scores[*row]);
        let found = self.order[..called].iter().filter(|row| self.labels[**row]).count();
        Some(self.at(limit, found, called))
    }

    /// The area under the precision-recall curve as average precision: `average_precision_score` of scikit-learn and
    /// AUC-PR of TSB-AD.
    pub(super) fn average_precision(&self) -> Option<f64> {
        if self.positives == 0 {
            return None;
        }
        let (mut before, mut area) = (0.0, 0.0);
        for point in self.points() {
            area += (point.recall - before) * point.precision;
            before = point.recall;
        }
        Some(area)
    }

    /// The area under the ROC curve; `None` unless there are rows of both classes.
    pub(super) fn auc(&self) -> Option<f64> {
        let of = |kind: bool| -> Vec<f64> {
            let rows = self.labels.iter().zip(self.scores);
            rows.filter(|(label, _)| **label == kind).map(|(_, score)| *score).collect()
        };
        let (ordinary, anomalous) = (of(false), of(true));
        (!ordinary.is_empty() && !anomalous.is_empty()).then(|| roc::auc(&ordinary, &anomalous))
    }

    fn at(&self, limit: f64, found: usize, called: usize) -> AtThreshold {
        AtThreshold {
            threshold: limit,
            precision: found as f64 / called.max(1) as f64,
            recall: found as f64 / self.positives.max(1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the best F1 with its threshold, F1 at 2, average precision and AUC, computed by hand.
    fn check(labels: &str, scores: &[f64], expected: Option<[f64; 5]>) {
        let labels: Vec<bool> = labels.chars().map(|it| it == '1').collect();
        let ranked = RankedRows::new(&labels, scores);
        let found = ranked.best_f1_threshold().map(|best| {
            let at = ranked.at_threshold(2.0).unwrap();
            let areas = (ranked.average_precision().unwrap(), ranked.auc().unwrap());
            [best.f1(), best.threshold, at.f1(), areas.0, areas.1]
        });
        match (found, expected) {
            (Some(found), Some(expected)) => {
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-12, "{labels:?} {scores:?}: {found} {expected}");
                }
            }
            (found, expected) => assert_eq!(found, expected),
        }
    }

    #[test]
    fn figures_of_rows_by_hand() {
        check("0011", &[1.0, 1.5, 2.0, 3.0], Some([1.0, 2.0, 1.0, 1.0, 1.0]));
        check("1100", &[1.0, 1.5, 2.0, 3.0], Some([2.0 / 3.0, 1.0, 0.0, 0.5 / 3.0 + 0.25, 0.0]));
        // Of the three rows at 2 and above, two are anomalous, and one more is below.
        check(
            "1011",
            &[3.0, 2.0, 2.0, 1.0],
            Some([6.0 / 7.0, 1.0, 2.0 / 3.0, 1.0 / 3.0 + 2.0 / 9.0 + 0.25, 0.5]),
        );
        check("000", &[1.0, 2.0, 3.0], None);
    }

    #[test]
    fn equal_scores_enter_together() {
        check("0101", &[2.0; 4], Some([2.0 / 3.0, 2.0, 2.0 / 3.0, 0.5, 0.5]));
        check("01", &[0.0, -0.0], Some([2.0 / 3.0, 0.0, 0.0, 0.5, 0.5]));
    }
}
