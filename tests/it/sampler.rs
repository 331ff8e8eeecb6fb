//! The sampling loop, driven by commands: each gets its reply in any state.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use hostnorm::control_command::{
    CommandRefusal, CommandResult, ControlCommand, ControlSender, ForecastReply, SignalBaseline,
};
use hostnorm::cost_limit::CostLimits;
use hostnorm::duration::HumanDuration;
use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::episode_pattern::OperatorVerdict;
use hostnorm::logs::LogPositions;
use hostnorm::maintenance::{self, MaintenanceCalendar, ManualMaintenance};
use hostnorm::model_registry::ModelRegistry;
use hostnorm::reading::{MetricLabels, Reading, Subject, SubjectKind, Timestamp};
use hostnorm::report::Report;
use hostnorm::sampler::{self, PersistentState, Sampler, SamplerHandle, SamplerOptions};
use hostnorm::silence::SilenceCalendar;
use hostnorm::simulate::COLUMNS;
use hostnorm::sources::{self, Sources};
use hostnorm::store::{Store, StoreReader};
use hostnorm::training;

use crate::simulated_host::{SIGNALS, VALUE, readings};

const EVERY: f64 = 60.0;
/// Index of the signal for used memory.
const MEMORY: usize = 5;
const TRAIN: ControlCommand = ControlCommand::Train { kind: SubjectKind::Host, hours: None };

/// A loop on its thread.
pub(crate) struct Loop {
    pub(crate) control: ControlSender,
    handle: SamplerHandle,
    newest: Arc<Mutex<Option<Arc<Report>>>>,
    thread: JoinHandle<()>,
}

impl Loop {
    /// Starts a loop without sources.
    fn start(persistent: PersistentState, publish: impl FnMut(&Report) + Send + 'static) -> Self {
        Self::start_with(no_sources(), Duration::from_millis(20), persistent, publish)
    }

    pub(crate) fn start_with(
        sources: Sources,
        interval: Duration,
        persistent: PersistentState,
        mut publish: impl FnMut(&Report) + Send + 'static,
    ) -> Self {
        let training = training::TrainingSettings::default();
        let options = SamplerOptions {
            interval,
            training,
            seed: 1,
            scene: None,
            limits: CostLimits::default(),
            logs: Vec::new(),
            store_log_templates: true,
        };
        let (handle, inbox) = sampler::channel();
        let sampler = Sampler::new(options, sources, persistent, (handle.clone(), inbox));
        handle.restore(None);
        let newest = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&newest);
        let thread = std::thread::spawn(move || {
            sampler.run(|report| {
                publish(&report);
                let report = Arc::new(report);
                *slot.lock().unwrap() = Some(Arc::clone(&report));
                report
            });
        });
        Self { control: handle.control(), handle, newest, thread }
    }

    pub(crate) fn newest(&self) -> Option<Arc<Report>> {
        self.newest.lock().unwrap().clone()
    }

    pub(crate) fn send(&self, command: ControlCommand) -> CommandResult {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(self.control.send(command))
    }

    /// The message of the reply, or the kind and reason of the refusal.
    fn said(&self, command: ControlCommand) -> String {
        match self.send(command) {
            Ok(reply) => reply.message,
            Err(refusal @ CommandRefusal::NotFound(_)) => format!("not found: {refusal}"),
            Err(refusal @ CommandRefusal::Conflict(_)) => format!("conflict: {refusal}"),
            Err(refusal @ CommandRefusal::Unavailable(_)) => format!("unavailable: {refusal}"),
        }
    }

    fn check(&self, command: ControlCommand, expect: &str) {
        let name = format!("{command:?}");
        let said = self.said(command);
        assert!(said.starts_with(expect), "{name}: {said}");
    }

    /// The model in a metric of the newest report.
    fn model(&self, metric: &str) -> Option<String> {
        let newest = self.newest()?;
        let sample = newest.own.iter().find(|it| it.metric.name == metric)?;
        sample.labels.values().last().map(|it| it.to_string())
    }

    pub(crate) fn stop(self) {
        self.handle.stop();
        self.thread.join().unwrap();
    }
}

pub(crate) fn no_sources() -> Sources {
    Sources::open(&sources::SourceSettings::default(), |_| false)
}

pub(crate) fn until<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(Instant::now() < deadline, "no {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn settings() -> EngineSettings {
    EngineSettings { interval: EVERY, window: 1, warmup: 3_600.0, ..EngineSettings::default() }
}

fn new() -> PersistentState {
    PersistentState {
        maintenance: MaintenanceCalendar::default(),
        silences: SilenceCalendar::default(),
        log_positions: LogPositions::default(),
        engine: Engine::new(&SIGNALS, &settings()),
        registry: ModelRegistry::new(3_600.0),
        store: Store::memory(),
    }
}

/// A host that was stored for two days, and then uses all of its memory for an hour.
fn anomalous(directory: &Path) -> PersistentState {
    let store = crate::store::open(directory);
    let mut persistent =
        PersistentState { store, registry: ModelRegistry::new(3_600.0).drop_models(true), ..new() };
    let mut history = readings(4, EVERY, 2_940, 0, 0);
    for reading in &mut history[2_880..] {
        let mut changed = Reading::new(reading.at);
        for sample in reading.host_values().unwrap().iter() {
            let is_memory = sample.labels == MetricLabels::new([COLUMNS[MEMORY].name]);
            changed.host().set_by(&VALUE, &sample.labels, if is_memory { 0.99 } else { sample.value });
        }
        *reading = changed;
    }
    for reading in history {
        // The queue drops readings that come faster than the store writes; enough remain.
        let report = persistent.engine.step(reading);
        persistent.store.append(&report);
    }
    persistent
}

#[test]
fn a_new_host_replies_to_each_command() {
    let it = Loop::start(new(), |_| ());
    let baselines = ControlCommand::Baselines { subject: Subject::Host };
    let reply = until("reading", || it.send(baselines.clone()).ok());
    assert_eq!(reply.data, serde_json::json!([]));
    let status = it.send(ControlCommand::Status).unwrap();
    assert_eq!(status.data["learning"], true);
    assert_eq!(status.data["store"], serde_json::Value::Null);
    assert_eq!(status.data["jobs"], serde_json::json!({"waiting": 0, "running": null}));
    assert!(
        status.message.contains("not ready") && status.message.contains("no store"),
        "{}",
        status.message
    );
    until("report", || it.newest());
    let (subject, signal) = (Subject::Host, "cpu_busy_ratio".to_owned());
    let predict = ControlCommand::Predict { subject, signal, horizon_seconds: 3_600.0, step_seconds: 60.0 };
    it.check(predict, "not found: no forecast of cpu_busy_ratio of host: it has no value now");
    it.check(ControlCommand::Learn { on: true }, "learning is already on");
    it.check(
        ControlCommand::Learn { on: false },
        "learning is off until `hostnorm learn on`; this is not stored, so a restart loses it",
    );
    it.check(TRAIN, "conflict: learning is off");
    it.check(ControlCommand::Learn { on: true }, "learning is on");
    it.check(TRAIN, "conflict: too little data");
    it.check(ControlCommand::Accept, "conflict: there is no anomaly to accept");
    let span = ControlCommand::Forget { from: Timestamp(1.0), to: Timestamp(2.0) };
    it.check(span, "conflict: no store");
    it.check(ControlCommand::Promote { model: "none".into() }, "not found: no model none");
    it.check(ControlCommand::Rollback, "conflict: no previous model");
    it.check(ControlCommand::StopMaintenance, "conflict: no maintenance was started");
    it.check(ControlCommand::Maintenance, "no maintenance, and no windows");
    let (name, duration) = ("kernel".to_owned(), HumanDuration::minutes(60));
    it.check(ControlCommand::StartMaintenance { name, duration }, "maintenance kernel is active until 20");
    let active = || {
        let newest = it.newest()?;
        maintenance::is_active(&newest.reading).then_some(newest)
    };
    until("a reading in maintenance", active);
    let states = it.send(ControlCommand::Maintenance).unwrap();
    assert_eq!((&states.data[0]["name"], &states.data[0]["active"]), (&"kernel".into(), &true.into()));
    it.check(ControlCommand::StopMaintenance, "maintenance kernel is over");
    until("a reading after it", || (!maintenance::is_active(&it.newest()?.reading)).then_some(()));
    it.stop();
}

#[test]
fn an_anomalous_host_replies_to_each_command() {
    let directory = tempfile::tempdir().unwrap();
    let it = Loop::start(anomalous(directory.path()), |_| ());
    let first = until("first model", || it.model("hostnorm_model_info"));
    let started = it.send(TRAIN).unwrap();
    let id = started.data["job"].as_u64().unwrap();
    until("the job's end", || {
        (it.send(ControlCommand::Job { id }).ok()?.data["state"] == "done").then_some(())
    });
    it.check(ControlCommand::Job { id: 9_999 }, "not found: no job 9999");
    // Three minutes are too few points, and the reply says so.
    let short = it.send(ControlCommand::Train { kind: SubjectKind::Host, hours: Some(0.05) }).unwrap();
    let id = short.data["job"].as_u64().unwrap();
    let refused = until("the job's refusal", || {
        it.send(ControlCommand::Job { id }).ok().filter(|it| it.data["state"] == "refused")
    });
    let says = format!("job {id} (train) is refused: too few points: ");
    assert!(refused.message.starts_with(&says), "{}", refused.message);
    let reason = refused.data["reason"].as_str().unwrap();
    assert!(reason.ends_with("required; wait for more readings, or train on more hours"), "{reason}");
    let second = until("second model", || it.model("hostnorm_shadow_model_info"));
    it.check(
        ControlCommand::Promote { model: first.clone() },
        &format!("conflict: model {first} is already the current model"),
    );
    it.check(
        ControlCommand::Promote { model: second.clone() },
        &format!("model {second} is now the current model"),
    );
    // The inactive model is in the store, perhaps not yet.
    until("way back", || {
        it.said(ControlCommand::Rollback).contains(&format!("model {first} is now")).then_some(())
    });
    until("first model again", || (it.model("hostnorm_model_info")? == first).then_some(()));
    it.check(ControlCommand::Accept, "accepted: the current state of host is now normal");
    let second = check_verdicts(&it, directory.path());
    let stored = || StoreReader::open(directory.path()).unwrap().newest_point(&Subject::Host).unwrap();
    let last = until("stored points", stored);
    let span = ControlCommand::Forget { from: Timestamp(last.0 - 86_400.0), to: last };
    let said = it.said(span);
    assert!(
        said.starts_with("forgotten: relearned from the remaining ")
            && said.ends_with(" stored points; a new model is being trained"),
        "{said}"
    );
    check_baselines(&it);
    check_forgetting_all(&it);
    let (name, duration) = ("kernel".to_owned(), HumanDuration::minutes(60));
    it.check(ControlCommand::StartMaintenance { name, duration }, "maintenance kernel is active until 20");
    it.stop();
    // Everything is restored after a restart.
    let (send, restored) = std::sync::mpsc::channel();
    let blank = || (new().engine, ModelRegistry::new(3_600.0).drop_models(true));
    let mut restore = sampler::restore(blank, vec![&VALUE], move |it| send.send(it).unwrap());
    restore(StoreReader::open(directory.path()).as_ref()).unwrap();
    let mut restarted = restored.recv().unwrap().unwrap();
    assert!(restarted.engine.set_verdict(&Subject::Host, second, OperatorVerdict::Rejected), "recalled");
    assert!(!restarted.engine.is_learning());
    let mut maintenance = restarted.started.unwrap();
    maintenance.until = Timestamp(0.0);
    assert_eq!(maintenance, ManualMaintenance { name: "kernel".into(), until: Timestamp(0.0) });
    assert_eq!(restarted.registry.current(SubjectKind::Host).unwrap().id.as_str(), first);
}

/// Confirms, then rejects the stored episode; returns its second.
fn check_verdicts(it: &Loop, directory: &Path) -> Timestamp {
    let episode =
        || StoreReader::open(directory).unwrap().episodes_with_verdict(&Subject::Host, 1).unwrap().pop();
    let second = Timestamp(until("stored episode", episode).began);
    let judge = |verdict| ControlCommand::SetVerdict { subject: Subject::Host, second, verdict };
    it.check(judge(OperatorVerdict::Confirmed), "episode 20");
    it.check(judge(OperatorVerdict::Rejected), "episode 20");
    until("stored verdict", || (episode()?.verdict? == "rejected").then_some(()));
    let unknown = Timestamp(1.0);
    it.check(
        ControlCommand::SetVerdict {
            subject: Subject::Host,
            second: unknown,
            verdict: OperatorVerdict::Rejected,
        },
        "not found: no episode 1970-01-01T00:00:01Z among the newest 32 of host",
    );
    second
}

/// The reply says when the next model comes. Learning is off, and then too little is known: a point each 20 ms since the
/// command.
fn check_forgetting_all(it: &Loop) {
    let forgets_all = |says: &str| {
        let said = it.said(ControlCommand::Forget { from: Timestamp(0.0), to: Timestamp(1e10) });
        assert!(said.starts_with("forgotten: ") && said.contains(says), "{said}");
    };
    forgets_all(" stored points; a new model is trained after hostnorm learn on");
    it.check(ControlCommand::Learn { on: true }, "learning is on");
    it.check(TRAIN, "conflict: too little data: the warm-up is not over; the first score comes at 20");
    forgets_all(" stored points; a new model is trained after the warm-up, at 20");
    it.check(ControlCommand::Learn { on: false }, "learning is off");
}

#[test]
fn a_forecast_looks_as_far_ahead_as_the_past_is_known() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let mut persistent = new();
    let history = readings(4, EVERY, 30, 0, 0);
    for (idx, reading) in history.iter().enumerate() {
        let mut recent = Reading::new(Timestamp(now - EVERY * (30 - idx) as f64));
        for sample in reading.host_values().unwrap().iter() {
            recent.host().set_by(&VALUE, &sample.labels, sample.value);
        }
        persistent.engine.step(recent);
    }
    let it = Loop::start(persistent, |_| ());
    until("report", || it.newest());
    let predict = |horizon_seconds, step_seconds| {
        let (subject, signal) = (Subject::Host, COLUMNS[MEMORY].name.to_owned());
        ControlCommand::Predict { subject, signal, horizon_seconds, step_seconds }
    };
    let forecast = |horizon_seconds: f64| -> ForecastReply {
        serde_json::from_value(it.send(predict(horizon_seconds, 300.0)).unwrap().data).unwrap()
    };
    let short = forecast(900.0);
    assert_eq!((short.points.len(), short.note), (3, None));
    let cut = forecast(7.0 * 86_400.0);
    assert_eq!(cut.points.len(), 5);
    let note = cut.note.unwrap();
    assert!(note.starts_with("its past is known for 29m"), "{note}");
    let says =
        format!("not found: no forecast of {} of host: its past is known for 29m", COLUMNS[MEMORY].name);
    it.check(predict(7.0 * 86_400.0, 86_400.0), &says);
    it.stop();
}

/// The baseline of used memory is in order; with learning off, later readings do not update it.
fn check_baselines(it: &Loop) {
    let memory = || -> SignalBaseline {
        let reply = it.send(ControlCommand::Baselines { subject: Subject::Host }).unwrap();
        let all: Vec<SignalBaseline> = serde_json::from_value(reply.data).unwrap();
        assert_eq!(all.len(), COLUMNS.len());
        all.into_iter().find(|it| it.metric == COLUMNS[MEMORY].name).unwrap()
    };
    it.check(ControlCommand::Learn { on: false }, "learning is off");
    let before = memory();
    let (min, max) = (before.min_value.unwrap(), before.max_value.unwrap());
    let ascending = [0.0, min, before.mean, before.percentile_95, before.percentile_99, max, 1.0];
    assert!(ascending.is_sorted() && before.stddev > 0.0 && before.sample_count > 1_000.0, "{before:?}");
    let newest = || it.newest().map(|it| it.reading.at);
    let now = newest().unwrap();
    assert!(before.last_updated.unwrap() <= now.0, "{before:?}");
    until("two readings", || newest().filter(|it| it.0 > now.0 + 0.03));
    assert_eq!(memory(), before);
}

#[test]
fn a_loop_that_ended_refuses() {
    let it = Loop::start(new(), |_| ());
    let control = it.control.clone();
    it.stop();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let refused = runtime.block_on(control.send(ControlCommand::Status)).unwrap_err();
    assert_eq!(refused, CommandRefusal::Unavailable("the sampling loop has ended".into()));
    // A loop that panics drops pending replies.
    let it = Loop::start(new(), |report| assert!(report.before.is_none(), "the second tick"));
    let refused = until("refusal", || it.send(ControlCommand::Status).err());
    assert!(matches!(refused, CommandRefusal::Unavailable(_)), "{refused:?}");
    assert!(it.thread.join().is_err());
}

#[test]
fn clients_that_ask_all_the_time_delay_no_reading_and_no_operator() {
    let it = Loop::start(new(), |_| {});
    let asks = Arc::new(AtomicBool::new(true));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (control, asks) = (it.control.clone(), Arc::clone(&asks));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(async {
                    let mut tasks = tokio::task::JoinSet::new();
                    for _ in 0..20 {
                        let (control, asks) = (control.clone(), Arc::clone(&asks));
                        tasks.spawn(async move {
                            while asks.load(Ordering::Relaxed) {
                                // Beyond the largest number, it is refused at once.
                                let _ = control.send(ControlCommand::Status).await;
                                tokio::task::yield_now().await;
                            }
                        });
                    }
                    tasks.join_all().await;
                });
            })
        })
        .collect();
    let mut last = None;
    for _ in 0..5 {
        last = Some(until("next reading", || {
            it.newest().map(|it| it.reading.at).filter(|at| last != Some(*at))
        }));
        it.check(ControlCommand::Learn { on: true }, "learning");
    }
    asks.store(false, Ordering::Relaxed);
    clients.into_iter().for_each(|it| it.join().unwrap());
    it.stop();
}
