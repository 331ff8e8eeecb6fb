//! When the next step down or up is taken.

use crate::reading::Timestamp;

/// Seconds above the limit after which a step down is taken: peaks are no reason.
pub const OVER_SECONDS: f64 = 60.0;
/// Seconds after a step before another step down: its effect takes a while to be seen.
pub const SETTLE_SECONDS: f64 = 300.0;
/// Seconds below [`RESTORE_SHARE`] after which a step is taken back.
pub const RESTORE_SECONDS: f64 = 1_800.0;
/// Longest wait, if steps that were taken back had to be taken again.
pub const RESTORE_SECONDS_MAX: f64 = 86_400.0;
/// Share of the limit below which a step is taken back.
const RESTORE_SHARE: f64 = 0.8;

/// A number of steps that are taken one by one, and taken back in reverse.
#[derive(Debug, Clone)]
pub struct DegradationLadder {
    steps: usize,
    lowered: usize,
    over_since: Option<Timestamp>,
    below_since: Option<Timestamp>,
    /// Time of the last step.
    changed_at: Option<Timestamp>,
    /// Whether the last step was one up.
    was_restored: bool,
    restore_seconds: f64,
}

/// A step, by its index from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LadderChange {
    /// It was taken.
    Lowered(usize),
    /// It was taken back.
    Restored(usize),
}

impl DegradationLadder {
    /// Without a step taken.
    pub fn new(steps: usize) -> Self {
        Self {
            steps,
            lowered: 0,
            over_since: None,
            below_since: None,
            changed_at: None,
            was_restored: false,
            restore_seconds: RESTORE_SECONDS,
        }
    }

    /// Number of steps taken.
    pub fn lowered(&self) -> usize {
        self.lowered
    }

    /// Takes the present use as a share of the limit; returns the step that is taken with it.
    pub fn step(&mut self, at: Timestamp, share: f64) -> Option<LadderChange> {
        since(&mut self.over_since, at, share > 1.0);
        since(&mut self.below_since, at, share < RESTORE_SHARE);
        let has_lasted = |it: Option<Timestamp>, seconds: f64| it.is_some_and(|it| at.0 - it.0 >= seconds);
        // After a backward clock step, the last change lies in the future.
        let passed = self.changed_at.map_or(f64::INFINITY, |it| (at.0 - it.0).abs());
        if has_lasted(self.over_since, OVER_SECONDS) && passed >= SETTLE_SECONDS {
            if self.lowered == self.steps {
                return None;
            }
            if self.was_restored && passed < self.restore_seconds {
                self.restore_seconds = (2.0 * self.restore_seconds).min(RESTORE_SECONDS_MAX);
            }
            self.lowered += 1;
            self.changed(at, false);
            return Some(LadderChange::Lowered(self.lowered - 1));
        }
        let is_low = has_lasted(self.below_since, self.restore_seconds) && passed >= self.restore_seconds;
        if is_low && self.lowered > 0 {
            self.lowered -= 1;
            self.changed(at, true);
            return Some(LadderChange::Restored(self.lowered));
        }
        if self.lowered == 0 && passed >= RESTORE_SECONDS_MAX {
            self.restore_seconds = RESTORE_SECONDS;
        }
        None
    }

    fn changed(&mut self, at: Timestamp, was_restored: bool) {
        (self.changed_at, self.was_restored) = (Some(at), was_restored);
        (self.over_since, self.below_since) = (None, None);
    }
}

/// Keeps the time since which something holds.
fn since(start: &mut Option<Timestamp>, at: Timestamp, holds: bool) {
    *start = holds.then(|| start.filter(|it| it.0 <= at.0).unwrap_or(at));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The seconds of each step, for a use that depends on the number of steps taken.
    fn steps(
        ladder: &mut DegradationLadder,
        seconds: u32,
        share: impl Fn(u32, usize) -> f64,
    ) -> Vec<(u32, LadderChange)> {
        let step = |second: u32| {
            let share = share(second, ladder.lowered());
            ladder.step(Timestamp(f64::from(second)), share).map(|it| (second, it))
        };
        (0..seconds).filter_map(step).collect()
    }

    #[test]
    fn peaks_are_no_reason() {
        let found = steps(
            &mut DegradationLadder::new(4),
            7_200,
            |second, _| if second % 60 == 59 { 0.5 } else { 2.0 },
        );
        assert_eq!(found, []);
    }

    #[test]
    fn no_more_steps_than_needed_are_taken() {
        let found = steps(&mut DegradationLadder::new(4), 7_200, |_, lowered| 1.4 - 0.25 * lowered as f64);
        assert_eq!(found, [(60, LadderChange::Lowered(0)), (360, LadderChange::Lowered(1))]);
    }

    #[test]
    fn a_step_that_is_taken_again_is_taken_back_ever_later() {
        // What the first step saves is what exceeds the limit.
        let found =
            steps(&mut DegradationLadder::new(1), 40_000, |_, lowered| if lowered == 0 { 1.5 } else { 0.5 });
        let restored: Vec<u32> = found
            .windows(2)
            .filter(|it| it[1].1 == LadderChange::Restored(0))
            .map(|it| it[1].0 - it[0].0)
            .collect();
        assert!(restored.len() >= 4 && restored.is_sorted(), "{restored:?}");
        assert!(restored[0] >= 1_800 && restored[3] >= 8 * 1_800, "{restored:?}");
    }

    proptest! {
        #[test]
        fn it_stays_between_none_and_all(shares in prop::collection::vec(0.0_f64..3.0, 1..200), every in 1.0_f64..4_000.0) {
            let mut ladder = DegradationLadder::new(4);
            let mut expected = 0;
            for (idx, share) in shares.into_iter().enumerate() {
                match ladder.step(Timestamp(idx as f64 * every), share) {
                    Some(LadderChange::Lowered(step)) => {
                        prop_assert_eq!(step, expected);
                        prop_assert!(share > 1.0);
                        expected += 1;
                    }
                    Some(LadderChange::Restored(step)) => {
                        expected -= 1;
                        prop_assert_eq!(step, expected);
                        prop_assert!(share < 1.0);
                    }
                    None => {}
                }
                prop_assert_eq!(ladder.lowered(), expected);
                prop_assert!(expected <= 4);
            }
        }
    }
}
