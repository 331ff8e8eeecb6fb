//! The sampling loop: at each deadline it reads the sources, steps the engine and publishes the report.
//!
//! The loop has its own thread, owns the clock and the learned state, and waits only for its deadline and its events.
//! [`jobs`](Jobs) run whatever takes longer than a tick. Commands run between two ticks. If the loop ends unexpectedly, the
//! process ends too, so that `/metrics` never serves stale values.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::clock;
use crate::control_command::ControlCommand;
use crate::cost_limit::{self, CostLimits, OptionalFeature};
use crate::log_stream::LogStream;
use crate::metric::Metric;
use crate::reading::{Subject, SubjectKind, SubjectTurnover, SubjectValues};
use crate::report::{Report, TickTiming};
use crate::scene::SceneSettings;
use crate::sources::Sources;
use crate::store::{BackfillPoints, StoreWrite};
use crate::telemetry::otlp_traces;
use crate::training::{self, TrainingSet};

mod control;
mod cost_control;
mod loop_events;
mod jobs;
mod log_episode_templates;
mod maintenance_commands;
mod model_promotion;
mod persist;
mod restore;
mod episode_scenes;
mod selftest_metrics;
mod silences;
mod status;
mod state_transfers;
mod job_throttle;
mod verdicts;
mod reading_warnings;

pub(crate) use jobs::lower_priority;
pub use loop_events::{LoopEventReceiver, SamplerHandle, channel};
pub use maintenance_commands::{NO_MAINTENANCE, maintenance_marker, started as started_maintenance};
pub use persist::{PersistentState, entries, record};
pub use restore::{RestoredEngine, borrowed_marker, forget_marker, rescore_points, restore};

use control::CommandsAwaitingJobs;
use cost_control::CostState;
use episode_scenes::EpisodeScenes;
use job_throttle::JobThrottle;
use jobs::{FinishedJob, Job, JobOutcome, Jobs};
use log_episode_templates::EpisodeTemplates;
use loop_events::{LoopEvent, next_event};
use model_promotion::ModelMetrics;
use reading_warnings::ReadingWarnings;
use selftest_metrics::SelftestMetrics;
use silences::AlertmanagerStatus;
use state_transfers::StateTransfers;

static TICKS: Metric = Metric::counter("hostnorm_ticks_total", "Readings taken and scored");
static TICKS_MISSED: Metric =
    Metric::counter("hostnorm_ticks_missed_total", "Readings skipped because the previous one took too long");
static LEARNING: Metric = Metric::gauge(
    "hostnorm_learning_enabled",
    "Whether learning is enabled (1) or paused with `hostnorm learn off` (0); 1 also in a maintenance window, in which nothing is learned",
);
static BACKFILL: Metric = Metric::gauge(
    "hostnorm_backfill_success",
    "Whether the backfill at the first start succeeded; absent while it runs or if none is configured",
);

/// Metrics of the loop, its jobs and its models.
pub static METRICS: &[&Metric] = &[
    &TICKS,
    &TICKS_MISSED,
    &LEARNING,
    &model_promotion::TRAINED_AT,
    &model_promotion::MODEL,
    &model_promotion::SHADOW,
    &model_promotion::SHADOW_MODELS,
    &model_promotion::TRAINING_SECONDS,
    &model_promotion::TRAININGS,
    &model_promotion::AUC,
    &selftest_metrics::RECALL,
    &selftest_metrics::DELAY,
    &selftest_metrics::SUCCESS,
    &selftest_metrics::DETECTOR,
    &selftest_metrics::TESTS,
    &state_transfers::SUBJECTS,
    &state_transfers::EVICTED,
    &state_transfers::RESTORED,
    &state_transfers::UNSCORED,
    &jobs::WAITING,
    &jobs::DROPPED,
    &BACKFILL,
    &crate::maintenance::ACTIVE,
    &crate::silence::SILENCED,
    &silences::UP,
    &cost_limit::FEATURE_ACTIVE,
    &cost_limit::LIMIT,
    &cost_limit::USED,
    &cost_control::REQUEST_CPU,
];

/// Longest wait of the first reading for the stored state. State that arrives later, for example from a slow disk, is
/// adopted then.
const RESTORE_DEADLINE: Duration = Duration::from_secs(5);

/// Settings of the loop.
#[derive(Debug, Clone)]
pub struct SamplerOptions {
    /// Time between two ticks.
    pub interval: Duration,
    /// Settings of the training.
    pub training: training::TrainingSettings,
    /// Seed of trainings and self-tests.
    pub seed: u64,
    /// How processes are watched; `None` to name nobody.
    pub scene: Option<SceneSettings>,
    /// What hostnorm may cost.
    pub limits: CostLimits,
    /// The logs.
    pub logs: Vec<Arc<LogStream>>,
    /// Whether episodes of logs keep templates of their lines.
    pub store_log_templates: bool,
}

impl SamplerOptions {
    /// The job that trains a model of this kind on this set.
    fn train(&self, models: &ModelMetrics, kind: SubjectKind, set: TrainingSet, is_urgent: bool) -> Job {
        let seed = self.seed.wrapping_add(models.trainings(kind));
        Job::Train { kind, set, settings: self.training.clone(), seed, is_urgent }
    }
}

/// The sampling loop.
#[derive(Debug)]
pub struct Sampler {
    options: SamplerOptions,
    sources: Sources,
    persistent: PersistentState,
    inbox: Receiver<LoopEvent>,
    jobs: Jobs,
    commands: CommandsAwaitingJobs,
    throttle: JobThrottle,
    models: ModelMetrics,
    selftests: SelftestMetrics,
    subjects: StateTransfers,
    scenes: EpisodeScenes,
    alertmanager: AlertmanagerStatus,
    costs: CostState,
    templates: EpisodeTemplates,
    /// Whether the history came from another server; `None` until that is decided.
    backfilled: Option<bool>,
    ticks: u64,
    missed: u64,
    notes: ReadingWarnings,
    /// Timing of the last tick.
    last_timing: Option<TickTiming>,
    newest: Option<Arc<Report>>,
}

impl Sampler {
    /// Creates a loop; `channel` is its inbox.
    pub fn new(
        options: SamplerOptions,
        sources: Sources,
        persistent: PersistentState,
        (SamplerHandle(done), LoopEventReceiver(inbox)): (SamplerHandle, LoopEventReceiver),
    ) -> Self {
        status::start();
        Self {
            costs: CostState::new(options.limits),
            scenes: EpisodeScenes::start(options.scene.clone(), &done),
            templates: EpisodeTemplates::new(&options.logs, options.store_log_templates),
            options,
            sources,
            inbox,
            // If the loop has ended meanwhile, nobody needs the outcome.
            jobs: Jobs::start(move |it| drop(done.send(LoopEvent::JobDone(it)))),
            commands: CommandsAwaitingJobs::default(),
            throttle: JobThrottle::default(),
            models: ModelMetrics::new(persistent.engine.kinds()),
            selftests: SelftestMetrics::default(),
            subjects: StateTransfers::default(),
            alertmanager: AlertmanagerStatus::default(),
            backfilled: None,
            ticks: 0,
            missed: 0,
            notes: ReadingWarnings::default(),
            last_timing: None,
            newest: None,
            persistent,
        }
    }

    /// Runs until [`SamplerHandle::stop`]. Passes each report to `publish`, which may add values and returns it for
    /// sharing.
    pub fn run(mut self, mut publish: impl FnMut(Report) -> Arc<Report>) {
        let mut due = clock::instant();
        if self.persistent.store.directory().is_some() {
            due += RESTORE_DEADLINE;
        }
        let mut has_ticked = false;
        loop {
            let event = next_event(&self.inbox, due, has_ticked);
            has_ticked = event.is_none();
            match event {
                None => {
                    self.tick(&mut publish);
                    due = self.next(due);
                }
                Some(LoopEvent::JobDone(done)) => self.job_done(done),
                Some(LoopEvent::Frozen(moment, scene)) => {
                    self.scenes.add_arrived_scene(moment, scene);
                    // The next description names signals, causes and culprits of one reading.
                    self.persistent.engine.renew_description(&Subject::Host);
                }
                Some(LoopEvent::Restored(restored)) => {
                    let is_live = self.ticks > 0;
                    if let Some(mut restored) = restored {
                        self.templates.restore(std::mem::take(&mut restored.templates));
                        self.persistent.resume_from(*restored, is_live);
                    }
                    if !is_live {
                        due = clock::instant();
                    }
                }
                Some(LoopEvent::Command(request)) => {
                    if matches!(request.command, ControlCommand::Forget { .. }) {
                        self.subjects.forget();
                    }
                    let train = |kind, set| self.options.train(&self.models, kind, set, true);
                    let newest = self.newest.as_ref();
                    self.commands.carry_out(request, &mut self.persistent, &mut self.jobs, newest, train);
                }
                Some(LoopEvent::Silences(answer)) => self.alertmanager.answered(answer, &mut self.persistent),
                Some(LoopEvent::Past(past)) => self.backfill(past),
                Some(LoopEvent::Stop) => break,
            }
            self.jobs.advance();
        }
        self.jobs.close();
        self.persistent.close(&self.options.logs);
    }

    /// Takes one reading and processes it.
    fn tick(&mut self, publish: &mut impl FnMut(Report) -> Arc<Report>) {
        let started = clock::instant();
        self.ticks += 1;
        let span = tracing::info_span!(parent: None, "tick", hostnorm.tick = self.ticks);
        let _within = span.enter();
        let at = clock::now();
        let mut reading = tracing::info_span!("read").in_scope(|| self.sources.read_all(at));
        self.costs.update(&mut reading, &mut self.persistent);
        let mut report = tracing::info_span!("step").in_scope(|| self.persistent.step(reading));
        self.notes.note_signals(&report, &self.persistent.engine);
        self.notes.note_limits(&report);
        self.scenes.update(&mut report);
        self.templates.update(&mut report);
        tracing::info_span!("store").in_scope(|| {
            self.persistent.save_tick(&report, self.ticks, self.options.interval);
            self.persistent.save_log_states(&self.options.logs, self.ticks, self.options.interval);
        });
        self.subjects.update(&mut self.persistent, &mut self.jobs);
        self.models.review(&mut self.persistent);
        let strained = self.throttle.is_under_pressure(&report);
        self.jobs.set_strained(strained);
        report.began = Some(started);
        report.own = self.values();
        report.before = self.last_timing.take();
        self.newest = Some(tracing::info_span!("publish").in_scope(|| publish(report)));
        self.schedule(strained);
        self.jobs.advance();
        let seconds = started.elapsed().as_secs_f64();
        self.last_timing = Some(TickTiming { at, seconds, trace: otlp_traces::trace_of(&span) });
    }

    /// The next deadline on the grid of ticks; missed ones are skipped and counted.
    fn next(&mut self, due: Instant) -> Instant {
        let interval = self.options.interval;
        let late = clock::instant().saturating_duration_since(due);
        let skipped = late.as_nanos() / interval.as_nanos().max(1);
        let skipped = u32::try_from(skipped).unwrap_or(u32::MAX);
        self.missed += u64::from(skipped);
        let took = self.last_timing.as_ref().map_or(0.0, |it| it.seconds);
        self.notes.note_skipped(skipped, took, interval, self.newest.as_deref());
        due + interval * skipped.saturating_add(1)
    }

    /// Queues the jobs that are due, as long as there is room. Asking the engine marks a job as started.
    fn schedule(&mut self, strained: bool) {
        let engine = &mut self.persistent.engine;
        let kinds: Vec<SubjectKind> = engine.kinds().collect();
        for kind in kinds {
            // The first model is small, and a requested one has a user waiting.
            let is_urgent = self.persistent.registry.current(kind).is_none();
            let waits = strained || !self.costs.is_active(OptionalFeature::ShadowModel);
            if !self.jobs.has_room() || waits && !is_urgent {
                continue;
            }
            if let Some(set) = engine.due(kind) {
                self.jobs.push(self.options.train(&self.models, kind, set, is_urgent));
            }
        }
        let tests_itself = self.costs.is_active(OptionalFeature::Selftest);
        while !strained && self.jobs.has_room() {
            // Different faults each time, so that every fault affects every signal eventually.
            let seed = self.options.seed.wrapping_add(self.selftests.count());
            if let Some((subject, history)) = engine.take_due_seasonal_fit() {
                self.jobs.push(Job::Fit { subject, history });
            } else if let Some((subject, selftest_input)) =
                tests_itself.then(|| engine.take_due_selftest()).flatten()
            {
                self.jobs.push(Job::Selftest { subject, selftest_input: Box::new(selftest_input), seed });
            } else {
                break;
            }
        }
    }

    fn job_done(&mut self, FinishedJob { id, outcome, seconds }: FinishedJob) {
        let counts = self.jobs.finish(id, &outcome);
        let training_waits = self.training_waits();
        let persistent = &mut self.persistent;
        match outcome {
            JobOutcome::Rebuilt(result) => {
                self.commands.rebuilt(id, result, persistent, &mut self.jobs, training_waits);
            }
            JobOutcome::States(result) => self.subjects.loaded(result, &mut persistent.engine),
            JobOutcome::Loaded(result) => self.commands.loaded(id, result, persistent),
            JobOutcome::Backfilled(result) => match result {
                Ok((engine, past)) => {
                    let points = past.points.len();
                    self.jobs.discard_scheduled();
                    persistent.store.put(StoreWrite::Backfill(past));
                    persistent.take_over(*engine, "imported");
                    tracing::info!(points, "backfill learned");
                    self.backfilled = Some(true);
                }
                Err(reason) => self.backfill(Err(reason.to_string())),
            },
            _ if !counts => tracing::debug!("outdated job discarded"),
            JobOutcome::Trained { kind, result } => self.models.trained(persistent, kind, result, seconds),
            JobOutcome::Tested { subject, result } => {
                self.selftests.record(clock::now(), subject.name(), result, seconds);
            }
            JobOutcome::Fitted { subject, result } => match result {
                Ok(profile) => {
                    let (subject_name, signals) = (subject.name(), profile.seasons());
                    tracing::info!(
                        subject = subject_name,
                        signals_with_season = signals,
                        duration_seconds = seconds,
                        "times of day and week fitted"
                    );
                    persistent.engine.take(&subject, &profile);
                    if subject.kind().turnover() == SubjectTurnover::Permanent {
                        persistent.save_snapshot(Some("profile"));
                    }
                }
                Err(reason) => {
                    tracing::warn!(subject = subject.name(), %reason, "fit of times of day failed; keeping the previous one");
                }
            },
        }
    }

    /// Learns the history from another server, as a job.
    fn backfill(&mut self, past: Result<BackfillPoints, String>) {
        let blank = Box::new(self.persistent.engine.rebuilt());
        let queued = past.and_then(|past| {
            self.jobs
                .push(Job::Backfill { blank, past })
                .ok_or_else(|| "job dropped: too many are waiting".to_owned())
        });
        if let Err(reason) = queued {
            tracing::warn!(reason, "backfill failed; learning from live data");
            self.backfilled = Some(false);
        }
    }

    fn values(&self) -> SubjectValues {
        let mut values = SubjectValues::default();
        values.set(&LEARNING, f64::from(u8::from(self.persistent.engine.is_learning())));
        self.backfilled.iter().for_each(|it| values.set(&BACKFILL, f64::from(u8::from(*it))));
        values.set(&TICKS, self.ticks as f64);
        values.set(&TICKS_MISSED, self.missed as f64);
        StateTransfers::values(&self.persistent.engine, &mut values);
        self.jobs.values(&mut values);
        self.models.values(&self.persistent.registry, &mut values);
        self.selftests.values(&mut values);
        self.alertmanager.values(&mut values);
        self.costs.values(&mut values);
        self.persistent.store.values(&mut values);
        values
    }
}
