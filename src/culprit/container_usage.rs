//! What each container and service uses as a whole, from the totals of its control group.
//!
//! The processes do not show all of it: a fault may be spread over many of them or over short-lived ones, memory of files and
//! shared memory belongs to none, and the bytes of other users' processes are readable by root only.

use std::collections::{BTreeMap, VecDeque};

use super::{ContainerOrService, ProcessUsage, UsageBaselines, UsageMeasure};
use crate::reading::Timestamp;

/// Seconds between two records of the totals. Beyond 40 groups, files are read in turn, each within five readings.
const RECORD_SECONDS: f64 = 5.0;
/// Records that are kept, so that a usage is that of the last 5 to 10 s.
const RECORDS_MAX: usize = 2;
/// Longest age of a record; an older one is from before a pause.
const RECORD_AGE_MAX: f64 = 150.0;

/// The totals of a container or service at one instant. What cannot be read is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ContainerTotals {
    /// CPU seconds used so far.
    pub cpu_seconds: Option<f64>,
    /// Bytes of memory in use, without the page cache that was not used recently.
    pub memory_bytes: Option<f64>,
    /// Bytes read from and written to disks so far.
    pub disk_bytes: Option<f64>,
}

/// The use of a container or service as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerUsage {
    /// Who it is.
    pub container: ContainerOrService,
    /// What it uses now.
    pub now: ProcessUsage,
    /// What it usually uses at most; empty before enough is known.
    pub usual: ProcessUsage,
}

type Totals = BTreeMap<ContainerOrService, ContainerTotals>;

/// Turns totals into usages, and learns what is usual.
#[derive(Debug)]
pub struct ContainerUsageTracker {
    /// The newest records of the totals, the oldest ahead.
    records: VecDeque<(Timestamp, Totals)>,
    baselines: UsageBaselines<ContainerOrService>,
    /// Seconds between two usages that are learned.
    pause: f64,
    /// When one was learned last.
    learned: Option<Timestamp>,
}

impl ContainerUsageTracker {
    /// A tracker that learns a usage each `pause` seconds.
    pub fn new(pause: f64) -> Self {
        Self { records: VecDeque::new(), baselines: UsageBaselines::default(), pause, learned: None }
    }

    /// Records the totals if that is due. What is usual is learned while there is no episode.
    pub fn step(&mut self, at: Timestamp, totals: impl FnOnce() -> Totals, in_episode: bool) {
        self.forget_before_pause(at);
        if in_episode {
            self.baselines.discard_pending();
        }
        if self.records.back().is_some_and(|(then, _)| at.0 - then.0 < RECORD_SECONDS) {
            return;
        }
        let totals = totals();
        let is_due = self.learned.is_none_or(|then| !(0.0..self.pause).contains(&(at.0 - then.0)));
        if is_due && !in_episode && !self.records.is_empty() {
            self.learned = Some(at);
            let rates: Vec<_> = self.rates(at, &totals).collect();
            self.baselines.learn(rates.into_iter());
        }
        self.records.push_back((at, totals));
        if self.records.len() > RECORDS_MAX {
            self.records.pop_front();
        }
    }

    /// The usages of the last 5 to 10 s, with the usual ones.
    pub fn usages(&self, at: Timestamp, totals: &Totals) -> Vec<ContainerUsage> {
        let usages = self.rates(at, totals).map(|(container, now)| {
            let usual = self.baselines.usual(&container);
            ContainerUsage { container, now, usual }
        });
        usages.collect()
    }

    fn forget_before_pause(&mut self, at: Timestamp) {
        let is_recent = |then: &Timestamp| (0.0..=RECORD_AGE_MAX).contains(&(at.0 - then.0));
        self.records.retain(|(then, _)| is_recent(then));
    }

    /// The use since the oldest record; one that is not in it has no rates.
    fn rates<'a>(
        &'a self,
        at: Timestamp,
        totals: &'a Totals,
    ) -> impl Iterator<Item = (ContainerOrService, ProcessUsage)> + 'a {
        let before = self.records.iter().find(|(then, _)| then.0 < at.0);
        before.into_iter().flat_map(move |(then, before)| {
            totals.iter().map(move |(container, now)| {
                let before = before.get(container).copied().unwrap_or_default();
                (container.clone(), usage(&before, now, at.0 - then.0))
            })
        })
    }
}

/// The use between two totals; a total that fell is that of another group, and has no rate.
fn usage(before: &ContainerTotals, now: &ContainerTotals, elapsed: f64) -> ProcessUsage {
    let rate = |before: Option<f64>, now: Option<f64>| {
        let gained = now? - before?;
        (gained >= 0.0).then_some(gained / elapsed)
    };
    let mut usage = ProcessUsage::default();
    for (measure, value) in [
        (UsageMeasure::Cpu, rate(before.cpu_seconds, now.cpu_seconds)),
        (UsageMeasure::Memory, now.memory_bytes),
        (UsageMeasure::DiskBytes, rate(before.disk_bytes, now.disk_bytes)),
    ] {
        value.into_iter().for_each(|it| usage.set(measure, it));
    }
    usage
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::culprit::ContainerOrServiceKind;

    fn container(name: &str) -> ContainerOrService {
        ContainerOrService { kind: ContainerOrServiceKind::Container, name: name.into() }
    }

    fn totals(cpu: &[(&str, f64)]) -> Totals {
        let of = |cpu| ContainerTotals { cpu_seconds: Some(cpu), ..ContainerTotals::default() };
        cpu.iter().map(|(name, cpu)| (container(name), of(*cpu))).collect()
    }

    /// Value and usual value of the CPU time of each container.
    fn cpu(of: &[ContainerUsage]) -> Vec<[Option<f64>; 2]> {
        let rounded = |it: f64| (it * 1e6).round() / 1e6;
        of.iter().map(|it| [&it.now, &it.usual].map(|it| it.get(UsageMeasure::Cpu).map(rounded))).collect()
    }

    /// A tracker after so many seconds in which a container used half a CPU.
    fn tracker(seconds: u32) -> ContainerUsageTracker {
        let mut it = ContainerUsageTracker::new(10.0);
        for second in (0..seconds).map(f64::from) {
            it.step(Timestamp(second), || totals(&[("web", 0.5 * second)]), false);
        }
        it
    }

    #[test]
    fn a_usage_is_beside_the_usual_one() {
        let at = Timestamp(60.0);
        // 2 CPUs since the record at 50 s.
        let now = tracker(60).usages(at, &totals(&[("new", 9.0), ("web", 45.0)]));
        let expected = [[None, Some(0.0)], [Some(2.0), Some(0.5)]];
        assert_eq!(cpu(&now), expected, "one without a record has no rate");
        let young = tracker(30).usages(Timestamp(30.0), &totals(&[("web", 35.0)]));
        assert_eq!(cpu(&young), [[Some(2.5), None]], "nothing is usual after a few records");
    }

    #[test]
    fn what_an_episode_uses_is_not_learned() {
        let mut it = tracker(60);
        for second in (60..200).map(f64::from) {
            it.step(Timestamp(second), || totals(&[("web", 30.0 + 4.0 * (second - 60.0))]), true);
        }
        let now = it.usages(Timestamp(200.0), &totals(&[("web", 590.0)]));
        assert_eq!(cpu(&now), [[Some(4.0), Some(0.5)]]);
    }

    #[test]
    fn a_counter_that_fell_and_a_pause_have_no_rate() {
        let it = tracker(60);
        assert_eq!(cpu(&it.usages(Timestamp(60.0), &totals(&[("web", 1.0)]))), [[None, Some(0.5)]]);
        let mut it = tracker(60);
        it.step(Timestamp(1_000.0), || totals(&[("web", 900.0)]), false);
        assert_eq!(it.usages(Timestamp(1_000.0), &totals(&[("web", 900.0)])), []);
        it.step(Timestamp(10.0), || totals(&[("web", 5.0)]), false);
        assert_eq!(
            it.usages(Timestamp(11.0), &totals(&[("web", 6.0)])).len(),
            1,
            "a clock that stepped back"
        );
    }
}
