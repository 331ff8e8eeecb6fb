//! Commands to the running program and their replies.
//!
//! HTTP routes and local commands send a [`ControlCommand`] to the sampling loop, which alone owns the engine. The
//! [`ControlReply`] returns through its own channel.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::duration::HumanDuration;
use crate::episode_pattern::OperatorVerdict;
use crate::reading::{Subject, SubjectKind, Timestamp};

/// Time without a reply after which a command is reported as unanswered; it may still be executed.
pub const REPLY_DEADLINE: Duration = Duration::from_secs(30);

/// Largest number of questions without a reply; further ones are refused.
pub const QUESTIONS_MAX: usize = 48;

/// The same of commands that change something: clients that only ask do not keep operators out.
pub const CHANGES_MAX: usize = 16;

/// A command to the sampling loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ControlCommand {
    /// Returns the state of the program.
    Status,
    /// Returns the forecast of a signal of a subject, as a [`ForecastReply`].
    Predict {
        /// The subject.
        subject: Subject,
        /// Name of the signal.
        signal: String,
        /// Seconds to look ahead.
        horizon_seconds: f64,
        /// Seconds between two values of the forecast.
        step_seconds: f64,
    },
    /// Returns the baseline of each signal of a subject, as a list of [`SignalBaseline`].
    Baselines {
        /// The subject.
        subject: Subject,
    },
    /// Enables or pauses learning.
    Learn {
        /// Whether readings are learned from now on.
        on: bool,
    },
    /// Accepts the current anomalies of all subjects as normal.
    Accept,
    /// Returns the maintenance windows, as a list of [`MaintenanceState`].
    Maintenance,
    /// Starts maintenance, instead of one that was started before.
    StartMaintenance {
        /// Its name.
        name: String,
        /// How long it lasts, unless it is stopped.
        duration: HumanDuration,
    },
    /// Ends the maintenance that was started.
    StopMaintenance,
    /// Records the verdict of an operator on an episode.
    SetVerdict {
        /// Subject of the episode.
        subject: Subject,
        /// Second in which it started.
        second: Timestamp,
        /// The verdict.
        verdict: OperatorVerdict,
    },
    /// Forgets the points learned in a time range.
    Forget {
        /// Start of the range.
        from: Timestamp,
        /// End of the range, inclusive.
        to: Timestamp,
    },
    /// Trains a new model.
    Train {
        /// The kind.
        kind: SubjectKind,
        /// Train on the points of the last hours only; on all if absent.
        hours: Option<f64>,
    },
    /// Report the state of a job, as a [`JobStatus`].
    Job {
        /// Number of the job.
        id: u64,
    },
    /// Makes the model with this identifier current.
    Promote {
        /// The identifier of the model.
        model: String,
    },
    /// Makes the previous model current.
    Rollback,
}

impl ControlCommand {
    /// Whether it changes nothing.
    fn is_question(&self) -> bool {
        match self {
            Self::Status
            | Self::Predict { .. }
            | Self::Baselines { .. }
            | Self::Maintenance
            | Self::Job { .. } => true,
            Self::Learn { .. }
            | Self::Accept
            | Self::StartMaintenance { .. }
            | Self::StopMaintenance
            | Self::SetVerdict { .. }
            | Self::Forget { .. }
            | Self::Train { .. }
            | Self::Promote { .. }
            | Self::Rollback => false,
        }
    }
}

/// The state of the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProgramStatus {
    /// Version of the program.
    pub version: String,
    /// Seconds since the start of the process.
    pub uptime_seconds: f64,
    /// Whether some subject has a score.
    pub ready: bool,
    /// Whether hostnorm learns.
    pub learning: bool,
    /// The jobs.
    pub jobs: JobCounts,
    /// The live subjects.
    pub subjects: Vec<SubjectStatus>,
    /// Directory of the store; null without one.
    pub store: Option<String>,
    /// Names of the active maintenance windows.
    pub maintenance: Vec<String>,
    /// Unix time of the end of the host's silence, in seconds; null without one.
    pub silenced_until: Option<f64>,
    /// Features that are off to stay within `limits.memory` and `limits.cpu`.
    pub features_off: Vec<String>,
}

/// The jobs of the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobCounts {
    /// Number of jobs that wait.
    pub waiting: usize,
    /// The task of the running job, as in `task` of a job; null if no job runs.
    pub running: Option<String>,
}

/// A live subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubjectStatus {
    /// host, container, log, pod or service.
    pub kind: String,
    /// Name of the subject.
    pub subject: String,
    /// Whether the subject has a score.
    pub ready: bool,
}

/// A job that a command started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StartedJob {
    /// Number of the job.
    pub job: u64,
}

/// The state of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobStatus {
    /// Number of the job.
    pub id: u64,
    /// train, fit (seasonal fit), selftest, rebuild (learned state from stored points), load_states (of subjects that
    /// return), load_model or backfill.
    pub task: String,
    /// waiting, running, done, or the reason for a job without a result. refused: the training made no model.
    /// inconclusive: the self-test could not decide. failed: see `reason`. panicked: a bug of hostnorm. outdated: the
    /// learned state was replaced while the job ran. dropped: the learned state was replaced while the job waited.
    pub state: String,
    /// Unix time at which it was queued, in seconds.
    pub queued_at: f64,
    /// Unix time of the end of the job, in seconds; absent before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<f64>,
    /// Why the job has no result, and what to do; absent while it waits or runs, and if it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A maintenance window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MaintenanceState {
    /// Name of the window.
    pub name: String,
    /// Schedule of the window; absent for maintenance that a command started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// Whether the window is active.
    pub active: bool,
    /// Unix time of the end of the window, in seconds; absent while the window is not active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<f64>,
}

/// The forecast of one signal, in its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ForecastReply {
    /// Name of the signal.
    pub metric: String,
    /// Unix time of the last reading before the forecast, in seconds.
    pub made_at: f64,
    /// The expected values, in order of time.
    pub points: Vec<ForecastValue>,
    /// Why the values end before the requested horizon; absent if they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Earliest number of seconds until the signal is full; absent if the past does not support an estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earliest_full_seconds: Option<f64>,
    /// Likely number of seconds until the signal is full; absent unless the rise is likely (probability 1/2 or more) to last
    /// until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likely_full_seconds: Option<f64>,
}

/// The forecast for one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ForecastValue {
    /// Unix time, in seconds.
    pub timestamp: f64,
    /// The expected value.
    pub expected: f64,
    /// Lower end of the interval in which nine of ten values are expected.
    pub lower: f64,
    /// Upper end of the interval in which nine of ten values are expected.
    pub upper: f64,
}

/// The learned statistics of one signal, in its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SignalBaseline {
    /// Name of the signal.
    pub metric: String,
    /// Mean of the learned points; the weight of old points halves every `half_life`.
    pub mean: f64,
    /// Standard deviation of the learned points, weighted like the mean, and increased by the noise floor.
    pub stddev: f64,
    /// Smallest value outside episodes; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_value: Option<f64>,
    /// Largest value outside episodes; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_value: Option<f64>,
    /// Number of learned points, as the sum of their weights.
    pub sample_count: f64,
    /// Unix time of the last learned point, in seconds; absent while all is borrowed from other subjects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<f64>,
    /// 95th percentile.
    pub percentile_95: f64,
    /// 99th percentile.
    pub percentile_99: f64,
}

/// The reply to a command that was executed or accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ControlReply {
    /// The outcome in one sentence.
    pub message: String,
    /// Data for programs; null if the message is complete.
    pub data: serde_json::Value,
}

impl ControlReply {
    /// A reply without data.
    pub fn sentence(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: serde_json::Value::Null }
    }
}

/// Why a command was not executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CommandRefusal {
    /// The command names something that does not exist.
    NotFound(String),
    /// The present state does not allow it.
    Conflict(String),
    /// The loop has ended, is busy or did not reply in time.
    Unavailable(String),
}

impl fmt::Display for CommandRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(reason) | Self::Conflict(reason) | Self::Unavailable(reason) => {
                f.write_str(reason)
            }
        }
    }
}

impl std::error::Error for CommandRefusal {}

/// The outcome of a command.
pub type CommandResult = Result<ControlReply, CommandRefusal>;

/// A command for the loop, with the channel for its reply.
#[derive(Debug)]
pub struct CommandRequest {
    /// The command.
    pub command: ControlCommand,
    reply: oneshot::Sender<CommandResult>,
    /// Its permit, one of [`QUESTIONS_MAX`] or [`CHANGES_MAX`].
    _place: OwnedSemaphorePermit,
}

impl CommandRequest {
    /// Sends the reply. A sender that no longer waits is no error.
    pub fn reply(self, outcome: CommandResult) {
        let _ = self.reply.send(outcome);
    }
}

/// The sending end for commands; clones share it.
#[derive(Clone)]
pub struct ControlSender {
    deliver: Arc<dyn Fn(CommandRequest) -> bool + Send + Sync>,
    questions: Arc<Semaphore>,
    changes: Arc<Semaphore>,
}

impl fmt::Debug for ControlSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ControlSender")
    }
}

impl ControlSender {
    /// Delivers requests with `deliver`, which never blocks and returns false once the loop has ended.
    pub fn new(deliver: impl Fn(CommandRequest) -> bool + Send + Sync + 'static) -> Self {
        Self {
            deliver: Arc::new(deliver),
            questions: Arc::new(Semaphore::new(QUESTIONS_MAX)),
            changes: Arc::new(Semaphore::new(CHANGES_MAX)),
        }
    }

    /// Sends a command and waits for its reply, at most [`REPLY_DEADLINE`].
    ///
    /// # Errors
    /// The refusal of the loop, or [`CommandRefusal::Unavailable`] without a reply.
    pub async fn send(&self, command: ControlCommand) -> CommandResult {
        let (places, most) = match command.is_question() {
            true => (&self.questions, QUESTIONS_MAX),
            false => (&self.changes, CHANGES_MAX),
        };
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            return Err(CommandRefusal::Unavailable(format!(
                "too many commands: {most} are waiting for a reply"
            )));
        };
        let (reply, answered) = oneshot::channel();
        if !(self.deliver)(CommandRequest { command, reply, _place: place }) {
            return Err(CommandRefusal::Unavailable("the sampling loop has ended".into()));
        }
        match tokio::time::timeout(REPLY_DEADLINE, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => {
                Err(CommandRefusal::Unavailable("the sampling loop ended before it replied".into()))
            }
            Err(_) => Err(CommandRefusal::Unavailable(format!(
                "no reply within {} s; the command may still be carried out, see the log",
                REPLY_DEADLINE.as_secs()
            ))),
        }
    }
}
