//! The interval between rows: median and gaps of any number of intervals, in fixed memory.
//!
//! Intervals are counted in classes of one percent width. A class reports its mean, so rows at a steady interval give exactly
//! that interval.

use super::finding::EXAMPLES_MAX;

/// Shortest interval that is distinguished from shorter ones, in seconds.
const SECONDS_MIN: f64 = 1e-3;
/// Ratio of the intervals of adjacent classes.
const STEP: f64 = 1.01;
/// Number of classes, enough for a thousand years.
const CLASSES: usize = 3_200;
/// An interval of this many medians is a gap, as in the engine.
const GAP_INTERVALS: f64 = 3.0;

/// Intervals between rows.
#[derive(Debug, Clone)]
pub(super) struct IntervalHistogram {
    /// Number of intervals in each class, and their sum.
    classes: Vec<(u64, f64)>,
    count: u64,
    /// The longest intervals with the lines where they end, longest first.
    longest: Vec<(f64, u64)>,
}

impl IntervalHistogram {
    pub(super) fn new() -> Self {
        Self { classes: vec![(0, 0.0); CLASSES], count: 0, longest: Vec::new() }
    }

    /// Adds an interval that ends at this line.
    pub(super) fn add(&mut self, seconds: f64, line: u64) {
        // The cast saturates: shorter intervals are in the first class.
        let idx = ((seconds / SECONDS_MIN).ln() / STEP.ln()) as usize;
        let (count, sum) = &mut self.classes[idx.min(CLASSES - 1)];
        *count += 1;
        *sum += seconds;
        self.count += 1;
        let place = self.longest.partition_point(|(longer, _)| *longer >= seconds);
        if place < EXAMPLES_MAX {
            self.longest.truncate(EXAMPLES_MAX - 1);
            self.longest.insert(place, (seconds, line));
        }
    }

    /// The median interval in seconds.
    pub(super) fn median(&self) -> Option<f64> {
        let mut before = 0;
        self.means().find_map(|(count, mean)| {
            before += count;
            (before * 2 >= self.count).then_some(mean)
        })
    }

    /// Number of gaps, and the longest of them with the lines where they end.
    pub(super) fn gaps(&self) -> (u64, Vec<(f64, u64)>) {
        let Some(median) = self.median() else { return (0, Vec::new()) };
        let limit = median * GAP_INTERVALS * STEP;
        let count = self.means().filter(|(_, mean)| *mean > limit).map(|(count, _)| count).sum();
        (count, self.longest.iter().filter(|(seconds, _)| *seconds > limit).copied().collect())
    }

    fn means(&self) -> impl Iterator<Item = (u64, f64)> {
        self.classes.iter().filter(|it| it.0 > 0).map(|(count, sum)| (*count, sum / *count as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(intervals: &[f64], median: Option<f64>, gaps: &[f64]) {
        let mut pace = IntervalHistogram::new();
        intervals.iter().zip(1..).for_each(|(seconds, line)| pace.add(*seconds, line));
        assert_eq!(pace.median(), median);
        let (count, longest) = pace.gaps();
        assert_eq!(longest.iter().map(|it| it.0).collect::<Vec<_>>(), gaps);
        assert_eq!(count, gaps.len() as u64);
    }

    #[test]
    fn medians_and_gaps() {
        check(&[], None, &[]);
        check(&[60.0], Some(60.0), &[]);
        check(&[60.0, 60.0, 60.0, 180.0, 240.0, 60.0, 3600.0], Some(60.0), &[3600.0, 240.0]);
        check(&[1e-9, 1e-9, 1.0], Some(1e-9), &[1.0]);
        check(&[1e300, 1.0, 1.0], Some(1.0), &[1e300]);
    }

    #[test]
    fn many_gaps_are_counted_and_the_longest_kept() {
        let mut pace = IntervalHistogram::new();
        (0..1000u64).for_each(|line| pace.add(if line % 5 == 0 { 100.0 + line as f64 } else { 1.0 }, line));
        let (count, longest) = pace.gaps();
        assert_eq!((count, longest.len()), (200, EXAMPLES_MAX));
        assert_eq!(longest[0], (1095.0, 995));
    }
}
