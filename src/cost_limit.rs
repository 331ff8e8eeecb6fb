//! What hostnorm may cost, and what it does without to stay within that.
//!
//! Memory and CPU time are measured at each reading. Above a limit, features are switched off one by one, in the order of
//! [`OptionalFeature::ORDER`]: first what only improves the model, then what finds least, and the host itself never. Which features are on
//! is part of the reading, so that a replay of stored readings knows it. The number of series is limited where pages are
//! rendered, by [`SeriesLimitLevel`].

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::byte_size::ByteSize;
use crate::metric::Metric;
use crate::reading::{MetricLabels, Reading, Timestamp};

mod degradation_ladder;
mod series_limit;

pub use degradation_ladder::{
    DegradationLadder, LadderChange, OVER_SECONDS, RESTORE_SECONDS, RESTORE_SECONDS_MAX, SETTLE_SECONDS,
};
pub use series_limit::{SERIES_LEVEL_MAX, SeriesLimitDecision, SeriesLimitLevel};

/// Whether each feature is on.
pub static FEATURE_ACTIVE: Metric = Metric::gauge(
    "hostnorm_feature_active",
    "Whether the optional feature of hostnorm is on (1) or off to stay within limits.memory and limits.cpu (0). Features are shadow_model (retraining and the shadow model), selftest, novelty (the detector), and groups (the scores of containers, pods, services and logs)",
)
.by(&["feature"]);
/// The limits.
pub static LIMIT: Metric = Metric::gauge(
    "hostnorm_limit",
    "Limit of each resource: series, memory in bytes, or cpu in CPUs; absent without a limit",
)
.by(&["resource"]);
/// What is compared with the limits.
pub static USED: Metric = Metric::gauge(
    "hostnorm_limit_used",
    "Use of each limited resource: series in the last response of /metrics, resident memory in bytes, or CPUs as the mean of ten minutes, without HTTP requests",
)
.by(&["resource"]);

/// Metrics of limits that are part of readings.
pub static METRICS: &[&Metric] = &[&FEATURE_ACTIVE];

/// Seconds over which CPU time is averaged; a training is shorter.
pub const CPU_SECONDS: f64 = 600.0;
/// Seconds between two samples of the CPU time.
const CPU_SAMPLE_SECONDS: f64 = 10.0;

/// The limits; 0 means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CostLimits {
    /// Largest number of series of a page.
    pub series: u64,
    /// Largest resident memory.
    pub memory: ByteSize,
    /// Largest mean of ten minutes without the CPU time of requests, in CPUs.
    pub cpu: f64,
}

impl Default for CostLimits {
    /// Twice what a host with 200 containers needs, and less memory than the shipped unit may have.
    fn default() -> Self {
        Self { series: 5_000, memory: ByteSize::from_mebibytes(192), cpu: 0.25 }
    }
}

/// An optional feature of hostnorm that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionalFeature {
    /// Retraining, and the shadow model that it makes. The current model stays.
    ShadowModel,
    /// The self-test.
    Selftest,
    /// The detector `novelty`.
    Novelty,
    /// Scores of containers, pods, services and logs.
    Groups,
}

impl OptionalFeature {
    /// In the order in which they are switched off.
    pub const ORDER: [Self; 4] = [Self::ShadowModel, Self::Selftest, Self::Novelty, Self::Groups];

    /// The value of the label `feature`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ShadowModel => "shadow_model",
            Self::Selftest => "selftest",
            Self::Novelty => "novelty",
            Self::Groups => "groups",
        }
    }
}

/// Whether a feature is on at a reading; one that does not say it was taken without limits.
pub fn is_active(reading: &Reading, feature: OptionalFeature) -> bool {
    let values = reading.host_values();
    let samples = values.into_iter().flat_map(|it| it.each(&FEATURE_ACTIVE));
    !samples
        .into_iter()
        .any(|it| it.value <= 0.0 && it.labels.values().iter().any(|it| **it == *feature.name()))
}

/// What is measured at a reading.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CostSample {
    /// Resident memory, in bytes.
    pub memory_bytes: Option<f64>,
    /// CPU time since the start without that of requests, in seconds.
    pub cpu_seconds: Option<f64>,
}

/// Decides which features are on.
#[derive(Debug, Clone)]
pub struct CostLimiter {
    limits: CostLimits,
    ladder: DegradationLadder,
    /// Times and CPU times of the last ten minutes.
    cpu: VecDeque<(f64, f64)>,
    memory_bytes: Option<f64>,
    labels: [MetricLabels; OptionalFeature::ORDER.len()],
}

impl Default for CostLimiter {
    fn default() -> Self {
        Self::new(CostLimits { series: 0, memory: ByteSize::default(), cpu: 0.0 })
    }
}

impl CostLimiter {
    /// With everything on.
    pub fn new(limits: CostLimits) -> Self {
        Self {
            limits,
            ladder: DegradationLadder::new(OptionalFeature::ORDER.len()),
            cpu: VecDeque::new(),
            memory_bytes: None,
            labels: OptionalFeature::ORDER.map(|it| MetricLabels::new([it.name()])),
        }
    }

    /// Takes a measurement; returns the feature that is switched with it, and whether it is now on.
    pub fn step(&mut self, at: Timestamp, sample: CostSample) -> Option<(OptionalFeature, bool)> {
        self.memory_bytes = sample.memory_bytes;
        if let Some(seconds) = sample.cpu_seconds {
            self.note_cpu(at.0, seconds);
        }
        let change = self.ladder.step(at, self.share()?)?;
        let feature = |idx: usize| OptionalFeature::ORDER.get(idx).copied();
        match change {
            LadderChange::Lowered(step) => feature(step).map(|it| (it, false)),
            LadderChange::Restored(step) => feature(step).map(|it| (it, true)),
        }
    }

    /// Whether a feature is on.
    pub fn is_active(&self, feature: OptionalFeature) -> bool {
        OptionalFeature::ORDER
            .iter()
            .position(|it| *it == feature)
            .is_none_or(|idx| self.ladder.lowered() <= idx)
    }

    /// Adds the state of each feature to a reading.
    pub fn add_to(&self, reading: &mut Reading) {
        for (feature, labels) in OptionalFeature::ORDER.iter().zip(&self.labels) {
            reading.host().set_by(&FEATURE_ACTIVE, labels, f64::from(u8::from(self.is_active(*feature))));
        }
    }

    /// Resident memory in bytes and CPUs in use, as they are compared with the limits.
    pub fn used(&self) -> [(&'static str, Option<f64>); 2] {
        [("memory", self.memory_bytes), ("cpu", self.cpu_ratio())]
    }

    /// The limits of memory and CPU; none for 0.
    pub fn limits(&self) -> [(&'static str, Option<f64>); 2] {
        let some = |limit: f64| (limit > 0.0).then_some(limit);
        [("memory", some(self.limits.memory.bytes() as f64)), ("cpu", some(self.limits.cpu))]
    }

    /// The use of the resource that is nearest to its limit, as a share of the limit; `None` without any.
    fn share(&self) -> Option<f64> {
        let pairs = self.used().into_iter().zip(self.limits());
        pairs.filter_map(|((_, used), (_, limit))| Some(used? / limit?)).reduce(f64::max)
    }

    /// The mean of the last ten minutes; `None` until they are over.
    fn cpu_ratio(&self) -> Option<f64> {
        let (first, last) = (self.cpu.front()?, self.cpu.back()?);
        let elapsed = last.0 - first.0;
        (elapsed >= CPU_SECONDS - CPU_SAMPLE_SECONDS).then(|| (last.1 - first.1) / elapsed)
    }

    fn note_cpu(&mut self, at: f64, seconds: f64) {
        // A clock that stepped back, or the counter of another process, starts anew.
        if self.cpu.back().is_some_and(|last| at < last.0 || seconds < last.1) {
            self.cpu.clear();
        }
        if self.cpu.back().is_none_or(|last| at - last.0 >= CPU_SAMPLE_SECONDS) {
            self.cpu.push_back((at, seconds));
        }
        while self.cpu.front().is_some_and(|first| at - first.0 > CPU_SECONDS) {
            self.cpu.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: f64 = 1_048_576.0;

    /// The names of the features that are off after each minute with this memory, in MiB, and a limit of 100 MiB.
    fn after_minutes(control: &mut CostLimiter, from: f64, memory: f64, minutes: usize) -> String {
        for second in 0..minutes * 60 {
            let sample = CostSample { memory_bytes: Some(memory * MEBIBYTE), cpu_seconds: None };
            control.step(Timestamp(from + second as f64), sample);
        }
        let mut reading = Reading::new(Timestamp(from));
        control.add_to(&mut reading);
        let off = OptionalFeature::ORDER.into_iter().filter(|it| !control.is_active(*it));
        off.inspect(|it| assert!(!is_active(&reading, *it)))
            .map(OptionalFeature::name)
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn limited() -> CostLimiter {
        CostLimiter::new(CostLimits { series: 0, memory: ByteSize::from_mebibytes(100), cpu: 0.5 })
    }

    #[test]
    fn parts_are_switched_off_in_their_order_and_restored_in_reverse() {
        let mut control = limited();
        assert_eq!(after_minutes(&mut control, 0.0, 99.0, 60), "");
        for (idx, expect) in [
            "shadow_model",
            "shadow_model selftest",
            "shadow_model selftest novelty",
            "shadow_model selftest novelty groups",
            "shadow_model selftest novelty groups",
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(after_minutes(&mut control, 3_600.0 + 300.0 * idx as f64, 101.0, 5), expect);
        }
        // Within the limit, but not far from it: nothing changes.
        assert_eq!(after_minutes(&mut control, 7_200.0, 90.0, 120), "shadow_model selftest novelty groups");
        assert_eq!(after_minutes(&mut control, 14_400.0, 50.0, 31), "shadow_model selftest novelty");
        assert_eq!(after_minutes(&mut control, 16_260.0, 50.0, 95), "");
    }

    #[test]
    fn cpu_counts_as_a_mean_of_ten_minutes() {
        let mut control = limited();
        let mut cpu = 0.0;
        let mut off_at = None;
        for second in 0..2_400 {
            // A training of four minutes of a whole CPU is within it, everything all the time is not.
            cpu += if (240..900).contains(&second) { 0.0 } else { 1.0 };
            let sample = CostSample { memory_bytes: None, cpu_seconds: Some(cpu) };
            let switched = control.step(Timestamp(f64::from(second)), sample);
            off_at = off_at.or(switched.map(|it| (second, it)));
        }
        let (second, (feature, is_on)) = off_at.unwrap();
        assert_eq!((feature, is_on), (OptionalFeature::ShadowModel, false));
        assert!((1_200..1_350).contains(&second), "{second}");
    }

    #[test]
    fn without_limits_or_measurements_everything_is_on() {
        let mut control = CostLimiter::default();
        assert_eq!(after_minutes(&mut control, 0.0, 1e9, 60), "");
        assert_eq!(control.limits().map(|it| it.1), [None, None]);
        let mut control = limited();
        for second in 0..3_600 {
            assert_eq!(control.step(Timestamp(f64::from(second)), CostSample::default()), None);
        }
        assert!(is_active(&Reading::default(), OptionalFeature::Groups));
    }
}
