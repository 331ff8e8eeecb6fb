//! Runs work that takes longer than a tick: a bounded queue with one worker at the lowest priority.
//!
//! A job gets data and returns data; it never sees the live engine. Jobs of commands run first. Others take turns by
//! kind and then by subject, and wait during a CPU shortage.

use std::sync::mpsc::{self, Receiver, Sender};

use tracing::Span;
use tracing::field::Empty;

use super::job_throttle::JobGate;
use crate::clock;
use crate::control_command::JobStatus;
use crate::metric::Metric;
use crate::reading::SubjectValues;

mod job_queue;
mod job;
mod recent_jobs;

pub(super) use job::{Job, JobFailure, JobOutcome, SubjectStates};

use job_queue::{JobLane, JobQueue};
use recent_jobs::{OUTDATED, RecentJobs};

/// Largest number of waiting jobs; further ones are dropped and counted.
pub(super) const JOBS_MAX: usize = 32;
/// Number of waiting jobs from which scheduled jobs are not queued. They stay due, which leaves room for commands.
const SCHEDULED_MAX: usize = 8;

pub(super) static WAITING: Metric = Metric::gauge("hostnorm_jobs_waiting", "Jobs waiting to run");
pub(super) static DROPPED: Metric =
    Metric::counter("hostnorm_jobs_dropped_total", "Jobs that were not queued, because the queue was full");

/// The number of a job, ascending.
pub(super) type JobId = u64;

/// A job that ended.
#[derive(Debug)]
pub(super) struct FinishedJob {
    pub(super) id: JobId,
    pub(super) outcome: JobOutcome,
    /// Duration, in seconds.
    pub(super) seconds: f64,
}

/// A job for the worker.
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
    /// Whether its data include points that were forgotten meanwhile.
    is_stale: bool,
}

/// The queue and its worker.
#[derive(Debug)]
pub(super) struct Jobs {
    queue: JobQueue<(JobId, Job)>,
    running: Option<RunningJob>,
    records: RecentJobs,
    worker: Sender<QueuedJob>,
    /// Pauses a training during a CPU shortage.
    gate: JobGate,
    is_strained: bool,
    /// The number of the last job.
    last: JobId,
    dropped: u64,
}

impl Jobs {
    /// Starts the worker, which passes each finished job to `report`.
    pub(super) fn start(report: impl Fn(FinishedJob) + Send + 'static) -> Self {
        let (worker, orders) = mpsc::channel();
        let started = std::thread::Builder::new().name("jobs".to_owned()).spawn(move || run(orders, report));
        if let Err(error) = started {
            tracing::error!(%error, "cannot start the thread for jobs; nothing is trained");
        }
        Self {
            queue: JobQueue::new(JOBS_MAX),
            running: None,
            records: RecentJobs::default(),
            worker,
            gate: JobGate::default(),
            is_strained: false,
            last: 0,
            dropped: 0,
        }
    }

    /// Queues a job and returns its number; `None` if the queue is full, which is counted.
    pub(super) fn push(&mut self, job: Job) -> Option<JobId> {
        self.last += 1;
        let (lane, task) = (job.lane(), job.task());
        if self.queue.push(lane, (self.last, job)) {
            self.records.queued(self.last, task);
            return Some(self.last);
        }
        self.dropped += 1;
        None
    }

    /// Whether there is room for scheduled jobs.
    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < SCHEDULED_MAX
    }

    /// Sets whether there is a CPU shortage: scheduled jobs then wait, and a running training pauses.
    pub(super) fn set_strained(&mut self, strained: bool) {
        self.is_strained = strained;
    }

    /// Whether there is a CPU shortage.
    pub(super) fn is_strained(&self) -> bool {
        self.is_strained
    }

    /// Passes the next job to the worker if it is idle.
    pub(super) fn advance(&mut self) {
        if self.running.is_none()
            && let Some((id, job)) = self.queue.pop(!self.is_strained)
        {
            let task = job.task();
            // The job outlasts its tick, so it has its own trace with a link to the tick.
            let span = tracing::info_span!(parent: None, "job", otel.name = task, hostnorm.outcome = Empty);
            span.follows_from(Span::current());
            let gate = if job.lane() == JobLane::Urgent { JobGate::default() } else { self.gate.clone() };
            if self.worker.send(QueuedJob { id, job, gate, span }).is_ok() {
                self.records.started(id);
                self.running = Some(RunningJob { id, task, is_stale: false });
            }
        }
        // An urgent job must not wait for a paused one.
        self.gate.set(self.is_strained && !self.queue.has_urgent());
    }

    /// Records the end of a job; returns whether its outcome is still valid.
    pub(super) fn finish(&mut self, id: JobId, outcome: &JobOutcome) -> bool {
        let ended = self.running.take_if(|it| it.id == id);
        let is_valid = ended.is_some_and(|it| !it.is_stale);
        match is_valid {
            true => self.records.ended(id, outcome.word(), outcome.reason()),
            false => self.records.ended(id, "outdated", Some(OUTDATED.to_owned())),
        }
        is_valid
    }

    /// The state of a job; `None` for an unknown or forgotten one.
    pub(super) fn status(&self, id: JobId) -> Option<&JobStatus> {
        self.records.get(id)
    }

    /// Drops scheduled jobs and the outcome of a running one, because their data are outdated.
    pub(super) fn discard_scheduled(&mut self) {
        self.queue.clear_scheduled();
        let queue = &self.queue;
        self.records.keep_waiting(|id| queue.holds(|(queued, _)| *queued == id));
        if let Some(running) = &mut self.running {
            running.is_stale = true;
        }
    }

    /// Number of waiting jobs.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Name of the running job.
    pub(super) fn running(&self) -> Option<&'static str> {
        self.running.as_ref().map(|it| it.task)
    }

    /// Resumes a paused training, so that its thread can end.
    pub(super) fn close(&self) {
        self.gate.set(false);
    }

    pub(super) fn values(&self, values: &mut SubjectValues) {
        values.set(&WAITING, self.queue.len() as f64);
        values.set(&DROPPED, self.dropped as f64);
    }
}

/// The worker: runs jobs until the channel closes.
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

/// Lowers the priority of the thread to the minimum; without permission, it stays as it is.
pub(crate) fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        let thread = rustix::thread::gettid();
        let _ = rustix::process::setpriority_process(Some(thread), 19);
    }
}
