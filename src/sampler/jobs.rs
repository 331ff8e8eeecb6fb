//! Runs work that takes longer than a tick: a bounded queue with one worker at the lowest priority.
//!
//! A job gets data and returns data; it never sees the live engine. Jobs of commands run first. Others take turns by kind
//! and then by subject, and wait while CPU is short.

use std::sync::mpsc::{self, Receiver, Sender};

use tracing::Span;
use tracing::field::Empty;

use super::throttle::JobGate;
use crate::clock;
use crate::metric::Metric;
use crate::reading::Values;

mod queue;
mod job;

pub(super) use job::{Job, JobFailure, JobOutcome, States};

use queue::{JobPriority, JobQueue};

/// Jobs that wait at most; one more is dropped and counted.
pub(super) const JOBS_MAX: usize = 32;
/// No scheduled job is added behind so many others: it stays due, and commands find room.
const SCHEDULED_MAX: usize = 8;

pub(super) static WAITING: Metric = Metric::gauge("hostnorm_jobs_waiting", "Jobs waiting for the worker");
pub(super) static DROPPED: Metric =
    Metric::counter("hostnorm_jobs_dropped_total", "Jobs dropped because the queue was full");

/// The number of a job; later jobs have higher ones.
pub(super) type JobId = u64;

/// A job that ended.
#[derive(Debug)]
pub(super) struct FinishedJob {
    pub(super) id: JobId,
    pub(super) outcome: JobOutcome,
    /// Time that it took.
    pub(super) seconds: f64,
}

/// A job on its way to the worker.
struct QueuedJob {
    id: JobId,
    job: Job,
    gate: JobGate,
    span: Span,
}

#[derive(Debug)]
struct RunningJob {
    id: JobId,
    task: &'static str,
    /// Whether its data contain what has been forgotten since.
    is_stale: bool,
}

/// The queue and its worker.
#[derive(Debug)]
pub(super) struct Jobs {
    queue: JobQueue<(JobId, Job)>,
    running: Option<RunningJob>,
    worker: Sender<QueuedJob>,
    /// Where a training rests while processors are short.
    gate: JobGate,
    is_strained: bool,
    /// The number of the last job.
    last: JobId,
    dropped: u64,
}

impl Jobs {
    /// Starts the worker, which hands each job that ended to `report`.
    pub(super) fn start(report: impl Fn(FinishedJob) + Send + 'static) -> Self {
        let (worker, orders) = mpsc::channel();
        let started = std::thread::Builder::new().name("jobs".to_owned()).spawn(move || run(orders, report));
        if let Err(error) = started {
            tracing::error!(%error, "cannot start the worker for jobs; nothing is trained");
        }
        Self {
            queue: JobQueue::new(JOBS_MAX),
            running: None,
            worker,
            gate: JobGate::default(),
            is_strained: false,
            last: 0,
            dropped: 0,
        }
    }

    /// Queues a job and gives its number; nothing when the queue is full, which is counted.
    pub(super) fn push(&mut self, job: Job) -> Option<JobId> {
        self.last += 1;
        let lane = job.lane();
        if self.queue.push(lane, (self.last, job)) {
            return Some(self.last);
        }
        self.dropped += 1;
        None
    }

    /// Whether there is room for work that is due by itself.
    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < SCHEDULED_MAX
    }

    /// Takes note whether processors are short: scheduled jobs wait then, and a training under way rests.
    pub(super) fn set_strained(&mut self, strained: bool) {
        self.is_strained = strained;
    }

    /// Gives the next job to the worker, if it has none.
    pub(super) fn advance(&mut self) {
        if self.running.is_none()
            && let Some((id, job)) = self.queue.pop(!self.is_strained)
        {
            let task = job.task();
            // It outlasts the tick that starts it, so it is a trace of its own that points back.
            let span = tracing::info_span!(parent: None, "job", otel.name = task, hostnorm.outcome = Empty);
            span.follows_from(Span::current());
            let gate = if job.lane() == JobPriority::Urgent { JobGate::default() } else { self.gate.clone() };
            if self.worker.send(QueuedJob { id, job, gate, span }).is_ok() {
                self.running = Some(RunningJob { id, task, is_stale: false });
            }
        }
        // Whoever waits for a job must not wait for one that rests.
        self.gate.set(self.is_strained && !self.queue.has_urgent());
    }

    /// Takes note that a job ended; says whether its outcome still counts.
    pub(super) fn finish(&mut self, id: JobId) -> bool {
        let ended = self.running.take_if(|it| it.id == id);
        ended.is_some_and(|it| !it.is_stale)
    }

    /// Drops the scheduled jobs, and the outcome of one under way: their data are outdated.
    pub(super) fn discard_scheduled(&mut self) {
        self.queue.clear_scheduled();
        if let Some(running) = &mut self.running {
            running.is_stale = true;
        }
    }

    /// Jobs that wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// The job under way, in a word.
    pub(super) fn running(&self) -> Option<&'static str> {
        self.running.as_ref().map(|it| it.task)
    }

    /// Lets a resting training go on, so that its thread can end.
    pub(super) fn close(&self) {
        self.gate.set(false);
    }

    pub(super) fn values(&self, values: &mut Values) {
        values.set(&WAITING, self.queue.len() as f64);
        values.set(&DROPPED, self.dropped as f64);
    }
}

/// The worker: runs one job after the other until nobody gives it more.
fn run(orders: Receiver<QueuedJob>, report: impl Fn(FinishedJob)) {
    lower_priority();
    for QueuedJob { id, job, gate, span } in orders {
        let started = clock::instant();
        let outcome = span.in_scope(|| job.run(&gate));
        span.record("hostnorm.outcome", outcome.word());
        drop(span);
        report(FinishedJob { id, outcome, seconds: started.elapsed().as_secs_f64() });
    }
}

/// Lets everything else on the machine go first. Without the right to do so the thread runs as it is.
pub(crate) fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        let thread = rustix::thread::gettid();
        let _ = rustix::process::setpriority_process(Some(thread), 19);
    }
}
