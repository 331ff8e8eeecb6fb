//! The usual use of each process group, or of each container: a rolling mean and deviation over passes, an hour of them by
//! default.

use std::collections::BTreeMap;

use super::{MEASURES, ProcessUsage};

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

/// The usual use of each group, by what identifies it over restarts.
#[derive(Debug, Clone)]
pub struct UsageBaselines<K> {
    groups: BTreeMap<K, [UsageMoments; MEASURES.len()]>,
    /// The last pass. It is learned with the next one, because an anomaly is found only some time after its start.
    pending: Option<BTreeMap<K, ProcessUsage>>,
    passes: f64,
    dropped: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct UsageMoments {
    mean: f64,
    variance: f64,
    is_known: bool,
}

impl<K> Default for UsageBaselines<K> {
    fn default() -> Self {
        Self { groups: BTreeMap::new(), pending: None, passes: 0.0, dropped: 0 }
    }
}

impl<K: Ord + Clone> UsageBaselines<K> {
    /// Takes the usage of a pass without an anomaly; it is learned at the next one.
    pub fn learn(&mut self, groups: impl Iterator<Item = (K, ProcessUsage)>) {
        if let Some(before) = self.pending.replace(groups.collect()) {
            self.take(&before);
        }
    }

    /// Drops the last pass, because an anomaly began since.
    pub fn discard_pending(&mut self) {
        self.pending = None;
    }

    /// Number of groups that were not learned, because there were too many.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What a group usually uses at most: nothing for one that was not seen, unknown in the first passes.
    pub fn usual(&self, key: &K) -> ProcessUsage {
        if self.passes < PASSES_MIN {
            return ProcessUsage::default();
        }
        let Some(moments) = self.groups.get(key) else { return ProcessUsage::NONE };
        let mut usual = ProcessUsage::default();
        for (measure, it) in MEASURES.iter().zip(moments) {
            usual.set(*measure, it.mean + DEVIATIONS * it.variance.max(0.0).sqrt());
        }
        usual
    }

    fn take(&mut self, pass: &BTreeMap<K, ProcessUsage>) {
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

impl UsageMoments {
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
    use crate::culprit::UsageMeasure;

    fn group(command: &str, cpu: f64) -> (String, ProcessUsage) {
        let mut usage = ProcessUsage::default();
        usage.set(UsageMeasure::Cpu, cpu);
        (command.to_owned(), usage)
    }

    fn learn(into: &mut UsageBaselines<String>, groups: &[(&str, f64)]) {
        into.learn(groups.iter().map(|(command, cpu)| group(command, *cpu)));
    }

    fn usual(of: &UsageBaselines<String>, command: &str) -> Option<f64> {
        of.usual(&command.to_owned()).get(UsageMeasure::Cpu)
    }

    #[test]
    fn nothing_is_known_in_the_first_passes() {
        let mut it = UsageBaselines::default();
        for _ in 0..3 {
            learn(&mut it, &[("a", 1.0)]);
            assert_eq!(usual(&it, "a"), None);
        }
        learn(&mut it, &[]);
        assert_eq!((usual(&it, "a"), usual(&it, "other")), (Some(1.0), Some(0.0)));
    }

    #[test]
    fn a_discarded_pass_is_not_learned() {
        let mut it = UsageBaselines::default();
        for _ in 0..30 {
            learn(&mut it, &[("a", 1.0)]);
        }
        learn(&mut it, &[("a", 1.0), ("new", 5.0)]);
        it.discard_pending();
        learn(&mut it, &[("a", 1.0)]);
        assert_eq!(usual(&it, "new"), Some(0.0));
        assert!((usual(&it, "a").unwrap() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_group_that_appeared_recently_is_usual_only_in_part() {
        let mut it = UsageBaselines::default();
        for _ in 0..60 {
            learn(&mut it, &[("a", 1.0)]);
        }
        learn(&mut it, &[("new", 4.0)]);
        learn(&mut it, &[]);
        let known = usual(&it, "new").unwrap();
        assert!(known > 0.0 && known < 2.0, "{known}");
    }

    #[test]
    fn groups_are_bounded_and_forgotten() {
        let mut it = UsageBaselines::default();
        it.learn((0..GROUPS_MAX + 5).map(|idx| group(&format!("p{idx}"), 1.0)));
        learn(&mut it, &[]);
        assert_eq!((it.groups.len(), it.dropped()), (GROUPS_MAX, 5));
        for _ in 0..600 {
            learn(&mut it, &[]);
        }
        assert_eq!(it.groups.len(), 0);
    }
}
