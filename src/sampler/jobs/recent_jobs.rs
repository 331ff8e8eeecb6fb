//! The newest jobs and their states, for status requests.

use std::collections::VecDeque;

use super::JobId;
use crate::clock;
use crate::control_command::JobStatus;

/// Jobs that are remembered; the oldest are forgotten.
pub(super) const RECORDS_MAX: usize = 64;

/// The reason of a job without a result because its data changed.
pub(super) const OUTDATED: &str =
    "the learned state was replaced meanwhile, as by hostnorm forget; start the job again";

/// The newest jobs, the oldest first.
#[derive(Debug, Default)]
pub(super) struct RecentJobs(VecDeque<JobStatus>);

impl RecentJobs {
    /// Records a job that was queued.
    pub(super) fn queued(&mut self, id: JobId, task: &str) {
        if self.0.len() == RECORDS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(JobStatus {
            id,
            task: task.to_owned(),
            state: "waiting".to_owned(),
            queued_at: clock::now().0,
            ended_at: None,
            reason: None,
        });
    }

    /// Records that a job started.
    pub(super) fn started(&mut self, id: JobId) {
        self.set(id, "running", None, None);
    }

    /// Records the end of a job, and why it has no result.
    pub(super) fn ended(&mut self, id: JobId, outcome: &str, reason: Option<String>) {
        self.set(id, outcome, Some(clock::now().0), reason);
    }

    /// Records that the waiting jobs for which `waits` is false were dropped.
    pub(super) fn keep_waiting(&mut self, waits: impl Fn(JobId) -> bool) {
        for it in self.0.iter_mut().filter(|it| it.state == "waiting" && !waits(it.id)) {
            (it.state, it.ended_at) = ("dropped".to_owned(), Some(clock::now().0));
            it.reason = Some(OUTDATED.to_owned());
        }
    }

    /// The record of a job; `None` once it is forgotten.
    pub(super) fn get(&self, id: JobId) -> Option<&JobStatus> {
        self.0.iter().find(|it| it.id == id)
    }

    fn set(&mut self, id: JobId, state: &str, ended_at: Option<f64>, reason: Option<String>) {
        if let Some(it) = self.0.iter_mut().find(|it| it.id == id) {
            (it.state, it.ended_at, it.reason) = (state.to_owned(), ended_at, reason);
        }
    }
}
