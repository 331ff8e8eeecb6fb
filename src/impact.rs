//! Whether an anomaly hurts: how much work waits for each resource, beside what is usual for the subject.
//!
//! Impact only raises the severity of an episode. Nothing is silenced for lack of it: a leak hurts nobody until the memory
//! is full.

use crate::culprit::Resource;
use crate::reading::SubjectKind;
use crate::signal::ReadingPair;

/// The resources that work can wait for, in the order of exposition.
pub const RESOURCES: [Resource; 4] = [Resource::Cpu, Resource::Memory, Resource::Io, Resource::Network];

/// Seconds over which an impact is averaged.
const AVERAGE_SECONDS: f64 = 10.0;
/// Seconds over which the usual impact is averaged.
const USUAL_SECONDS: f64 = 3_600.0;
/// Seconds of readings after which the usual impact is known.
const USUAL_SECONDS_MIN: f64 = 60.0;
/// Impact above the usual from which an episode is at least a warning, …
const WARNING_MIN: f64 = 0.1;
/// … and from which it is critical.
const CRITICAL_MIN: f64 = 0.5;

/// How readings show that work waits for a resource.
#[derive(Debug)]
pub struct ImpactFormula {
    /// The kind of subjects that have it.
    pub kind: SubjectKind,
    /// The resource.
    pub resource: Resource,
    /// The part of the work that waits: 0 for none, 1 or more for all; `None` if a value is missing.
    pub formula: fn(&ReadingPair<'_>) -> Option<f64>,
}

/// How much work of a subject waits for a resource.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResourceImpact {
    /// The resource: cpu, memory, io or network.
    pub resource: Resource,
    /// 0 if nothing waits, 1 if all work stands still.
    pub ratio: f64,
    /// Its usual value outside of episodes, once it is known.
    pub usual: Option<f64>,
}

/// How urgent an episode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EpisodeSeverity {
    /// Unusual, and no more work waits than usual.
    Info,
    /// More work waits than usual.
    Warning,
    /// Much more work waits than usual: at least half of all work.
    Critical,
}

impl EpisodeSeverity {
    /// All severities, the lowest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The value of the label `severity`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The severity of a name.
    pub fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// The severity of an episode with this impact above the usual.
    fn of(excess: f64) -> Self {
        match excess {
            it if it >= CRITICAL_MIN => Self::Critical,
            it if it >= WARNING_MIN => Self::Warning,
            _ => Self::Info,
        }
    }
}

/// The impact on one subject, from reading to reading.
#[derive(Debug, Clone, Default)]
pub struct ImpactTracker {
    resources: [Option<TrackedImpact>; RESOURCES.len()],
    /// The highest severity of the current episode.
    severity: Option<EpisodeSeverity>,
}

#[derive(Debug, Clone, Copy)]
struct TrackedImpact {
    average: f64,
    usual: f64,
    /// Seconds of readings outside of episodes.
    observed: f64,
}

impl ImpactTracker {
    /// Takes a pair of readings; what is usual is learned outside of episodes.
    pub fn step(&mut self, change: &ReadingPair<'_>, formulas: &[&'static ImpactFormula], in_episode: bool) {
        for (tracked, resource) in self.resources.iter_mut().zip(RESOURCES) {
            let of_resource = formulas.iter().filter(|it| it.resource == resource);
            let values = of_resource.filter_map(|it| (it.formula)(change)).filter(|it| it.is_finite());
            match values.reduce(f64::max) {
                None => *tracked = None,
                Some(value) => {
                    let tracked =
                        tracked.get_or_insert(TrackedImpact { average: value, usual: value, observed: 0.0 });
                    tracked.step(value.max(0.0), change.elapsed, in_episode);
                }
            }
        }
        let excess = self.rows().filter_map(|it| Some(it.ratio - it.usual?)).fold(0.0, f64::max);
        self.severity = in_episode
            .then(|| self.severity.unwrap_or(EpisodeSeverity::Info).max(EpisodeSeverity::of(excess)));
    }

    /// The impact on each resource that is known.
    pub fn rows(&self) -> impl Iterator<Item = ResourceImpact> {
        self.resources.iter().zip(RESOURCES).filter_map(|(it, resource)| {
            let it = it.as_ref()?;
            let usual = (it.observed >= USUAL_SECONDS_MIN).then(|| it.usual.min(1.0));
            Some(ResourceImpact { resource, ratio: it.average.min(1.0), usual })
        })
    }

    /// The highest severity of the current episode so far; `None` outside of episodes.
    pub fn severity(&self) -> Option<EpisodeSeverity> {
        self.severity
    }
}

impl TrackedImpact {
    fn step(&mut self, value: f64, elapsed: f64, in_episode: bool) {
        self.average += (value - self.average) * (1.0 - (-elapsed / AVERAGE_SECONDS).exp());
        if !in_episode {
            self.observed = (self.observed + elapsed).min(USUAL_SECONDS);
            self.usual += (value - self.usual) * (elapsed / self.observed.max(elapsed)).min(1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metric::Metric;
    use crate::reading::SubjectValues;

    static WAITING: Metric = Metric::gauge("waiting_ratio", "Share of work that waits");
    static FORMULA: ImpactFormula =
        ImpactFormula { kind: SubjectKind::Host, resource: Resource::Io, formula: |it| it.level(&WAITING) };

    fn step(tracker: &mut ImpactTracker, value: f64, seconds: usize, in_episode: bool) {
        let mut values = SubjectValues::default();
        values.set(&WAITING, value);
        let change = ReadingPair::new(&values, &values, 1.0).unwrap();
        (0..seconds).for_each(|_| tracker.step(&change, &[&FORMULA], in_episode));
    }

    #[test]
    fn an_impact_stands_beside_the_usual_one_and_raises_the_severity() {
        let mut it = ImpactTracker::default();
        step(&mut it, 0.2, 30, false);
        assert_eq!(it.rows().next().unwrap().usual, None);
        step(&mut it, 0.2, 300, false);
        assert_eq!(it.severity(), None);
        step(&mut it, 0.25, 60, true);
        assert_eq!(it.severity(), Some(EpisodeSeverity::Info));
        step(&mut it, 0.5, 60, true);
        assert_eq!(it.severity(), Some(EpisodeSeverity::Warning));
        step(&mut it, 0.9, 60, true);
        let row = it.rows().next().unwrap();
        assert!((row.ratio - 0.9).abs() < 0.01 && (row.usual.unwrap() - 0.2).abs() < 1e-9, "{row:?}");
        step(&mut it, 0.0, 60, true);
        assert_eq!(it.severity(), Some(EpisodeSeverity::Critical), "it never falls within an episode");
        step(&mut it, 0.0, 1, false);
        assert_eq!(it.severity(), None);
    }

    #[test]
    fn a_value_that_is_missing_has_no_impact() {
        let mut it = ImpactTracker::default();
        step(&mut it, f64::NAN, 10, true);
        assert_eq!((it.rows().count(), it.severity()), (0, Some(EpisodeSeverity::Info)));
    }

    proptest! {
        #[test]
        fn ratios_stay_between_0_and_1(values in prop::collection::vec((-1.0..50.0_f64, any::<bool>()), 1..100)) {
            let mut it = ImpactTracker::default();
            for (value, in_episode) in values {
                step(&mut it, value.max(0.0), 1, in_episode);
                for row in it.rows() {
                    prop_assert!((0.0..=1.0).contains(&row.ratio), "{row:?}");
                    prop_assert!(row.usual.is_none_or(|it| (0.0..=1.0).contains(&it)), "{row:?}");
                }
            }
        }
    }
}
