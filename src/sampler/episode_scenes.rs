//! Freezes the scene when an episode of the host starts and when it peaks, and adds to reports who stands out.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::LoopEvent;
use crate::culprit::{ContainerUsageTracker, DeviatingSignal, EpisodeScene, SceneMoment, UnrankedScene};
use crate::episode_text;
use crate::reading::{Reading, Subject, Timestamp};
use crate::report::{Assessment, DeviationDirection, Episode, EpisodeTransition, Report};
use crate::scene::{OwnerNames, SceneSettings, SceneWatcher};
use crate::sources;

/// A score this much higher than at the last scene is a new peak.
const PEAK_FACTOR: f64 = 1.25;
/// Seconds between two scenes.
const BETWEEN_SECONDS: f64 = 5.0;
/// Seconds between two looks at the names of containers.
const NAMES_SECONDS: f64 = 5.0;
/// Largest number of scenes that are frozen in one episode.
const SCENES_MAX: usize = 8;

/// The scenes of the current episode of the host.
#[derive(Debug, Default)]
pub(super) struct EpisodeScenes {
    watcher: Option<SceneWatcher>,
    /// The names of containers that the watcher has, and when they were looked up.
    names: (OwnerNames, Option<Timestamp>),
    /// What containers and services use as a whole.
    containers: Option<ContainerUsageTracker>,
    current: Option<EpisodeWithScenes>,
}

#[derive(Debug)]
struct EpisodeWithScenes {
    since: Timestamp,
    /// When the last scene was requested, and the score then.
    last: (Timestamp, f64),
    requests: usize,
    /// A scene that was frozen since the last tick.
    arrived: Option<(SceneMoment, Box<UnrankedScene>)>,
    scene: Option<Arc<EpisodeScene>>,
    /// The last description without and with the culprits.
    description: Option<[Arc<str>; 2]>,
}

impl EpisodeScenes {
    /// Starts the watcher of processes, which sends each frozen scene to the loop; none without settings.
    pub(super) fn start(settings: Option<SceneSettings>, events: &Sender<LoopEvent>) -> Self {
        let events = events.clone();
        // If the loop has ended meanwhile, nobody needs the scene.
        let frozen = move |moment, scene| drop(events.send(LoopEvent::Frozen(moment, Box::new(scene))));
        let pause = settings.as_ref().map(|it| it.light_pass_interval.as_secs_f64());
        let watcher = settings.and_then(|it| SceneWatcher::start(it, frozen));
        Self { watcher, containers: pause.map(ContainerUsageTracker::new), ..Self::default() }
    }

    /// Takes a scene; the next report has it.
    pub(super) fn add_arrived_scene(&mut self, moment: SceneMoment, scene: Box<UnrankedScene>) {
        if let Some(current) = &mut self.current {
            current.arrived = Some((moment, scene));
        }
    }

    /// Requests a scene if one is due, and adds what is known to the report.
    pub(super) fn update(&mut self, report: &mut Report) {
        let Some(watcher) = &self.watcher else { return };
        let at = report.reading.at;
        if let Some(names) = new_names(&mut self.names, &report.reading) {
            watcher.set_names(names);
        }
        let Some(assessment) = report.assessments.get_mut(&Subject::Host) else { return };
        if let Some(containers) = &mut self.containers {
            let totals = || sources::container_totals(&report.reading);
            containers.step(at, totals, assessment.episode.is_some());
        }
        let Some(episode) = assessment.episode else {
            if self.current.take().is_some() {
                watcher.episode_ended();
            }
            return;
        };
        let score = assessment.details.as_ref().map_or(0.0, |it| it.instant_score);
        let current = match &mut self.current {
            Some(current) if current.since == episode.since => current,
            current => {
                watcher.freeze(SceneMoment::Start);
                current.insert(EpisodeWithScenes::new(episode, at, score))
            }
        };
        if current.is_peak(at, score) {
            (current.last, current.requests) = ((at, score), current.requests + 1);
            watcher.freeze(SceneMoment::Peak);
        }
        current.judge(assessment, &report.reading, self.containers.as_ref());
        current.describe(assessment);
    }
}

/// The names of containers, if they are due and others than before.
fn new_names(known: &mut (OwnerNames, Option<Timestamp>), reading: &Reading) -> Option<OwnerNames> {
    let at = reading.at;
    if known.1.is_some_and(|then| (0.0..NAMES_SECONDS).contains(&(at.0 - then.0))) {
        return None;
    }
    known.1 = Some(at);
    let names = OwnerNames::new(sources::container_names(reading));
    (known.0 != names).then(|| known.0.clone_from(&names)).map(|()| names)
}

impl EpisodeWithScenes {
    fn new(episode: Episode, at: Timestamp, score: f64) -> Self {
        Self {
            since: episode.since,
            last: (at, score),
            requests: 1,
            arrived: None,
            scene: None,
            description: None,
        }
    }

    /// Whether the score is a peak for which a scene is due.
    fn is_peak(&self, at: Timestamp, score: f64) -> bool {
        let (then, before) = self.last;
        let waited = at.0 - then.0 >= BETWEEN_SECONDS;
        waited && score >= PEAK_FACTOR * before && self.requests < SCENES_MAX
    }

    /// Finds out who stands out in a scene that arrived.
    fn judge(
        &mut self,
        assessment: &mut Assessment,
        reading: &Reading,
        containers: Option<&ContainerUsageTracker>,
    ) {
        if let Some((moment, mut scene)) = self.arrived.take() {
            scene.containers = containers
                .map(|it| it.usages(reading.at, &sources::container_totals(reading)))
                .unwrap_or_default();
            let mut episode = self.scene.as_deref().cloned().unwrap_or_default();
            let frozen = episode.add(moment, &scene, &deviations(assessment));
            frozen.sockets = sources::socket_counts(reading);
            frozen.mounts = sources::fullest_mounts(reading);
            self.scene = Some(Arc::new(episode));
            assessment.scene_is_new = true;
        }
        assessment.scene.clone_from(&self.scene);
    }

    /// Adds the culprits to the description; a description that changes thereby is a transition.
    fn describe(&mut self, assessment: &mut Assessment) {
        let (Some(scene), Some(plain)) = (&self.scene, &assessment.description) else { return };
        let is_known = self.description.as_ref().is_some_and(|[known, _]| Arc::ptr_eq(known, plain));
        if !is_known || assessment.scene_is_new {
            let full: Arc<str> = episode_text::with_culprits(plain, scene).into();
            let before = self.description.replace([Arc::clone(plain), Arc::clone(&full)]);
            let before = before.map_or_else(|| Arc::clone(plain), |[_, full]| full);
            if before != full && assessment.transition.is_none() {
                assessment.transition = Some(EpisodeTransition::Changed);
            }
        }
        assessment.description = self.description.as_ref().map(|[_, full]| Arc::clone(full));
    }
}

/// The signals that deviate, with their parts of the score.
fn deviations(assessment: &Assessment) -> Vec<DeviatingSignal<'static>> {
    let causes = assessment.details.iter().flat_map(|it| &it.causes);
    let deviation = causes.map(|it| DeviatingSignal {
        signal: it.signal.name,
        is_high: it.direction == DeviationDirection::High,
        weight: it.value,
    });
    deviation.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::culprit::{ProcessNameKey, ProcessUsage, SameNameProcesses, UsageMeasure};
    use crate::reading::SubjectKind;
    use crate::report::{Contribution, ScoreDetails};
    use crate::signal::{Signal, SignalUnit};

    static BUSY: Signal = Signal {
        kind: SubjectKind::Host,
        name: "cpu_busy_ratio",
        title: "CPU usage",
        help: "",
        unit: SignalUnit::Ratio,
        floor: 0.05,
        device: None,
        formula: |_| None,
    };

    fn assessment(description: &Arc<str>) -> Assessment {
        let causes = vec![Contribution { signal: &BUSY, direction: DeviationDirection::High, value: 1.0 }];
        Assessment {
            details: Some(ScoreDetails { instant_score: 1.5, causes, ..ScoreDetails::default() }),
            description: Some(Arc::clone(description)),
            ..Assessment::default()
        }
    }

    fn scene(command: &str) -> Box<UnrankedScene> {
        let mut now = ProcessUsage::NONE;
        now.set(UsageMeasure::Cpu, 1.0);
        let key = ProcessNameKey { command: command.into(), owner: None };
        let group = SameNameProcesses { key, now, usual: ProcessUsage::NONE, ..SameNameProcesses::default() };
        Box::new(UnrankedScene { groups: vec![group], ..UnrankedScene::default() })
    }

    /// A tick; returns the description, whether it changed, and whether the scene is new.
    fn tick(current: &mut EpisodeWithScenes, plain: &Arc<str>) -> (String, bool, bool) {
        let mut it = assessment(plain);
        current.judge(&mut it, &Reading::default(), None);
        current.describe(&mut it);
        (
            it.description.unwrap().to_string(),
            it.transition == Some(EpisodeTransition::Changed),
            it.scene_is_new,
        )
    }

    #[test]
    fn a_scene_changes_the_description_once() {
        let episode = Episode { since: Timestamp(1.0), peak: 1.5, lasted: 0.0 };
        let mut current = EpisodeWithScenes::new(episode, Timestamp(1.0), 1.5);
        let plain: Arc<str> = "Anomaly on host: CPU usage 97 %".into();
        assert_eq!(tick(&mut current, &plain), (plain.to_string(), false, false));
        current.arrived = Some((SceneMoment::Start, scene("yes")));
        let full = format!("{plain}; most of it: process `yes`");
        assert_eq!(tick(&mut current, &plain), (full.clone(), true, true));
        assert_eq!(tick(&mut current, &plain), (full.clone(), false, false));
        // The scene at the peak names the same process, and a renewed description keeps it.
        current.arrived = Some((SceneMoment::Peak, scene("yes")));
        assert_eq!(tick(&mut current, &plain), (full, false, true));
        let renewed: Arc<str> = "Anomaly on host: CPU usage 99 %".into();
        assert_eq!(tick(&mut current, &renewed).0, format!("{renewed}; most of it: process `yes`"));
        assert_eq!(current.scene.unwrap().scenes.len(), 2);
    }

    #[test]
    fn a_peak_is_clearly_higher_and_not_at_once() {
        let episode = Episode { since: Timestamp(1.0), peak: 1.0, lasted: 0.0 };
        let mut current = EpisodeWithScenes::new(episode, Timestamp(1.0), 1.0);
        assert!(!current.is_peak(Timestamp(3.0), 2.0), "too early");
        assert!(!current.is_peak(Timestamp(30.0), 1.2), "hardly higher");
        assert!(current.is_peak(Timestamp(30.0), 1.25));
        current.requests = SCENES_MAX;
        assert!(!current.is_peak(Timestamp(30.0), 9.0), "too many");
    }
}
