//! The loop: asks for the time once a tick, reads the sources, steps the engine, publishes the report.
//!
//! It runs on its own thread and waits for nothing but its next deadline and its events. Training runs beside
//! it, one at a time. If the loop ends without having been told to, the process must end with it: a live
//! `/metrics` behind a dead loop would be a lie.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::clock;
use crate::control;
use crate::detect::seasonal::{History, Profile};
use crate::engine::Engine;
use crate::metric::Metric;
use crate::reading::{Kind, Labels, Subject, Timestamp, Values};
use crate::registry::{Registry, Version};
use crate::report::{Report, Took, Trace};
use crate::selftest::{Findings, Silent, Trial};
use crate::sources::Sources;
use crate::store::{Request, Store};
use crate::telemetry::otlp;
use crate::training::{self, Model, TrainError, TrainingSet};

mod beside;
mod bygone;
mod forget;
mod kept;
mod models;
mod pressure;
mod recall;
mod resume;
mod tested;

pub use bygone::{Ask, Learned};
pub use models::record;
pub use resume::{FORGET, fold_and_judge};

use models::Trials;
use pressure::Gate;
use tested::Tests;

static TICKS: Metric = Metric::counter("hostnorm_ticks_total", "Readings that were made and judged");
static TICKS_MISSED: Metric = Metric::counter(
    "hostnorm_ticks_missed_total",
    "Readings that were skipped because the one before took too long",
);
static TRAINING_SECONDS: Metric =
    Metric::gauge("hostnorm_training_duration_seconds", "How long the last training took").by(&["kind"]);
static TRAININGS: Metric =
    Metric::counter("hostnorm_trainings_total", "Trainings that ended, by outcome").by(&["kind", "outcome"]);
static AUC: Metric = Metric::gauge(
    "hostnorm_model_auc_ratio",
    "Area under the ROC curve on held-out points with injected faults, of the last model and of a second opinion",
)
.by(&["kind", "implementation"]);

static LEARNS: Metric =
    Metric::gauge("hostnorm_learning", "Whether is learned, 0 or 1; hostnorm learn off and on switch it");

/// What the sampler itself measures.
pub static METRICS: &[&Metric] = &[
    &TICKS,
    &TICKS_MISSED,
    &LEARNS,
    &models::TRAINED_AT,
    &models::MODEL,
    &models::SHADOW,
    &models::TRIALS,
    &TRAINING_SECONDS,
    &TRAININGS,
    &AUC,
    &tested::RECALL,
    &tested::DELAY,
    &tested::SUCCESS,
    &tested::DETECTOR,
    &tested::TESTS,
    &bygone::SUCCESS,
];

/// The engine makes no rates over readings that are further apart.
const SKIPPED_MAX: u32 = 3;

/// Everything but the time that can wake the loop.
#[derive(Debug)]
pub enum Event {
    /// A training ended.
    Trained {
        /// Of which kind.
        kind: Kind,
        /// The model, or why there is none.
        outcome: Result<Model, Refusal>,
        /// How long it took, in seconds.
        seconds: f64,
    },
    /// A fit of times of day and week ended.
    Fitted {
        /// Of whom.
        subject: Subject,
        /// What is usual; nothing when the fit panicked.
        profile: Option<Profile>,
        /// How long it took, in seconds.
        seconds: f64,
    },
    /// A self-test ended.
    Tested {
        /// Of whom.
        subject: Subject,
        /// What it says; nothing when it panicked.
        outcome: Option<Result<Findings, Silent>>,
        /// How long it took, in seconds.
        seconds: f64,
    },
    /// What was learned was made anew without a span, or not.
    Rebuilt {
        /// The request that this answers.
        request: i64,
        /// The engine and how many points it knows, or why there is none.
        outcome: Result<(Box<Engine>, usize), String>,
    },
    /// A version that is to judge was read from the store, or not.
    Recalled {
        /// The request that this answers.
        request: i64,
        /// The version, or why there is none.
        outcome: Result<Box<Version>, String>,
    },
    /// The past was had from elsewhere, or why it was not.
    Bootstrapped(Result<Learned, String>),
    /// A command asks for something.
    Requested(Request),
    /// A command came by the control path.
    Command(control::Request),
    /// End the loop after this tick.
    Stop,
}

/// Why a training gave no model.
#[derive(Debug)]
pub enum Refusal {
    /// Training says why.
    Told(TrainError),
    /// Training panicked.
    Panicked,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(error) => error.fmt(f),
            Self::Panicked => f.write_str("training panicked; this is a defect of hostnorm"),
        }
    }
}

/// What the loop is made of.
#[derive(Debug)]
pub struct Sampler {
    /// Asked at each tick.
    pub sources: Sources,
    /// Stepped at each tick.
    pub engine: Engine,
    /// Time between two ticks.
    pub interval: Duration,
    /// How forests are grown.
    pub training: training::Settings,
    /// Where randomness in training and in self-tests comes from.
    pub seed: u64,
    /// The versions of the models.
    pub registry: Registry,
    /// Keeps what is read and concluded.
    pub store: Store,
    /// Given to the training thread so that it can report.
    pub events: Sender<Event>,
    /// What wakes the loop.
    pub inbox: Receiver<Event>,
}

/// What the loop remembers of itself.
#[derive(Debug, Default)]
struct Books {
    ticks: u64,
    missed: u64,
    /// What the last tick took.
    took: Option<Took>,
    /// Whether a training, a fit or a self-test is under way.
    busy_beside: bool,
    tests: Tests,
    trainings: [u64; 2],
    trials: Trials,
    /// Since when a training is put off because processors are short; nothing while they are not.
    put_off: Option<Timestamp>,
    /// Where a training under way waits meanwhile.
    gate: Gate,
    training_seconds: Option<(Kind, f64)>,
    auc: Vec<(Kind, &'static str, f64)>,
    /// Whether the past was had from elsewhere; nothing while nobody knows.
    bootstrapped: Option<bool>,
    /// Whether the last training gave no model, so that this is said once.
    refused: bool,
    /// Whether the last reading took longer than rates can bear, so that this is said once.
    slow: bool,
}

impl Sampler {
    /// Runs until [`Event::Stop`]; hands each report to `publish`.
    pub fn run(mut self, mut publish: impl FnMut(Report)) {
        let mut books = Books::default();
        let mut due = clock::instant();
        loop {
            match self.inbox.recv_timeout(due.saturating_duration_since(clock::instant())) {
                Err(RecvTimeoutError::Timeout) => {
                    let started = clock::instant();
                    let (at, trace) = self.tick(&mut books, &mut publish);
                    books.took = Some(Took { at, seconds: started.elapsed().as_secs_f64(), trace });
                    due = self.next(due, &mut books);
                }
                Ok(Event::Trained { kind, outcome, seconds }) => {
                    self.trained(&mut books, kind, outcome, seconds);
                }
                Ok(Event::Fitted { subject, profile, seconds }) => {
                    self.fitted(&mut books, &subject, profile.as_ref(), seconds);
                }
                Ok(Event::Tested { subject, outcome, seconds }) => {
                    books.busy_beside = false;
                    books.tests.note(clock::now(), subject.name(), outcome, seconds);
                }
                Ok(Event::Rebuilt { request, outcome }) => self.rebuilt(request, outcome),
                Ok(Event::Recalled { request, outcome }) => self.recalled(request, outcome),
                Ok(Event::Bootstrapped(outcome)) => books.bootstrapped = Some(self.bootstrapped(outcome)),
                Ok(Event::Requested(request)) => self.requested(&request),
                Ok(Event::Command(request)) => {
                    request
                        .reply(Err(control::Refusal::Unavailable("commands are not carried out yet".into())));
                }
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        books.gate.set(false);
        self.keep_baselines();
        self.keep_snapshot(None);
        self.store.close();
    }

    /// One reading and all that follows from it; gives when it was made, and its trace.
    fn tick(&mut self, books: &mut Books, publish: &mut impl FnMut(Report)) -> (Timestamp, Option<Trace>) {
        let span = tracing::info_span!(parent: None, "tick", hostnorm.tick = books.ticks + 1);
        let _within = span.enter();
        let at = clock::now();
        let reading = tracing::info_span!("read").in_scope(|| self.sources.read_all(at));
        let mut report = tracing::info_span!("step").in_scope(|| self.engine.step(reading));
        books.ticks += 1;
        tracing::info_span!("store").in_scope(|| self.keep(books, &report));
        self.review(&mut books.trials);
        // The first model is small, and somebody waits for one that was asked for.
        let waits = self.registry.current(Kind::Host).is_none() || self.engine.is_requested(Kind::Host);
        let strained = books.is_strained(&report);
        books.gate.set(strained);
        report.own = books.values(&self.engine, &self.registry);
        report.before = books.took.take();
        self.store.values(&mut report.own);
        tracing::info_span!("publish").in_scope(|| publish(report));
        if !books.busy_beside && (waits || !strained) {
            self.begin_beside(books, waits);
        }
        (at, otlp::trace_of(&span))
    }

    /// Begins what is due and takes longer than a tick.
    fn begin_beside(&mut self, books: &mut Books, waits: bool) {
        if let Some(set) = self.engine.due(Kind::Host) {
            let gate = if waits { Gate::default() } else { books.gate.clone() };
            books.busy_beside = self.train(Kind::Host, set, books.trainings.iter().sum(), gate);
        } else if let Some((subject, history)) = self.engine.due_history() {
            books.busy_beside = self.fit(subject, history);
        } else if let Some((subject, trial)) = self.engine.due_trial() {
            books.busy_beside = self.test(subject, trial, books.tests.count());
        }
    }

    /// How many ticks there are in so many seconds, at least one.
    fn ticks_in(&self, seconds: f64) -> u64 {
        // The cast saturates; an interval of nothing is refused by the settings.
        ((seconds / self.interval.as_secs_f64()) as u64).max(1)
    }

    /// The next deadline on the grid of ticks; those that have passed already are skipped and counted.
    fn next(&self, due: Instant, books: &mut Books) -> Instant {
        let late = clock::instant().saturating_duration_since(due);
        let skipped = late.as_nanos() / self.interval.as_nanos().max(1);
        let skipped = u32::try_from(skipped).unwrap_or(u32::MAX);
        books.missed += u64::from(skipped);
        let slow = skipped >= SKIPPED_MAX;
        if slow && !books.slow {
            tracing::warn!(
                skipped,
                "a reading took several intervals; if this goes on, nothing can be learned: raise --interval"
            );
        }
        books.slow = slow;
        due + self.interval * skipped.saturating_add(1)
    }

    /// Trains beside the loop, and rests at the gate; says whether it could be started.
    fn train(&self, kind: Kind, set: TrainingSet, count: u64, gate: Gate) -> bool {
        let (seed, settings) = (self.seed.wrapping_add(count), self.training.clone());
        self.beside("train", move || {
            let started = clock::instant();
            let train = || training::train_in_steps(&set, &settings, seed, &mut || gate.pass());
            let trained = catch_unwind(AssertUnwindSafe(train));
            let outcome = match trained {
                Ok(outcome) => outcome.map_err(Refusal::Told),
                Err(_) => Err(Refusal::Panicked),
            };
            Event::Trained { kind, outcome, seconds: started.elapsed().as_secs_f64() }
        })
    }

    /// Fits what is usual at each time of day and week beside the loop; says whether it could be started.
    fn fit(&self, subject: Subject, history: History) -> bool {
        self.beside("fit", move || {
            let started = clock::instant();
            let profile = catch_unwind(AssertUnwindSafe(|| history.fit())).ok();
            Event::Fitted { subject, profile, seconds: started.elapsed().as_secs_f64() }
        })
    }

    /// Lets a fork of the engine look for injected faults beside the loop; says whether it could be started.
    fn test(&self, subject: Subject, trial: Trial, count: u64) -> bool {
        // Other faults each time, so that each kind strikes each signal some day.
        let seed = self.seed.wrapping_add(count);
        self.beside("selftest", move || {
            let started = clock::instant();
            let outcome = catch_unwind(AssertUnwindSafe(|| trial.run(seed))).ok();
            Event::Tested { subject, outcome, seconds: started.elapsed().as_secs_f64() }
        })
    }

    fn fitted(&mut self, books: &mut Books, subject: &Subject, profile: Option<&Profile>, seconds: f64) {
        books.busy_beside = false;
        let Some(profile) = profile else {
            tracing::warn!(
                subject = subject.name(),
                "fitting times of day panicked; this is a defect of hostnorm; the old profile stays"
            );
            return;
        };
        tracing::info!(
            subject = subject.name(),
            signals_with_season = profile.seasons(),
            duration_seconds = seconds,
            "fitted what is usual at each time of the day and of the week"
        );
        self.engine.take(subject, profile);
        self.keep_snapshot(Some("profile"));
    }
}

impl Books {
    /// Takes note of how well both forests told faults from ordinary points, whether ours was taken or not.
    fn compare(&mut self, kind: Kind, own: f64, peer: Option<f64>) {
        self.auc = vec![(kind, "hostnorm", own)];
        self.auc.extend(peer.map(|auc| (kind, "extended-isolation-forest", auc)));
    }

    fn values(&self, engine: &Engine, registry: &Registry) -> Values {
        let mut values = Values::default();
        values.set(&LEARNS, f64::from(u8::from(engine.is_learning())));
        if let Some(success) = self.bootstrapped {
            values.set(&bygone::SUCCESS, f64::from(u8::from(success)));
        }
        values.set(&TICKS, self.ticks as f64);
        values.set(&TICKS_MISSED, self.missed as f64);
        if let Some((kind, seconds)) = self.training_seconds {
            values.set_by(&TRAINING_SECONDS, &Labels::new([kind.name()]), seconds);
        }
        for (outcome, count) in ["trained", "refused"].into_iter().zip(self.trainings) {
            values.set_by(&TRAININGS, &Labels::new([Kind::Host.name(), outcome]), count as f64);
        }
        for (kind, implementation, auc) in &self.auc {
            values.set_by(&AUC, &Labels::new([kind.name(), implementation]), *auc);
        }
        self.trials.values(registry, &mut values);
        self.tests.values(&mut values);
        values
    }
}

/// Lets everything else on the machine go first. Without the right to do so training runs as it is.
pub(crate) fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        let thread = rustix::thread::gettid();
        let _ = rustix::process::setpriority_process(Some(thread), 19);
    }
}
