//! The usual use of each process group: a rolling mean and deviation over passes, an hour of them by default.

use std::collections::BTreeMap;

use super::{GroupKey, MEASURES, ProcessGroup, Usage};

/// Largest number of process groups of which the usual use is known; further ones are not learned, and counted.
pub const GROUPS_MAX: usize = 1_024;
/// Passes that the mean covers.
const PASSES: f64 = 60.0;
/// Passes before which nothing is known to be usual.
const PASSES_MIN: f64 = 3.0;
/// Deviations above the mean up to which a usage is usual.
const DEVIATIONS: f64 = 2.0;
/// Below this mean, relative to its floor, a group that is gone is forgotten.
const FORGOTTEN: f64 = 0.01;

/// The usual use of each process group.
#[derive(Debug, Clone, Default)]
pub struct UsageBaselines {
    groups: BTreeMap<GroupKey, [Moments; MEASURES.len()]>,
    /// The last pass. It is learned with the next one, because an anomaly is found only some time after its start.
    pending: Option<BTreeMap<GroupKey, Usage>>,
    passes: f64,
    dropped: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    mean: f64,
    variance: f64,
    is_known: bool,
}

impl UsageBaselines {
    /// Takes the usage of a pass without an anomaly; it is learned at the next one.
    pub fn learn(&mut self, groups: &[ProcessGroup]) {
        let now = groups.iter().map(|it| (it.key.clone(), it.now)).collect();
        if let Some(before) = self.pending.replace(now) {
            self.take(&before);
        }
    }

    /// Drops the last pass, because an anomaly began since.
    pub fn discard_pending(&mut self) {
        self.pending = None;
    }

    /// Number of process groups that were not learned, because there were too many.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What a process group usually uses at most: nothing for one that was not seen, unknown in the first passes.
    pub fn usual(&self, key: &GroupKey) -> Usage {
        if self.passes < PASSES_MIN {
            return Usage::default();
        }
        let Some(moments) = self.groups.get(key) else { return Usage::NONE };
        let mut usual = Usage::default();
        for (measure, it) in MEASURES.iter().zip(moments) {
            usual.set(*measure, it.mean + DEVIATIONS * it.variance.max(0.0).sqrt());
        }
        usual
    }

    fn take(&mut self, pass: &BTreeMap<GroupKey, Usage>) {
        self.passes = (self.passes + 1.0).min(PASSES);
        let weight = 1.0 / self.passes;
        for (key, usage) in pass {
            if !self.groups.contains_key(key) {
                if self.groups.len() >= GROUPS_MAX {
                    self.dropped += 1;
                    continue;
                }
                self.groups.insert(key.clone(), Default::default());
            }
            for (moments, measure) in self.groups.get_mut(key).into_iter().flatten().zip(MEASURES) {
                if let Some(value) = usage.get(measure) {
                    moments.take(value, weight);
                }
            }
        }
        // A group that is absent uses nothing, and is forgotten when that has become usual.
        self.groups.retain(|key, moments| {
            if pass.contains_key(key) {
                return true;
            }
            moments.iter_mut().filter(|it| it.is_known).for_each(|it| it.take(0.0, weight));
            moments.iter().zip(MEASURES).any(|(it, measure)| it.mean > FORGOTTEN * measure.floor())
        });
    }
}

impl Moments {
    /// A group that appears had used nothing before, so the mean starts at 0.
    fn take(&mut self, value: f64, weight: f64) {
        self.is_known = true;
        let difference = value - self.mean;
        self.mean += weight * difference;
        self.variance = (1.0 - weight) * (self.variance + weight * difference * difference);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::culprit::Measure;

    fn group(command: &str, cpu: f64) -> ProcessGroup {
        let mut it =
            ProcessGroup { key: GroupKey { command: command.into(), owner: None }, ..Default::default() };
        it.now.set(Measure::Cpu, cpu);
        it
    }

    fn usual(of: &UsageBaselines, command: &str) -> Option<f64> {
        of.usual(&group(command, 0.0).key).get(Measure::Cpu)
    }

    #[test]
    fn nothing_is_known_in_the_first_passes() {
        let mut it = UsageBaselines::default();
        for _ in 0..3 {
            it.learn(&[group("a", 1.0)]);
            assert_eq!(usual(&it, "a"), None);
        }
        it.learn(&[]);
        assert_eq!((usual(&it, "a"), usual(&it, "other")), (Some(1.0), Some(0.0)));
    }

    #[test]
    fn a_discarded_pass_is_not_learned() {
        let mut it = UsageBaselines::default();
        for _ in 0..30 {
            it.learn(&[group("a", 1.0)]);
        }
        it.learn(&[group("a", 1.0), group("new", 5.0)]);
        it.discard_pending();
        it.learn(&[group("a", 1.0)]);
        assert_eq!(usual(&it, "new"), Some(0.0));
        assert!((usual(&it, "a").unwrap() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_group_that_appeared_recently_is_usual_only_in_part() {
        let mut it = UsageBaselines::default();
        for _ in 0..60 {
            it.learn(&[group("a", 1.0)]);
        }
        it.learn(&[group("new", 4.0)]);
        it.learn(&[]);
        let known = usual(&it, "new").unwrap();
        assert!(known > 0.0 && known < 2.0, "{known}");
    }

    #[test]
    fn groups_are_bounded_and_forgotten() {
        let mut it = UsageBaselines::default();
        let many: Vec<_> = (0..GROUPS_MAX + 5).map(|idx| group(&format!("p{idx}"), 1.0)).collect();
        it.learn(&many);
        it.learn(&[]);
        assert_eq!((it.groups.len(), it.dropped()), (GROUPS_MAX, 5));
        for _ in 0..600 {
            it.learn(&[]);
        }
        assert_eq!(it.groups.len(), 0);
    }
}
