//! The share of periods in which one group was throttled, between the last two times that its counters were read.
//!
//! A group that is read in turn gains its periods at once, and none in the readings between. A share over two readings would be
//! 0 in these, so its mean would be too low.

use super::group_values::PERIODS_MAX;
use crate::reading::Timestamp;
use crate::signal::share;

/// Periods of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct ThrottledPeriods {
    /// All periods and those throttled, when they were read last, and when that was.
    last: Option<([f64; 2], Timestamp)>,
    ratio: Option<f64>,
}

impl ThrottledPeriods {
    /// Takes the newest values of the kernel's counters; `is_read` says whether they were read for this reading.
    pub(super) fn step(&mut self, at: Timestamp, counts: Option<[f64; 2]>, is_read: bool) {
        let Some(now) = counts.filter(|it| it.iter().all(|it| it.is_finite())) else {
            *self = Self::default();
            return;
        };
        if is_read || self.last.is_none() {
            let before = self.last.replace((now, at));
            self.ratio = before.and_then(|(before, then)| ratio(before, now, at.0 - then.0));
        }
    }

    /// The share; `None` until the counters were read twice, or if their change is impossible.
    pub(super) fn ratio(&self) -> Option<f64> {
        self.ratio
    }
}

fn ratio(before: [f64; 2], now: [f64; 2], elapsed: f64) -> Option<f64> {
    let [periods, throttled] = [now[0] - before[0], now[1] - before[1]];
    let is_possible = 0.0 <= periods && 0.0 <= throttled && periods <= PERIODS_MAX * elapsed;
    // No period passes while the group is idle.
    if periods == 0.0 {
        is_possible.then_some(0.0)
    } else {
        share(throttled, periods).filter(|_| is_possible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_between_two_times_it_was_read() {
        let mut it = ThrottledPeriods::default();
        let mut ratios = Vec::new();
        // Read at each fifth reading: half of the periods are throttled until second 10, then the group is idle.
        for second in 0..20_u32 {
            let read_at = f64::from((second - second % 5).min(10));
            it.step(Timestamp(f64::from(second)), Some([10.0 * read_at, 5.0 * read_at]), second % 5 == 0);
            ratios.push(it.ratio());
        }
        assert_eq!(ratios, [[None; 5], [Some(0.5); 5], [Some(0.5); 5], [Some(0.0); 5]].concat());
    }

    #[test]
    fn an_impossible_change_has_no_share() {
        for (counts, expect) in [
            (Some([110.0, 25.0]), Some(0.5)),
            // A new group, more throttled periods than periods, more than the kernel starts, and nothing to read.
            (Some([10.0, 2.0]), None),
            (Some([110.0, 90.0]), None),
            (Some([1e9, 5e8]), None),
            (None, None),
        ] {
            let mut it = ThrottledPeriods::default();
            it.step(Timestamp(0.0), Some([100.0, 20.0]), true);
            it.step(Timestamp(1.0), counts, true);
            assert_eq!(it.ratio(), expect, "{counts:?}");
        }
    }
}
