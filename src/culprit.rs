//! Names who uses most of the resource that deviates: at most three processes, each with its container or service.
//!
//! A process is named for its growth over its own usual use, not for its size: the largest user is not blamed for
//! being the largest. The growth is a coincidence in time, so texts say "most of it", never "caused by".

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod frozen_scene;
mod measure;
mod process_usage;
mod resource;
mod usage_baseline;

pub use frozen_scene::{
    EpisodeScene, FrozenScene, KernelMessages, PROCESSES_KEPT_MAX, Scene, SceneMount, SceneOccasion,
    SceneProcess, SocketCount, UsageValue,
};
pub use measure::{MEASURES, Measure};
pub use process_usage::{GroupKey, Owner, OwnerKind, ProcessGroup, Usage};
pub use resource::{Resource, resource_of};
pub use usage_baseline::{GROUPS_MAX, UsageBaselines};

/// Largest number of culprits of an episode.
pub const CULPRITS_MAX: usize = 3;
/// Smallest part of the growth of a resource for which a process is named.
const PART_MIN: f64 = 0.2;
/// Smallest part of the growth that the named processes have together; below, nobody stands out.
const TOGETHER_MIN: f64 = 0.5;
/// Smallest part of the deviation that a resource must have for its users to be named.
const WEIGHT_MIN: f64 = 0.2;

/// A signal that deviates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deviation<'a> {
    /// Name of the signal.
    pub signal: &'a str,
    /// Whether it is above its expected value. Below it, nobody grew.
    pub is_high: bool,
    /// Its contribution to the score; not positive if it lowers the score.
    pub weight: f64,
}

/// Who uses most of a resource that deviates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Culprit {
    /// The resource: cpu, memory, io, network or tasks.
    pub resource: Resource,
    /// Name of the command, without arguments.
    pub process: String,
    /// The container or service that the process belongs to; absent if it belongs to none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<Owner>,
    /// Its part of the growth of all processes, 0 to 1.
    pub share: f64,
    /// What it uses, in the unit of `measure`.
    pub value: f64,
    /// What it usually uses at most.
    pub usual: f64,
    /// How its usage is measured.
    pub measure: Measure,
}

/// The culprits of these deviations, the first one ahead; empty if nobody stands out.
pub fn culprits(groups: &[ProcessGroup], deviations: &[Deviation<'_>]) -> Vec<Culprit> {
    let mut found: Vec<(f64, Culprit)> = Vec::new();
    for (resource, measure, weight) in blamed(deviations) {
        for (group, share, [value, usual]) in standing_out(groups, measure) {
            let (process, owner) = (group.key.command.to_string(), group.key.owner.clone());
            let culprit = Culprit { resource, process, owner, share, value, usual, measure };
            let rank = weight * share;
            let same =
                |(_, it): &&mut (f64, Culprit)| it.process == culprit.process && it.owner == culprit.owner;
            match found.iter_mut().find(same) {
                Some(known) if known.0 < rank => *known = (rank, culprit),
                Some(_) => {}
                None => found.push((rank, culprit)),
            }
        }
    }
    found.sort_by(|one, other| other.0.total_cmp(&one.0));
    found.truncate(CULPRITS_MAX);
    found.into_iter().map(|(_, it)| it).collect()
}

/// Whether a process can be named for one of these deviations at all.
pub fn can_be_named(deviations: &[Deviation<'_>]) -> bool {
    !blamed(deviations).is_empty()
}

/// The resources that deviate, how their use is measured, and their parts of the deviation; the largest first.
fn blamed(deviations: &[Deviation<'_>]) -> Vec<(Resource, Measure, f64)> {
    let mut found: Vec<(Resource, Measure, f64)> = Vec::new();
    for it in deviations.iter().filter(|it| it.is_high && it.weight > 0.0) {
        let Some((resource, measure)) = resource_of(it.signal) else { continue };
        match found.iter_mut().find(|(_, known, _)| *known == measure) {
            Some((_, _, weight)) => *weight += it.weight,
            None => found.push((resource, measure, it.weight)),
        }
    }
    let total: f64 = found.iter().map(|(_, _, weight)| weight).sum();
    found.iter_mut().for_each(|(_, _, weight)| *weight /= total);
    found.retain(|(_, _, weight)| *weight >= WEIGHT_MIN);
    found.sort_by(|one, other| other.2.total_cmp(&one.2));
    found
}

/// The processes that have most of the growth in one measure: their part of it, their usage and their usual use.
fn standing_out(groups: &[ProcessGroup], measure: Measure) -> Vec<(&ProcessGroup, f64, [f64; 2])> {
    let grown: Vec<_> = groups.iter().filter_map(|it| Some((it, growth(it, measure)?))).collect();
    let total: f64 = grown.iter().map(|(_, it)| it.excess).sum();
    let rated = grown.into_iter().map(|(group, it)| {
        // A part of the growth counts as much as it is new for the process.
        let share = it.excess / total * (it.excess / it.value).min(1.0);
        (group, share, [it.value, it.usual])
    });
    let mut named: Vec<_> = rated.filter(|(_, share, _)| *share >= PART_MIN).collect();
    if named.iter().map(|(_, share, _)| share).sum::<f64>() < TOGETHER_MIN {
        return Vec::new();
    }
    named.sort_by(|one, other| other.1.total_cmp(&one.1));
    named
}

/// Usage beyond the usual.
#[derive(Debug, Clone, Copy)]
struct Growth {
    value: f64,
    usual: f64,
    excess: f64,
}

/// The growth of a process in one measure; `None` if it is not known, or below the floor of the measure.
fn growth(group: &ProcessGroup, measure: Measure) -> Option<Growth> {
    let (value, usual) = (group.now.get(measure)?, group.usual.get(measure)?);
    let excess = value - usual;
    (excess >= measure.floor()).then_some(Growth { value, usual, excess })
}

/// The part of the growth in the deviating resources that each process has, to choose whom to keep.
pub(crate) fn relevance(group: &ProcessGroup, groups: &[ProcessGroup], deviations: &[Deviation<'_>]) -> f64 {
    let total = |of: &dyn Fn(&ProcessGroup) -> f64| groups.iter().map(of).sum::<f64>().max(f64::MIN_POSITIVE);
    let excess = |it: &ProcessGroup, measure| growth(it, measure).map_or(0.0, |it| it.excess);
    let blamed = blamed(deviations);
    let grown = blamed
        .iter()
        .map(|(_, measure, weight)| weight * excess(group, *measure) / total(&|it| excess(it, *measure)));
    let value = |it: &ProcessGroup, measure| it.now.get(measure).unwrap_or(0.0);
    // Behind them, the largest users of each resource, whom one looks for first.
    let large =
        MEASURES.iter().map(|measure| 0.1 * value(group, *measure) / total(&|it| value(it, *measure)));
    grown.chain(large).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group(command: &str, measure: Measure, value: f64, usual: f64) -> ProcessGroup {
        let [mut now, mut before] = [Usage::default(), Usage::default()];
        now.set(measure, value);
        before.set(measure, usual);
        ProcessGroup {
            key: GroupKey { command: command.into(), owner: None },
            now,
            usual: before,
            ..ProcessGroup::default()
        }
    }

    fn high(signal: &str) -> Deviation<'_> {
        Deviation { signal, is_high: true, weight: 1.0 }
    }

    fn names(groups: &[ProcessGroup], deviations: &[Deviation<'_>]) -> Vec<String> {
        culprits(groups, deviations).into_iter().map(|it| it.process).collect()
    }

    #[test]
    fn the_process_that_grew_is_named_and_not_the_largest() {
        let groups = [
            group("postgres", Measure::Cpu, 3.1, 3.0),
            group("burner", Measure::Cpu, 1.0, 0.0),
            group("sshd", Measure::Cpu, 0.01, 0.0),
        ];
        assert_eq!(names(&groups, &[high("cpu_busy_ratio")]), ["burner"]);
        let found = &culprits(&groups, &[high("cpu_busy_ratio")])[0];
        assert_eq!((found.resource, found.value, found.usual), (Resource::Cpu, 1.0, 0.0));
        assert!(found.share > 0.9, "{found:?}");
    }

    #[test]
    fn a_usual_user_that_wobbles_is_not_named() {
        let groups = [group("postgres", Measure::Cpu, 3.3, 3.0), group("cron", Measure::Cpu, 0.06, 0.0)];
        assert_eq!(names(&groups, &[high("cpu_busy_ratio")]), [""; 0]);
    }

    #[test]
    fn nobody_stands_out_among_many() {
        let groups: Vec<_> = (0..10).map(|idx| group(&format!("p{idx}"), Measure::Cpu, 0.5, 0.0)).collect();
        assert_eq!(names(&groups, &[high("cpu_busy_ratio")]), [""; 0]);
        assert!(can_be_named(&[high("cpu_busy_ratio")]));
    }

    #[test]
    fn two_may_share_it() {
        let groups = [group("a", Measure::DiskBytes, 6e7, 0.0), group("b", Measure::DiskBytes, 4e7, 0.0)];
        assert_eq!(names(&groups, &[high("disk_written_bytes_per_second")]), ["a", "b"]);
    }

    #[test]
    fn a_lower_value_and_an_unknown_signal_blame_nobody() {
        let groups = [group("a", Measure::Cpu, 2.0, 0.0)];
        assert!(names(&groups, &[Deviation { is_high: false, ..high("cpu_busy_ratio") }]).is_empty());
        assert!(names(&groups, &[high("no_such_signal")]).is_empty());
        assert!(!can_be_named(&[high("no_such_signal")]));
    }

    #[test]
    fn a_process_without_a_usual_value_is_not_judged() {
        let mut it = group("a", Measure::Cpu, 2.0, 0.0);
        it.usual = Usage::default();
        assert!(names(&[it], &[high("cpu_busy_ratio")]).is_empty());
    }

    #[test]
    fn each_process_is_named_once_with_the_resource_that_deviates_most() {
        let mut it = group("java", Measure::Cpu, 2.0, 0.0);
        it.now.set(Measure::Memory, 4e9);
        it.usual.set(Measure::Memory, 0.0);
        let deviations = [high("cpu_busy_ratio"), Deviation { weight: 3.0, ..high("memory_used_ratio") }];
        let found = culprits(&[it], &deviations);
        assert_eq!(found.iter().map(|it| it.resource).collect::<Vec<_>>(), [Resource::Memory]);
    }

    proptest! {
        #[test]
        fn shares_are_shares_and_there_are_at_most_three(
            values in prop::collection::vec((0.0..1e12_f64, 0.0..1e12_f64), 0..40),
            weight in -1.0..10.0_f64,
        ) {
            let groups: Vec<_> = values
                .iter()
                .enumerate()
                .map(|(idx, (value, usual))| group(&idx.to_string(), Measure::Memory, *value, *usual))
                .collect();
            let found = culprits(&groups, &[Deviation { weight, ..high("memory_used_ratio") }]);
            prop_assert!(found.len() <= CULPRITS_MAX);
            for it in &found {
                prop_assert!((PART_MIN..=1.0).contains(&it.share) && it.value > it.usual, "{it:?}");
            }
        }
    }
}
