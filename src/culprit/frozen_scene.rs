//! The state of a host at one instant of an episode, as it is stored and served.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Culprit, Deviation, MEASURES, Measure, Owner, ProcessGroup, can_be_named, culprits, relevance};

/// Largest number of processes that stay with an episode.
pub const PROCESSES_KEPT_MAX: usize = 10;

/// When in an episode a scene was frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SceneOccasion {
    /// At its start.
    Start,
    /// At its peak so far.
    Peak,
}

/// What was read at one instant; nothing in it is chosen yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scene {
    /// When, in Unix seconds.
    pub at: f64,
    /// All processes, in process groups.
    pub groups: Vec<ProcessGroup>,
    /// Number of processes.
    pub processes: u32,
    /// Processes that were not read, because there were too many or they took too long.
    pub unread: u32,
    /// Whether all processes of the host are visible, so that nobody stands out if nobody is found.
    pub sees_host: bool,
    /// CPU time that it took, in seconds.
    pub cpu_seconds: f64,
    /// Messages of the kernel in the last minute; `None` if they cannot be read.
    pub kernel: Option<KernelMessages>,
}

/// The state of the host at one instant of an episode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FrozenScene {
    /// start or peak.
    pub occasion: SceneOccasion,
    /// When, in Unix seconds.
    pub at: f64,
    /// Number of processes.
    pub processes: u32,
    /// Processes that were not read, because there were too many or they took too long.
    #[serde(default)]
    pub unread: u32,
    /// The processes with the largest part of the deviation, then the largest ones; at most ten.
    pub top: Vec<SceneProcess>,
    /// Sockets by state.
    #[serde(default)]
    pub sockets: Vec<SocketCount>,
    /// The fullest filesystems, at most ten.
    #[serde(default)]
    pub mounts: Vec<SceneMount>,
    /// Messages of the kernel in the minute before; absent if they cannot be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kernel: Option<KernelMessages>,
}

/// What is known of the processes behind an episode.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EpisodeScene {
    /// Who uses most of what deviates, the first one ahead; at most three.
    pub culprits: Vec<Culprit>,
    /// Whether everything needed is known, and no process stands out.
    pub nobody_stands_out: bool,
    /// The scene at the start, and the newest one at a peak.
    pub scenes: Vec<FrozenScene>,
}

impl EpisodeScene {
    /// Adds a scene. A later one that names nobody does not change who was named.
    pub fn add(
        &mut self,
        occasion: SceneOccasion,
        scene: &Scene,
        deviations: &[Deviation<'_>],
    ) -> &mut FrozenScene {
        let named = culprits(&scene.groups, deviations);
        let frozen = FrozenScene::new(occasion, scene, deviations, &named);
        if !named.is_empty() {
            self.culprits = named;
        }
        let is_known =
            scene.groups.iter().any(|it| MEASURES.iter().any(|measure| it.usual.get(*measure).is_some()));
        let is_whole = is_known && scene.sees_host && scene.unread == 0;
        self.nobody_stands_out = self.culprits.is_empty() && is_whole && can_be_named(deviations);
        self.scenes.retain(|it| it.occasion != occasion);
        self.scenes.push(frozen);
        let last = self.scenes.len() - 1;
        &mut self.scenes[last]
    }
}

/// The processes of one name in one container or service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SceneProcess {
    /// Name of the command, without arguments.
    pub process: String,
    /// Their container or service.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<Owner>,
    /// Number of processes.
    pub processes: u32,
    /// Number of threads.
    pub threads: u32,
    /// Number of processes in uninterruptible sleep, which usually wait for a disk.
    pub blocked: u32,
    /// What they use, by measure; a measure that cannot be read is absent.
    pub usage: BTreeMap<String, UsageValue>,
}

/// What is used, and what usually is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageValue {
    /// The value.
    pub value: f64,
    /// What is usual at most; absent before enough is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub usual: Option<f64>,
}

/// Number of sockets in one state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SocketCount {
    /// used, established, time_wait or orphaned.
    pub state: String,
    /// Number of sockets.
    pub count: f64,
}

/// One mounted filesystem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SceneMount {
    /// Mount point.
    pub mount_point: String,
    /// Share of its space that is used.
    pub used_ratio: f64,
}

/// Number of messages of the kernel by class: oom_kill, hung_task, io_error, link_down, lockup or hardware_error.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KernelMessages(pub BTreeMap<String, u32>);

impl FrozenScene {
    /// The part of a scene that stays with the episode.
    pub fn new(
        occasion: SceneOccasion,
        scene: &Scene,
        deviations: &[Deviation<'_>],
        culprits: &[Culprit],
    ) -> Self {
        let mut rated: Vec<(f64, &ProcessGroup)> =
            scene.groups.iter().map(|it| (relevance(it, &scene.groups, deviations), it)).collect();
        rated.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.key.cmp(&other.1.key)));
        // Named processes are in the list, and ahead.
        let place = |it: &ProcessGroup| {
            let is = |culprit: &Culprit| *culprit.process == *it.key.command && culprit.owner == it.key.owner;
            culprits.iter().position(is).unwrap_or(culprits.len())
        };
        rated.sort_by_key(|(_, it)| place(it));
        rated.truncate(PROCESSES_KEPT_MAX);
        Self {
            occasion,
            at: scene.at,
            processes: scene.processes,
            unread: scene.unread,
            top: rated.into_iter().map(|(_, it)| SceneProcess::new(it)).collect(),
            sockets: Vec::new(),
            mounts: Vec::new(),
            kernel: scene.kernel.clone(),
        }
    }
}

impl SceneProcess {
    fn new(group: &ProcessGroup) -> Self {
        let usage = MEASURES.iter().filter_map(|measure| {
            let value = rounded(group.now.get(*measure)?);
            Some((
                measure.name().to_owned(),
                UsageValue { value, usual: group.usual.get(*measure).map(rounded) },
            ))
        });
        Self {
            process: group.key.command.to_string(),
            owner: group.key.owner.clone(),
            processes: group.processes,
            threads: group.threads,
            blocked: group.blocked,
            usage: usage.collect(),
        }
    }

    /// The value of a measure and the usual one.
    pub fn usage(&self, measure: Measure) -> Option<UsageValue> {
        self.usage.get(measure.name()).copied()
    }
}

/// Rounded to thousandths: what is measured over half a second has no more digits.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::culprit::GroupKey;

    fn group(command: &str, cpu: f64, usual: f64) -> ProcessGroup {
        let mut it =
            ProcessGroup { key: GroupKey { command: command.into(), owner: None }, ..Default::default() };
        it.now.set(Measure::Cpu, cpu);
        it.usual.set(Measure::Cpu, usual);
        it
    }

    #[test]
    fn ten_processes_are_kept_with_the_culprit_ahead() {
        let mut groups: Vec<_> =
            (0..30).map(|idx| group(&format!("p{idx:02}"), 2.0 + f64::from(idx), 99.0)).collect();
        groups.push(group("culprit", 1.0, 0.0));
        let scene = Scene { groups, processes: 31, ..Scene::default() };
        let deviations = [Deviation { signal: "cpu_busy_ratio", is_high: true, weight: 1.0 }];
        let named = culprits(&scene.groups, &deviations);
        let frozen = FrozenScene::new(SceneOccasion::Start, &scene, &deviations, &named);
        let names: Vec<&str> = frozen.top.iter().map(|it| it.process.as_str()).collect();
        assert_eq!(names[..3], ["culprit", "p29", "p28"]);
        assert_eq!(frozen.top.len(), PROCESSES_KEPT_MAX);
        let mut nobody = EpisodeScene::default();
        let scene_of = |groups, sees_host| Scene { groups, sees_host, ..Scene::default() };
        nobody.add(SceneOccasion::Start, &scene_of(vec![group("a", 1.0, 1.0)], false), &deviations);
        assert!(!nobody.nobody_stands_out, "not all processes are visible");
        nobody.add(SceneOccasion::Start, &scene_of(vec![group("a", 1.0, 1.0)], true), &deviations);
        assert!(nobody.nobody_stands_out);
        let mut episode = EpisodeScene::default();
        episode.add(SceneOccasion::Start, &scene, &deviations);
        episode.add(SceneOccasion::Peak, &Scene::default(), &deviations);
        assert_eq!((episode.culprits.len(), episode.scenes.len()), (1, 2));
        assert!(!episode.nobody_stands_out);
        let json = serde_json::to_string(&frozen).unwrap();
        assert_eq!(serde_json::from_str::<FrozenScene>(&json).unwrap(), frozen);
    }
}
