//! Subjects that come and go, through the loop and the store: evicted, stored, and loaded by a job when they return.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hostnorm::control_command::ControlCommand;
use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::model_registry::ModelRegistry;
use hostnorm::reading::{MetricLabels, Reading, Subject, Timestamp};
use hostnorm::report::{Assessment, Report};
use hostnorm::sampler::PersistentState;
use hostnorm::sources::{self, Source};

use crate::sampler::{Loop, no_sources, until};
use crate::subject_lifecycle::{CONTAINERS, container, reading};

/// A source with the present subjects, by default a second apart.
#[derive(Debug, Clone)]
struct Synthetic(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    step: usize,
    at: f64,
    /// Seconds between two readings.
    pace: f64,
    here: Vec<Subject>,
}

impl Source for Synthetic {
    fn read(&mut self, into: &mut Reading) -> Result<(), sources::SourceError> {
        let mut state = self.0.lock().unwrap();
        state.step += 1;
        state.at += state.pace;
        into.at = Timestamp(state.at);
        into.subjects = reading(state.step, state.here.iter().cloned()).subjects;
        Ok(())
    }
}

impl Synthetic {
    /// The last hour, because the store deletes older readings.
    fn new() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let at = now.as_secs_f64() - 3_600.0;
        Self(Arc::new(Mutex::new(State { step: 0, at, pace: 1.0, here: Vec::new() })))
    }

    /// Sets the seconds between two readings. A minute of readings, for which the engine waits for a stored state and
    /// warms up, takes 0.3 s here, which may be too short for a test on a busy machine.
    fn pace(&self, seconds: f64) {
        self.0.lock().unwrap().pace = seconds;
    }

    fn set(&self, here: &[Subject]) {
        self.0.lock().unwrap().here = here.to_vec();
    }
}

fn start(directory: &Path, source: &Synthetic) -> Loop {
    let settings = EngineSettings { window: 3, warmup: 60.0, evict_after: 60.0, ..EngineSettings::default() };
    let persistent = PersistentState {
        maintenance: Default::default(),
        silences: Default::default(),
        log_positions: Default::default(),
        engine: Engine::new(&CONTAINERS, &settings),
        registry: ModelRegistry::new(0.0),
        store: crate::store::open(directory),
    };
    let sources = no_sources().with("synthetic", Box::new(source.clone()));
    Loop::start_with(sources, Duration::from_millis(5), persistent, |_| ())
}

impl Loop {
    /// Waits for a report with this property.
    fn until<T>(&self, what: &str, mut of: impl FnMut(&Report) -> Option<T>) -> T {
        until(what, || self.newest().as_deref().and_then(&mut of))
    }
}

/// Numbers of evicted and restored subjects so far.
fn counts(report: &Report) -> [f64; 2] {
    ["hostnorm_subjects_evicted_total", "hostnorm_subjects_restored_total"].map(|name| {
        let of = report
            .own
            .iter()
            .find(|it| it.metric.name == name && it.labels == MetricLabels::new(["container"]));
        of.map_or(0.0, |it| it.value)
    })
}

fn judged(report: &Report, subject: &Subject) -> Option<Assessment> {
    report.assessments.get(subject).filter(|it| it.details.is_some()).cloned()
}

#[test]
fn an_evicted_subject_continues_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let source = Synthetic::new();
    let [gone, stays, new] = [1, 2, 3].map(container);
    source.set(&[gone.clone(), stays.clone()]);
    let it = start(directory.path(), &source);
    it.until("score", |it| judged(it, &gone).filter(|_| judged(it, &stays).is_some()));
    source.set(std::slice::from_ref(&stays));
    it.until("eviction", |it| (counts(it) == [1.0, 0.0]).then_some(()));
    it.stop();
    // Both are known in another process: the evicted one, and the one present at the end.
    source.set(std::slice::from_ref(&stays));
    source.pace(0.001);
    let it = start(directory.path(), &source);
    it.until("state", |it| (counts(it) == [0.0, 1.0]).then_some(()));
    source.set(&[gone.clone(), stays.clone(), new.clone()]);
    it.until("state", |it| (counts(it) == [0.0, 2.0]).then_some(()));
    let back = it.until("score", |it| judged(it, &gone));
    assert!(back.ready && !back.uses_kind_prior && back.signals.iter().all(|it| it.expected.is_some()));
    // A new one is learned from its first reading on.
    let assessment = it.until("assessment", |it| it.assessments.get(&new).cloned());
    assert!(!assessment.ready, "{assessment:?}");
    it.stop();
}

#[test]
fn an_evicted_subject_does_not_restore_forgotten_points() {
    let directory = tempfile::tempdir().unwrap();
    let source = Synthetic::new();
    let [gone, stays] = [1, 2].map(container);
    source.set(&[gone.clone(), stays.clone()]);
    let it = start(directory.path(), &source);
    it.until("score", |it| judged(it, &gone).filter(|_| judged(it, &stays).is_some()));
    source.set(std::slice::from_ref(&stays));
    it.until("eviction", |it| (counts(it) == [1.0, 0.0]).then_some(()));
    source.pace(0.001);
    let all = ControlCommand::Forget { from: Timestamp(0.0), to: Timestamp(1e12) };
    let reply = it.send(all).unwrap();
    assert!(reply.message.starts_with("forgotten"), "{}", reply.message);
    source.set(&[gone.clone(), stays.clone()]);
    let [one, other] =
        [&gone, &stays].map(|subject| it.until("assessment", |it| it.assessments.get(subject).cloned()));
    assert!(!one.ready && !other.ready);
    source.pace(1.0);
    it.until("end of the warm-up", |it| judged(it, &gone));
    it.stop();
}
