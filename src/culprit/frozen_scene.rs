//! The state of a host at one instant of an episode, as it is stored and served.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scene_usage::{kept_containers, kept_processes};
use super::{
    CULPRITS_MAX, Culprit, DeviatingSignal, KernelMessages, SameNameProcesses, SceneContainer, SceneProcess,
    UnrankedScene, UsageMeasure, blamed, culprits,
};

/// The instant of an episode at which hostnorm recorded a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SceneMoment {
    /// At the start of the episode.
    Start,
    /// At the peak of the episode so far.
    Peak,
}

/// What a scene says about the processes behind an anomaly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CulpritFinding {
    /// Processes are named.
    Named,
    /// Everything needed is known, and no process stands out.
    NobodyStandsOut,
    /// The use that counts is that of processes which hostnorm may not read.
    NotPermitted,
    /// Too little is known, or processes have no part in what deviates.
    #[default]
    Unknown,
}

impl CulpritFinding {
    /// The finding of a scene with these culprits.
    fn of(scene: &UnrankedScene, deviations: &[DeviatingSignal<'_>], named: &[Culprit]) -> Self {
        if !named.is_empty() {
            return Self::Named;
        }
        let measures: Vec<UsageMeasure> = blamed(deviations).into_iter().map(|it| it.1).collect();
        let any = |is: &dyn Fn(&SameNameProcesses, UsageMeasure) -> bool| {
            measures.iter().any(|measure| scene.groups.iter().any(|it| is(it, *measure)))
        };
        if any(&|it, measure| it.denied.contains(&measure)) {
            return Self::NotPermitted;
        }
        let is_usual_known =
            |measure: &UsageMeasure| scene.groups.iter().any(|it| it.usual.get(*measure).is_some());
        let is_known = !measures.is_empty()
            && measures.iter().all(is_usual_known)
            && !any(&|it, measure| it.now.get(measure).is_none());
        if is_known && scene.sees_host && scene.unread == 0 { Self::NobodyStandsOut } else { Self::Unknown }
    }

    /// The finding of an episode with these culprits and scenes: that of the newest scene, if nobody was named.
    pub fn of_episode(culprits: &[Culprit], scenes: &[FrozenScene]) -> Self {
        if !culprits.is_empty() {
            return Self::Named;
        }
        scenes.last().map_or(Self::Unknown, |it| it.finding)
    }
}

/// The state of the host at one instant of an episode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FrozenScene {
    /// start or peak.
    pub moment: SceneMoment,
    /// Time of the scene, in Unix seconds.
    pub at: f64,
    /// named, nobody_stands_out, not_permitted (hostnorm may not read the use that counts) or unknown.
    #[serde(default)]
    pub finding: CulpritFinding,
    /// Number of processes.
    pub processes: u32,
    /// Processes that were not read, because there were too many or they took too long.
    #[serde(default)]
    pub unread: u32,
    /// Process groups, at most ten: first those with the largest part of the deviation, then the largest others.
    pub top: Vec<SceneProcess>,
    /// Containers and services as a whole, at most ten, in the same order.
    #[serde(default)]
    pub containers: Vec<SceneContainer>,
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

/// What is known of those behind an episode.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EpisodeScene {
    /// Those that use most of what deviates, at most three; those of the first scene come first.
    pub culprits: Vec<Culprit>,
    /// The scene at the start, and the newest one at a peak.
    pub scenes: Vec<FrozenScene>,
}

impl EpisodeScene {
    /// Adds a scene. Who was named first stays first: at the start of an anomaly its reason is at work, and later also
    /// whoever suffers from it or repairs it.
    pub fn add(
        &mut self,
        moment: SceneMoment,
        scene: &UnrankedScene,
        deviations: &[DeviatingSignal<'_>],
    ) -> &mut FrozenScene {
        let named = culprits(scene, deviations);
        let frozen = FrozenScene::new(moment, scene, deviations, &named);
        for it in named {
            let is_known = self.culprits.iter().any(|known| known.is_same(&it));
            if !is_known && self.culprits.len() < CULPRITS_MAX {
                self.culprits.push(it);
            }
        }
        self.scenes.retain(|it| it.moment != moment);
        self.scenes.push(frozen);
        let last = self.scenes.len() - 1;
        &mut self.scenes[last]
    }
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

impl FrozenScene {
    /// The part of a scene that stays with the episode.
    pub fn new(
        moment: SceneMoment,
        scene: &UnrankedScene,
        deviations: &[DeviatingSignal<'_>],
        culprits: &[Culprit],
    ) -> Self {
        Self {
            moment,
            at: scene.at,
            finding: CulpritFinding::of(scene, deviations, culprits),
            processes: scene.processes,
            unread: scene.unread,
            top: kept_processes(&scene.groups, deviations, culprits),
            containers: kept_containers(&scene.containers, deviations, culprits),
            sockets: Vec::new(),
            mounts: Vec::new(),
            kernel: scene.kernel.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::culprit::scene_usage::KEPT_MAX;
    use crate::culprit::{ProcessNameKey, ProcessUsage};

    fn group(command: &str, cpu: f64, usual: f64) -> SameNameProcesses {
        let mut it = SameNameProcesses {
            key: ProcessNameKey { command: command.into(), owner: None },
            ..Default::default()
        };
        it.now.set(UsageMeasure::Cpu, cpu);
        it.usual.set(UsageMeasure::Cpu, usual);
        it
    }

    #[test]
    fn ten_processes_are_kept_with_the_culprit_ahead() {
        let mut groups: Vec<_> =
            (0..30).map(|idx| group(&format!("p{idx:02}"), 2.0 + f64::from(idx), 99.0)).collect();
        groups.push(group("culprit", 1.0, 0.0));
        let scene = UnrankedScene { groups, processes: 31, ..UnrankedScene::default() };
        let deviations = [DeviatingSignal { signal: "cpu_busy_ratio", is_high: true, weight: 1.0 }];
        let named = culprits(&scene, &deviations);
        let frozen = FrozenScene::new(SceneMoment::Start, &scene, &deviations, &named);
        let names: Vec<&str> = frozen.top.iter().map(|it| it.process.as_str()).collect();
        assert_eq!(names[..3], ["culprit", "p29", "p28"]);
        assert_eq!(frozen.top.len(), KEPT_MAX);
        let mut episode = EpisodeScene::default();
        episode.add(SceneMoment::Start, &scene, &deviations);
        episode.add(SceneMoment::Peak, &UnrankedScene::default(), &deviations);
        assert_eq!((episode.culprits.len(), episode.scenes.len()), (1, 2));
        assert_eq!(CulpritFinding::of_episode(&episode.culprits, &episode.scenes), CulpritFinding::Named);
        let json = serde_json::to_string(&frozen).unwrap();
        assert_eq!(serde_json::from_str::<FrozenScene>(&json).unwrap(), frozen);
    }

    #[test]
    fn nobody_stands_out_only_where_the_use_that_counts_was_read() {
        use CulpritFinding::{NobodyStandsOut, NotPermitted, Unknown};
        let disk = [DeviatingSignal { signal: "disk_written_bytes_per_second", is_high: true, weight: 1.0 }];
        let cpu = [DeviatingSignal { signal: "cpu_busy_ratio", is_high: true, weight: 1.0 }];
        // A usual user, and a process of root whose bytes were read, could not be read, or may not be read.
        let mut read = group("writer", 1.0, 1.0);
        (read.now, read.usual) = (ProcessUsage::NONE, ProcessUsage::NONE);
        let mut unread = read.clone();
        unread.now.clear(UsageMeasure::DiskBytes);
        let denied = SameNameProcesses { denied: vec![UsageMeasure::DiskBytes], ..unread.clone() };
        let new = SameNameProcesses { usual: ProcessUsage::default(), ..read.clone() };
        for (what, other, sees_host, deviations, expected) in [
            ("read", &read, true, &disk, NobodyStandsOut),
            ("not all processes are visible", &read, false, &disk, Unknown),
            ("not read", &unread, true, &disk, Unknown),
            ("may not be read", &denied, true, &disk, NotPermitted),
            ("the CPU time of all is known", &denied, true, &cpu, NobodyStandsOut),
            ("nothing is usual yet", &new, true, &disk, Unknown),
        ] {
            let mut known = read.clone();
            known.usual = other.usual;
            let scene =
                UnrankedScene { groups: vec![known, other.clone()], sees_host, ..UnrankedScene::default() };
            let mut episode = EpisodeScene::default();
            episode.add(SceneMoment::Start, &scene, deviations);
            assert_eq!(CulpritFinding::of_episode(&episode.culprits, &episode.scenes), expected, "{what}");
        }
    }

    #[test]
    fn who_was_named_at_the_start_stays_first() {
        let deviations = [DeviatingSignal { signal: "cpu_busy_ratio", is_high: true, weight: 1.0 }];
        let mut episode = EpisodeScene::default();
        for (moment, names) in [
            (SceneMoment::Start, ["burner"].as_slice()),
            (SceneMoment::Peak, &["rescue", "burner"]),
            (SceneMoment::Peak, &["backup"]),
            (SceneMoment::Peak, &["fourth"]),
            (SceneMoment::Peak, &[]),
        ] {
            let groups = names.iter().map(|it| group(it, 1.0, 0.0)).collect();
            episode.add(moment, &UnrankedScene { groups, ..UnrankedScene::default() }, &deviations);
        }
        let names: Vec<&str> = episode.culprits.iter().filter_map(|it| it.process.as_deref()).collect();
        assert_eq!(names, ["burner", "rescue", "backup"]);
    }
}
