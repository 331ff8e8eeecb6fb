//! A thread for each action of the rules, which takes its rows from the outbox and sends them.
//!
//! A server that is slow or refuses holds up its own action only.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::action_outcome::ActionOutcome;
use super::cluster_access::ClusterAddress;
use super::outbox::{AttemptResult, ClaimedAction, Outbox, OutboxError};
use super::plan::ActionInput;
use super::rules::{ActionSettings, RemediationRules, RuleAction};
use super::rules_file::RetrySection;
use super::send_rate::{SendRate, WINDOW_SECONDS};
use super::{github, kubernetes, remediation_log, webhook};
use crate::reading::Timestamp;

/// Most lines of the remediation log that are written at once.
const LINES_MAX: u32 = 256;
/// Longest wait for something to do, and the wait when the outbox fails.
const PAUSE_MAX: Duration = Duration::from_secs(60);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// Seconds between two clean-ups.
const CLEANUP_SECONDS: f64 = 600.0;

/// The threads of all actions.
#[derive(Debug)]
pub struct ActionThreads {
    outbox: Arc<Outbox>,
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl ActionThreads {
    /// Starts a thread for each action of the rules.
    ///
    /// # Errors
    /// If the system gives no thread, or the outbox cannot be read.
    pub fn start(
        rules: &RemediationRules,
        cluster: &ClusterAddress,
        outbox: &Arc<Outbox>,
        now: fn() -> Timestamp,
    ) -> io::Result<Self> {
        let mut started = Self {
            outbox: Arc::clone(outbox),
            stopping: Arc::new(AtomicBool::new(false)),
            threads: Vec::new(),
        };
        for (idx, action) in rules.actions().enumerate() {
            let since = now().0 - WINDOW_SECONDS;
            let tried = outbox.attempt_times_since(&action.id, since).map_err(io::Error::other)?;
            let per_minute = match &action.settings {
                ActionSettings::GithubIssue(it) => it.per_minute,
                ActionSettings::Webhook(it) => it.per_minute,
                ActionSettings::Log(_) | ActionSettings::Kubernetes(_) => u32::MAX,
            };
            let thread = ActionThread {
                action: action.clone(),
                retry: rules.retry.clone(),
                cluster: cluster.clone(),
                outbox: Arc::clone(outbox),
                stopping: Arc::clone(&started.stopping),
                rate: SendRate::new(per_minute, tried),
                paused_until: 0.0,
                cleanup: (idx == 0).then(|| {
                    let known = rules.actions().map(|it| it.id.clone()).collect();
                    OutboxCleanup { known, retention_seconds: rules.retention_seconds, due_at: 0.0 }
                }),
                now,
            };
            let builder = std::thread::Builder::new().name(format!("action-{idx}"));
            started.threads.push(builder.spawn(move || thread.run())?);
        }
        Ok(started)
    }

    /// Waits for what is being sent; what waits stays in the outbox. Returns whether all threads ended well.
    pub fn stop(self) -> bool {
        self.stopping.store(true, Ordering::Release);
        self.outbox.wake();
        // All are joined, also after one that failed.
        self.threads.into_iter().map(|it| it.join().is_ok()).filter(|ended| !ended).count() == 0
    }
}

/// What one of the threads does besides.
struct OutboxCleanup {
    known: Vec<String>,
    retention_seconds: f64,
    due_at: f64,
}

struct ActionThread {
    action: RuleAction,
    retry: RetrySection,
    cluster: ClusterAddress,
    outbox: Arc<Outbox>,
    stopping: Arc<AtomicBool>,
    rate: SendRate,
    /// Unix time until which the server asked to wait.
    paused_until: f64,
    cleanup: Option<OutboxCleanup>,
    now: fn() -> Timestamp,
}

impl ActionThread {
    fn run(mut self) {
        while !self.stopping.load(Ordering::Acquire) {
            let pause = self.round().unwrap_or_else(|error| {
                tracing::error!(action = self.action.id, %error, "the outbox cannot be used; trying again");
                PAUSE_AFTER_FAILURE
            });
            if !pause.is_zero() && !self.stopping.load(Ordering::Acquire) {
                self.outbox.wait(pause);
            }
        }
    }

    /// Sends what is due; returns how long there is nothing to do.
    fn round(&mut self) -> Result<Duration, OutboxError> {
        let now = (self.now)().0;
        self.clean_up(now)?;
        // After the clock stepped back, a pause must not last for ever.
        let pause = (self.paused_until - now).clamp(0.0, 2.0 * 3600.0);
        let wait = pause.max(self.rate.wait(now).unwrap_or(0.0));
        if wait > 0.0 {
            return Ok(seconds(wait));
        }
        let most = if matches!(self.action.settings, ActionSettings::Log(_)) { LINES_MAX } else { 1 };
        let rows = self.outbox.claim_due_actions(&self.action.id, now, most)?;
        if rows.is_empty() {
            let next = self.outbox.next_at(&self.action.id)?;
            return Ok(next.map_or(PAUSE_MAX, |at| seconds(at - now)));
        }
        self.rate.record(now);
        let outcomes = self.send(rows, now);
        self.settle(&outcomes)?;
        Ok(Duration::ZERO)
    }

    fn send(&mut self, rows: Vec<ClaimedAction>, now: f64) -> Vec<(ClaimedAction, ActionOutcome)> {
        let mut outcomes = Vec::new();
        let mut due = Vec::new();
        for row in rows {
            if now - row.created_at > self.retry.max_age.as_seconds() {
                let reason = format!("older than retry.max_age of {}", self.retry.max_age);
                outcomes.push((row, ActionOutcome::Drop(reason)));
                continue;
            }
            match serde_json::from_str::<ActionInput>(&row.payload) {
                Ok(payload) => due.push((row, payload)),
                Err(error) => {
                    outcomes.push((row, ActionOutcome::Drop(format!("it cannot be read: {error}"))));
                }
            }
        }
        let at = Timestamp(now);
        if let ActionSettings::Log(settings) = &self.action.settings {
            let outcome = match remediation_log::append(settings, &due, at) {
                Ok(()) => ActionOutcome::Done("written".into()),
                Err(error) => {
                    ActionOutcome::Retry(format!("{} cannot be written: {error}", settings.path.display()))
                }
            };
            outcomes.extend(due.into_iter().map(|(row, _)| (row, outcome.clone())));
            return outcomes;
        }
        outcomes.extend(due.into_iter().map(|(row, payload)| {
            let outcome = match &self.action.settings {
                ActionSettings::Webhook(settings) => webhook::send(settings, &row, &payload),
                ActionSettings::GithubIssue(settings) => {
                    let own = (self.action.id.as_str(), settings);
                    github::send(own, &self.outbox, &row, &payload, now)
                }
                ActionSettings::Kubernetes(settings) => {
                    let own = (self.action.id.as_str(), settings);
                    kubernetes::send(own, &self.cluster, &self.outbox, &row, &payload, at)
                }
                ActionSettings::Log(_) => ActionOutcome::Done(String::new()),
            };
            (row, outcome)
        }));
        outcomes
    }

    /// Writes and counts what became of actions.
    fn settle(&mut self, outcomes: &[(ClaimedAction, ActionOutcome)]) -> Result<(), OutboxError> {
        let now = (self.now)().0;
        let mut settled = Vec::new();
        for (row, outcome) in outcomes {
            settled.push((row.id, self.settlement(row, outcome, now)));
        }
        self.outbox.settle(&settled)?;
        for ((row, outcome), (_, settlement)) in outcomes.iter().zip(&settled) {
            let (action, lane) = (self.action.id.as_str(), row.lane.as_str());
            let counts = self.outbox.counts();
            match (outcome, settlement) {
                (ActionOutcome::Done(how), _) => {
                    counts.change(action, |it| it.sent += 1);
                    tracing::info!(action, lane, how, "action done");
                }
                (
                    ActionOutcome::Retry(reason)
                    | ActionOutcome::Wait(reason, _)
                    | ActionOutcome::Drop(reason),
                    it,
                ) => {
                    if *it == AttemptResult::Dropped {
                        counts.dropped(action, 1);
                        tracing::error!(action, lane, reason, "action dropped");
                    } else {
                        counts.change(action, |it| it.failed += 1);
                        tracing::warn!(action, lane, reason, "action failed; trying again");
                    }
                }
            }
        }
        Ok(())
    }

    fn settlement(&mut self, row: &ClaimedAction, outcome: &ActionOutcome, now: f64) -> AttemptResult {
        match outcome {
            ActionOutcome::Done(_) => AttemptResult::Done,
            ActionOutcome::Drop(_) => AttemptResult::Dropped,
            ActionOutcome::Retry(_) => AttemptResult::Retry(now + self.backoff(row.attempts)),
            ActionOutcome::Wait(_, wait) => {
                self.paused_until = now + wait.as_secs_f64();
                AttemptResult::Retry(self.paused_until)
            }
        }
    }

    /// Seconds until the next attempt.
    fn backoff(&self, attempts: u32) -> f64 {
        let doublings = i32::try_from(attempts.min(30)).unwrap_or(30);
        (self.retry.initial.as_seconds() * 2_f64.powi(doublings)).min(self.retry.max.as_seconds())
    }

    fn clean_up(&mut self, now: f64) -> Result<(), OutboxError> {
        let Some(cleanup) = self.cleanup.as_mut().filter(|it| now >= it.due_at) else { return Ok(()) };
        cleanup.due_at = now + CLEANUP_SECONDS;
        let known = cleanup.known.iter().map(String::as_str);
        self.outbox.clean_up(known, now - cleanup.retention_seconds)
    }
}

fn seconds(wait: f64) -> Duration {
    Duration::try_from_secs_f64(wait).unwrap_or(Duration::ZERO).clamp(Duration::from_millis(10), PAUSE_MAX)
}
