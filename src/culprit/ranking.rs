//! Who has most of the growth in one measure.
//!
//! Containers and services are measured as a whole and by their processes. The process with most of the growth of its
//! container stands for it, because it says more; otherwise the container is named as a whole.

use std::collections::BTreeMap;

use super::{
    ContainerOrService, ContainerUsage, DeviatingSignal, MEASURES, ProcessUsage, SameNameProcesses,
    UnrankedScene, UsageMeasure, blamed,
};

/// Smallest part of the growth of a resource for which a process, container or service is named.
pub(super) const PART_MIN: f64 = 0.2;
/// Smallest part of the growth that the named ones have together; below, nobody stands out.
const TOGETHER_MIN: f64 = 0.5;
/// Smallest part of the growth of a container that a process needs to stand for it.
const PROCESS_PART_MIN: f64 = 0.5;

/// Usage beyond the usual.
#[derive(Debug, Clone, Copy)]
pub(super) struct UsageGrowth {
    pub(super) value: f64,
    pub(super) usual: f64,
    excess: f64,
}

/// One that may be named.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    /// Absent for a container or service as a whole.
    pub(super) process: Option<&'a str>,
    pub(super) owner: Option<&'a ContainerOrService>,
    pub(super) growth: UsageGrowth,
    /// Its part of the growth of the host, times the part of its usage that is growth.
    pub(super) share: f64,
}

/// The growth of a container or service in one measure, as a whole and by its processes.
#[derive(Debug, Default)]
struct OwnerGrowth {
    whole: Option<UsageGrowth>,
    processes_sum: f64,
    largest_process: f64,
}

impl OwnerGrowth {
    fn excess(&self) -> f64 {
        self.whole.map_or(0.0, |it| it.excess).max(self.processes_sum)
    }

    /// Its growth, if it is named as a whole.
    fn as_whole(&self) -> Option<UsageGrowth> {
        self.whole.filter(|it| self.largest_process < PROCESS_PART_MIN * it.excess)
    }
}

/// Those that have most of the growth in one measure, the largest part ahead.
pub(super) fn standing_out(scene: &UnrankedScene, measure: UsageMeasure) -> Vec<Candidate<'_>> {
    let owners = owners(scene, measure);
    let mut candidates = Vec::new();
    for it in &scene.groups {
        let Some(growth) = process_growth(it, measure) else { continue };
        let owner = it.key.owner.as_ref();
        if owner.and_then(|it| owners.get(it)).is_none_or(|it| it.as_whole().is_none()) {
            candidates.push(Candidate { process: Some(&it.key.command), owner, growth, share: 0.0 });
        }
    }
    let without_owner = candidates.iter().filter(|it| it.owner.is_none()).map(|it| it.growth.excess);
    let total = without_owner.chain(owners.values().map(OwnerGrowth::excess)).sum::<f64>();
    let wholes = owners.iter().filter_map(|(owner, it)| {
        Some(Candidate { process: None, owner: Some(*owner), growth: it.as_whole()?, share: 0.0 })
    });
    candidates.extend(wholes);
    for it in &mut candidates {
        // A part of the growth counts as much as it is new for the process.
        it.share = it.growth.excess / total * (it.growth.excess / it.growth.value).min(1.0);
    }
    candidates.retain(|it| it.share >= PART_MIN);
    if candidates.iter().map(|it| it.share).sum::<f64>() < TOGETHER_MIN {
        return Vec::new();
    }
    candidates.sort_by(|one, other| other.share.total_cmp(&one.share));
    candidates
}

/// The growth of each container and service that grew.
fn owners(scene: &UnrankedScene, measure: UsageMeasure) -> BTreeMap<&ContainerOrService, OwnerGrowth> {
    let mut owners: BTreeMap<&ContainerOrService, OwnerGrowth> = BTreeMap::new();
    for it in &scene.containers {
        if let Some(growth) = growth(&it.now, &it.usual, measure) {
            owners.entry(&it.container).or_default().whole = Some(growth);
        }
    }
    for it in &scene.groups {
        if let (Some(owner), Some(growth)) = (&it.key.owner, process_growth(it, measure)) {
            let known = owners.entry(owner).or_default();
            known.processes_sum += growth.excess;
            known.largest_process = known.largest_process.max(growth.excess);
        }
    }
    owners
}

fn process_growth(group: &SameNameProcesses, measure: UsageMeasure) -> Option<UsageGrowth> {
    growth(&group.now, &group.usual, measure)
}

/// The growth in one measure; `None` if it is not known, or below the floor of the measure.
fn growth(now: &ProcessUsage, usual: &ProcessUsage, measure: UsageMeasure) -> Option<UsageGrowth> {
    let (value, usual) = (now.get(measure)?, usual.get(measure)?);
    let excess = value - usual;
    (excess >= measure.floor()).then_some(UsageGrowth { value, usual, excess })
}

/// Something with a usage: a process group, or a container as a whole.
pub(super) trait User {
    /// What it uses now, and usually at most.
    fn usage(&self) -> [&ProcessUsage; 2];
}

impl User for SameNameProcesses {
    fn usage(&self) -> [&ProcessUsage; 2] {
        [&self.now, &self.usual]
    }
}

impl User for ContainerUsage {
    fn usage(&self) -> [&ProcessUsage; 2] {
        [&self.now, &self.usual]
    }
}

/// The largest part of the growth in the deviating resources that one of these users has, to choose whom to keep.
pub(super) fn relevance<U: User>(user: &U, all: &[U], deviations: &[DeviatingSignal<'_>]) -> f64 {
    let total = |of: &dyn Fn(&U) -> f64| all.iter().map(of).sum::<f64>().max(f64::MIN_POSITIVE);
    let excess = |it: &U, measure| {
        let [now, usual] = it.usage();
        growth(now, usual, measure).map_or(0.0, |it| it.excess)
    };
    let blamed = blamed(deviations);
    let grown = blamed
        .iter()
        .map(|(_, measure, weight)| weight * excess(user, *measure) / total(&|it| excess(it, *measure)));
    let value = |it: &U, measure| it.usage()[0].get(measure).unwrap_or(0.0);
    // Behind them, the largest users of each resource, whom one looks for first.
    let large = MEASURES.iter().map(|measure| 0.1 * value(user, *measure) / total(&|it| value(it, *measure)));
    grown.chain(large).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::culprit::{ContainerOrServiceKind, ProcessNameKey};

    fn owner(name: &str) -> ContainerOrService {
        ContainerOrService { kind: ContainerOrServiceKind::Container, name: name.into() }
    }

    fn cpu(value: f64) -> ProcessUsage {
        let mut usage = ProcessUsage::default();
        usage.set(UsageMeasure::Cpu, value);
        usage
    }

    /// A process with its container ("" for none), the CPUs that it uses and those that it usually uses.
    type Process = (&'static str, &'static str, f64, f64);
    /// The same of a container.
    type Container = (&'static str, f64, f64);

    fn scene(processes: &[Process], containers: &[Container]) -> UnrankedScene {
        let process = |(command, container, now, usual): &Process| SameNameProcesses {
            key: ProcessNameKey {
                command: (*command).into(),
                owner: (!container.is_empty()).then(|| owner(container)),
            },
            now: cpu(*now),
            usual: cpu(*usual),
            ..SameNameProcesses::default()
        };
        let container = |(name, now, usual): &Container| ContainerUsage {
            container: owner(name),
            now: cpu(*now),
            usual: cpu(*usual),
        };
        UnrankedScene {
            groups: processes.iter().map(process).collect(),
            containers: containers.iter().map(container).collect(),
            ..UnrankedScene::default()
        }
    }

    #[test]
    fn a_container_is_named_as_a_whole_unless_a_process_has_most_of_its_growth() {
        let many: Vec<Process> =
            ["a", "b", "c", "d", "e", "f"].into_iter().map(|name| (name, "build", 0.5, 0.0)).collect();
        let build: &[Container] = &[("build", 3.0, 0.1), ("db", 1.2, 1.1)];
        for (what, processes, containers, expected) in [
            ("many processes", many.clone(), build, vec![(None, Some("build"))]),
            ("no process can be read", vec![], build, vec![(None, Some("build"))]),
            (
                "one process",
                vec![("cc", "build", 1.9, 0.0), ("sh", "build", 0.1, 0.0)],
                build,
                vec![(Some("cc"), Some("build"))],
            ),
            (
                "one process, only part of which is in the total yet",
                vec![("cc", "build", 1.9, 0.0)],
                &[("build", 0.4, 0.1)],
                vec![(Some("cc"), Some("build"))],
            ),
            (
                "two containers, of which one has a large process",
                vec![("java", "shop", 1.0, 0.0)],
                &[("build", 1.0, 0.0), ("shop", 1.1, 0.1)],
                vec![(Some("java"), Some("shop")), (None, Some("build"))],
            ),
            (
                "a process of the host, beside a container that is always busy",
                vec![("yes", "", 1.0, 0.0), ("postgres", "db", 1.2, 1.1)],
                &[("db", 1.2, 1.1)],
                vec![(Some("yes"), None)],
            ),
            ("a container that is always busy", vec![], &[("db", 1.2, 1.1)], vec![]),
            ("without totals, processes alone count", many, &[], vec![]),
        ] {
            let scene = scene(&processes, containers);
            let found = standing_out(&scene, UsageMeasure::Cpu);
            let mut names: Vec<_> =
                found.iter().map(|it| (it.process, it.owner.map(|it| it.name.as_str()))).collect();
            names.sort_by_key(|it| it.0.is_none());
            assert_eq!(names, expected, "{what}");
            assert!(found.iter().map(|it| it.share).sum::<f64>() <= 1.0 + 1e-9, "{what}");
        }
    }
}
