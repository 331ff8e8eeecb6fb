//! Names who uses most of the resource that deviates: at most three processes, each with its container or service, or
//! containers and services as a whole.
//!
//! Each is named for its growth over its own usual use, not for its size: the largest user is not blamed for
//! being the largest. The growth is a coincidence in time, so texts say "most of it", never "caused by".

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod frozen_scene;
mod unranked_scene;
mod usage_measure;
mod process_usage;
mod container_usage;
mod ranking;
mod scene_usage;
mod host_resource;
mod usage_baseline;

pub use container_usage::{ContainerTotals, ContainerUsage, ContainerUsageTracker};
pub use frozen_scene::{CulpritFinding, EpisodeScene, FrozenScene, SceneMoment, SceneMount, SocketCount};
pub use host_resource::{Resource, resource_of};
pub use process_usage::{
    ContainerOrService, ContainerOrServiceKind, ProcessNameKey, ProcessUsage, SameNameProcesses,
};
pub use scene_usage::{SceneContainer, SceneProcess, UsageValue};
pub use unranked_scene::{KernelMessages, UnrankedScene};
pub use usage_baseline::{GROUPS_MAX, UsageBaselines};
pub use usage_measure::{GROUP_MEASURES, MEASURES, UsageMeasure};

use ranking::{UsageGrowth, standing_out};

/// Largest number of culprits of an episode.
pub const CULPRITS_MAX: usize = 3;
/// Smallest part of the deviation that a resource must have for its users to be named.
const WEIGHT_MIN: f64 = 0.2;

/// A signal that deviates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeviatingSignal<'a> {
    /// Name of the signal.
    pub signal: &'a str,
    /// Whether it is above its expected value. Below it, nobody grew.
    pub is_high: bool,
    /// Its contribution to the score; not positive if it lowers the score.
    pub weight: f64,
}

/// A process, container or service whose use of a deviating resource grew most over its usual use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Culprit {
    /// The resource: cpu, memory, io, network or tasks.
    pub resource: Resource,
    /// Name of the command, without arguments; absent if the owner is named as a whole, because no process has most of its
    /// growth or none can be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub process: Option<String>,
    /// The container or service that the process belongs to; absent if it belongs to none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<ContainerOrService>,
    /// Part of the growth of the whole host that this one has, 0 to 1.
    pub share: f64,
    /// Current use, in the unit of `measure`.
    pub value: f64,
    /// Usual maximum of the use, in the same unit.
    pub usual: f64,
    /// Measure of the use.
    pub measure: UsageMeasure,
}

impl Culprit {
    /// Whether both are one: the same process, or a process and its container as a whole.
    fn is_same(&self, other: &Self) -> bool {
        let one_is_whole = self.process.is_none() || other.process.is_none();
        self.owner == other.owner && (self.process == other.process || (self.owner.is_some() && one_is_whole))
    }
}

/// The culprits of these deviations, the first one ahead; empty if nobody stands out.
pub fn culprits(scene: &UnrankedScene, deviations: &[DeviatingSignal<'_>]) -> Vec<Culprit> {
    let mut found: Vec<(f64, Culprit)> = Vec::new();
    for (resource, measure, weight) in blamed(deviations) {
        for it in standing_out(scene, measure) {
            let UsageGrowth { value, usual, .. } = it.growth;
            let process = it.process.map(str::to_owned);
            let (owner, share) = (it.owner.cloned(), it.share);
            let culprit = Culprit { resource, process, owner, share, value, usual, measure };
            let rank = weight * share;
            match found.iter_mut().find(|(_, it)| it.is_same(&culprit)) {
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

/// The resources that deviate, how their use is measured, and their parts of the deviation; the largest first.
fn blamed(deviations: &[DeviatingSignal<'_>]) -> Vec<(Resource, UsageMeasure, f64)> {
    let mut found: Vec<(Resource, UsageMeasure, f64)> = Vec::new();
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group(command: &str, measure: UsageMeasure, value: f64, usual: f64) -> SameNameProcesses {
        let [mut now, mut before] = [ProcessUsage::default(), ProcessUsage::default()];
        now.set(measure, value);
        before.set(measure, usual);
        SameNameProcesses {
            key: ProcessNameKey { command: command.into(), owner: None },
            now,
            usual: before,
            ..SameNameProcesses::default()
        }
    }

    fn high(signal: &str) -> DeviatingSignal<'_> {
        DeviatingSignal { signal, is_high: true, weight: 1.0 }
    }

    fn scene(groups: &[SameNameProcesses]) -> UnrankedScene {
        UnrankedScene { groups: groups.to_vec(), ..UnrankedScene::default() }
    }

    fn names(groups: &[SameNameProcesses], deviations: &[DeviatingSignal<'_>]) -> Vec<String> {
        culprits(&scene(groups), deviations).into_iter().filter_map(|it| it.process).collect()
    }

    #[test]
    fn the_process_that_grew_is_named_and_not_the_largest() {
        let groups = [
            group("postgres", UsageMeasure::Cpu, 3.1, 3.0),
            group("burner", UsageMeasure::Cpu, 1.0, 0.0),
            group("sshd", UsageMeasure::Cpu, 0.01, 0.0),
        ];
        assert_eq!(names(&groups, &[high("cpu_busy_ratio")]), ["burner"]);
        let found = &culprits(&scene(&groups), &[high("cpu_busy_ratio")])[0];
        assert_eq!((found.resource, found.value, found.usual), (Resource::Cpu, 1.0, 0.0));
        assert!(found.share > 0.9, "{found:?}");
    }

    #[test]
    fn a_usual_user_that_wobbles_is_not_named() {
        let groups =
            [group("postgres", UsageMeasure::Cpu, 3.3, 3.0), group("cron", UsageMeasure::Cpu, 0.06, 0.0)];
        assert_eq!(names(&groups, &[high("cpu_busy_ratio")]), [""; 0]);
    }

    #[test]
    fn nobody_stands_out_among_many() {
        let groups: Vec<_> =
            (0..10).map(|idx| group(&format!("p{idx}"), UsageMeasure::Cpu, 0.5, 0.0)).collect();
        assert_eq!(names(&groups, &[high("cpu_busy_ratio")]), [""; 0]);
        assert_eq!(blamed(&[high("cpu_busy_ratio")]).len(), 1);
    }

    #[test]
    fn two_may_share_it() {
        let groups =
            [group("a", UsageMeasure::DiskBytes, 6e7, 0.0), group("b", UsageMeasure::DiskBytes, 4e7, 0.0)];
        assert_eq!(names(&groups, &[high("disk_written_bytes_per_second")]), ["a", "b"]);
    }

    #[test]
    fn a_lower_value_and_an_unknown_signal_blame_nobody() {
        let groups = [group("a", UsageMeasure::Cpu, 2.0, 0.0)];
        assert!(names(&groups, &[DeviatingSignal { is_high: false, ..high("cpu_busy_ratio") }]).is_empty());
        assert!(names(&groups, &[high("no_such_signal")]).is_empty());
        assert!(blamed(&[high("no_such_signal")]).is_empty());
    }

    #[test]
    fn a_process_without_a_usual_value_is_not_judged() {
        let mut it = group("a", UsageMeasure::Cpu, 2.0, 0.0);
        it.usual = ProcessUsage::default();
        assert!(names(&[it], &[high("cpu_busy_ratio")]).is_empty());
    }

    #[test]
    fn each_process_is_named_once_with_the_resource_that_deviates_most() {
        let mut it = group("java", UsageMeasure::Cpu, 2.0, 0.0);
        it.now.set(UsageMeasure::Memory, 4e9);
        it.usual.set(UsageMeasure::Memory, 0.0);
        let deviations =
            [high("cpu_busy_ratio"), DeviatingSignal { weight: 3.0, ..high("memory_used_ratio") }];
        let found = culprits(&scene(&[it]), &deviations);
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
                .map(|(idx, (value, usual))| group(&idx.to_string(), UsageMeasure::Memory, *value, *usual))
                .collect();
            let found = culprits(&scene(&groups), &[DeviatingSignal { weight, ..high("memory_used_ratio") }]);
            prop_assert!(found.len() <= CULPRITS_MAX);
            for it in &found {
                prop_assert!((ranking::PART_MIN..=1.0).contains(&it.share) && it.value > it.usual, "{it:?}");
            }
        }
    }
}
