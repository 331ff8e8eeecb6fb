//! Executes commands between two ticks. Each gets one reply, after its job if it starts one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::Sampler;
use super::jobs::{Job, JobFailure, JobId, Jobs};
use super::persist::PersistentState;
use super::restore::forget_marker;
use super::status;
use crate::clock;
use crate::control_command::{
    CommandRefusal, CommandRequest, CommandResult, ControlCommand, ControlReply, ForecastReply,
    ForecastValue, StartedJob,
};
use crate::cost_limit::OptionalFeature;
use crate::duration::HumanDuration;
use crate::engine::{Engine, TrainingObstacle};
use crate::episode_text;
use crate::forecast::{ForecastPoint, ForecastTimes};
use crate::model_registry::{ModelVersion, SelectVersionError};
use crate::reading::{Subject, SubjectKind, Timestamp};
use crate::report::{Assessment, Report};
use crate::sources;
use crate::store::{LEARNING, MarkerRow, StoreError, StoreWrite, TimeRange};
use crate::training::TrainingSet;

/// The immediate effect of a command.
enum CommandEffect {
    Reply(ControlReply),
    /// The reply follows at the end of the job.
    Job(Job),
    /// The reply has the number of the job and comes at once.
    Started(Job),
}

impl From<SelectVersionError> for CommandRefusal {
    fn from(error: SelectVersionError) -> Self {
        match error {
            SelectVersionError::Unknown(_) => Self::NotFound(error.to_string()),
            SelectVersionError::Current(_) | SelectVersionError::NoneBefore => {
                Self::Conflict(error.to_string())
            }
        }
    }
}

impl Sampler {
    /// Until when a scheduled training of the host waits, although it is due; `None` if it does not wait.
    pub(super) fn training_waits(&self) -> Option<&'static str> {
        let is_urgent = self.persistent.registry.current(SubjectKind::Host).is_none();
        match self.costs.is_active(OptionalFeature::ShadowModel) {
            _ if is_urgent => None,
            false => Some("once the limits of memory and CPU allow it"),
            true => self.jobs.is_strained().then_some("once the host is less busy"),
        }
    }
}

/// The commands that wait for their jobs.
#[derive(Debug, Default)]
pub(super) struct CommandsAwaitingJobs(BTreeMap<JobId, CommandRequest>);

impl CommandsAwaitingJobs {
    /// Executes a command and replies, or starts its job.
    pub(super) fn carry_out(
        &mut self,
        request: CommandRequest,
        persistent: &mut PersistentState,
        jobs: &mut Jobs,
        newest: Option<&Arc<Report>>,
        train: impl FnOnce(SubjectKind, TrainingSet) -> Job,
    ) {
        let next = match &request.command {
            ControlCommand::Status => Ok(CommandEffect::Reply(status::status(persistent, jobs, newest))),
            ControlCommand::Predict { subject, signal, horizon_seconds, step_seconds } => {
                let now = persistent.engine.at();
                let horizon = ForecastTimes { now, seconds: *horizon_seconds, step_seconds: *step_seconds };
                let found = predict(&persistent.engine, subject, signal, &horizon);
                let found = found.unwrap_or_else(|| Err(no_forecast(subject, signal, newest)));
                found.map(CommandEffect::Reply)
            }
            ControlCommand::Baselines { subject } => {
                Ok(CommandEffect::Reply(status::baselines(persistent, subject)))
            }
            ControlCommand::Learn { on } => Ok(CommandEffect::Reply(learn(persistent, *on))),
            ControlCommand::Accept => accept(persistent).map(CommandEffect::Reply),
            ControlCommand::Maintenance => Ok(CommandEffect::Reply(persistent.maintenance_states())),
            ControlCommand::StartMaintenance { name, duration } => {
                Ok(CommandEffect::Reply(persistent.start_maintenance(name, *duration)))
            }
            ControlCommand::StopMaintenance => persistent.stop_maintenance().map(CommandEffect::Reply),
            ControlCommand::SetVerdict { subject, second, verdict } => {
                persistent.set_verdict(subject, *second, *verdict).map(CommandEffect::Reply)
            }
            ControlCommand::Forget { from, to } => {
                forget(persistent, TimeRange { from: *from, to: *to }).map(CommandEffect::Job)
            }
            ControlCommand::Train { kind, hours } => {
                let set = persistent.engine.requested_training(*kind, *hours);
                set.map(|set| CommandEffect::Started(train(*kind, set))).map_err(CommandRefusal::Conflict)
            }
            ControlCommand::Job { id } => job_status(jobs, *id).map(CommandEffect::Reply),
            ControlCommand::Promote { model } => promote(persistent, model),
            ControlCommand::Rollback => {
                let previous = persistent.registry.previous().map_err(CommandRefusal::from);
                previous.and_then(|it| promote(persistent, it.as_str()))
            }
        };
        let full = || CommandRefusal::Unavailable("too many jobs are waiting; try again later".into());
        match next {
            Ok(CommandEffect::Reply(reply)) => request.reply(Ok(reply)),
            Ok(CommandEffect::Job(job)) => match jobs.push(job) {
                Some(id) => drop(self.0.insert(id, request)),
                None => request.reply(Err(full())),
            },
            Ok(CommandEffect::Started(job)) => request.reply(jobs.push(job).map(started).ok_or_else(full)),
            Err(refusal) => request.reply(Err(refusal)),
        }
    }

    /// Takes over the state rebuilt from the remaining points. `training_waits` says until when the training of a new model
    /// waits, if it does.
    pub(super) fn rebuilt(
        &mut self,
        id: JobId,
        result: Result<(Box<Engine>, usize), JobFailure<StoreError>>,
        persistent: &mut PersistentState,
        jobs: &mut Jobs,
        training_waits: Option<&'static str>,
    ) {
        let outcome = result.map_err(|it| unavailable(&it)).map(|(engine, points)| {
            jobs.discard_scheduled();
            persistent.take_over(*engine, "forgot");
            tracing::info!(points, "time range forgotten");
            let next = next_model(&persistent.engine, training_waits);
            ControlReply::sentence(format!(
                "forgotten: relearned from the remaining {points} stored points; {next}"
            ))
        });
        self.reply(id, outcome);
    }

    /// Installs a model loaded from the store.
    pub(super) fn loaded(
        &mut self,
        id: JobId,
        result: Result<Option<Box<ModelVersion>>, JobFailure<String>>,
        persistent: &mut PersistentState,
    ) {
        let outcome = result.map_err(|it| unavailable(&it)).and_then(|version| {
            let Some(version) = version else {
                let text =
                    "it was removed, or is kept only to explain an episode; see `hostnorm models list`";
                return Err(CommandRefusal::NotFound(text.into()));
            };
            let model = version.id.clone();
            // The model may have been removed or loaded meanwhile; promotion then reports it.
            persistent.registry.activate(*version);
            set_current_model(persistent, model.as_str())
        });
        self.reply(id, outcome);
    }

    fn reply(&mut self, id: JobId, outcome: CommandResult) {
        if let Some(request) = self.0.remove(&id) {
            request.reply(outcome);
        }
    }
}

fn unavailable<E: std::fmt::Display>(failure: &JobFailure<E>) -> CommandRefusal {
    CommandRefusal::Unavailable(failure.to_string())
}

/// When the next model of the host is trained.
fn next_model(engine: &Engine, training_waits: Option<&'static str>) -> String {
    let second = |it: Timestamp| episode_text::second(Timestamp(it.0.ceil()));
    match (engine.training_obstacle(SubjectKind::Host), training_waits) {
        (None, None) => "a new model is being trained".to_owned(),
        (None, Some(until)) => format!("a new model is trained {until}"),
        (Some(TrainingObstacle::LearningOff), _) => {
            "a new model is trained after hostnorm learn on".to_owned()
        }
        (Some(TrainingObstacle::WarmUp(Some(at))), _) => {
            format!("a new model is trained after the warm-up, at {}", second(at))
        }
        (Some(TrainingObstacle::WarmUp(None) | TrainingObstacle::NoReading), _) => {
            "a new model is trained after the warm-up".to_owned()
        }
        (Some(TrainingObstacle::Borrowed), _) => "a new model is trained after a day".to_owned(),
    }
}

/// The forecast of a signal, as far ahead as its past reaches back: how it behaves over a longer time is not known. `None` if
/// the signal is unknown, has no present value, or too little is known.
fn predict(
    engine: &Engine,
    subject: &Subject,
    signal: &str,
    horizon: &ForecastTimes,
) -> Option<CommandResult> {
    let now = horizon.now;
    let mut points = engine.forecast(subject, signal, horizon)?;
    let past_seconds = engine.forecast_past_seconds(subject, signal, now)?;
    let past = HumanDuration::nearest(past_seconds.floor());
    let reason = format!("its past is known for {past}, and a forecast looks as far ahead at most");
    let asked = points.len();
    points.retain(|it| it.at.0 - now.0 <= past_seconds);
    if points.is_empty() && asked > 0 {
        let detail = format!("no forecast of {signal} of {}: {reason}; shorten step", subject.name());
        return Some(Err(CommandRefusal::NotFound(detail)));
    }
    let note = (points.len() < asked).then_some(reason);
    let full = engine.time_until_full(subject, signal, now);
    let value = |it: ForecastPoint| ForecastValue {
        timestamp: it.at.0,
        expected: it.expected,
        lower: it.lower,
        upper: it.upper,
    };
    let forecast = ForecastReply {
        metric: signal.to_owned(),
        made_at: now.0,
        points: points.into_iter().map(value).collect(),
        note,
        earliest_full_seconds: full.map(|it| it.earliest_seconds),
        likely_full_seconds: full.and_then(|it| it.likely_seconds),
    };
    let message = format!("{} values of {signal} are forecast", forecast.points.len());
    Some(Ok(ControlReply { message, data: serde_json::to_value(forecast).unwrap_or_default() }))
}

/// Why a signal has no forecast, and what to do.
fn no_forecast(subject: &Subject, signal: &str, newest: Option<&Arc<Report>>) -> CommandRefusal {
    let kind = subject.kind();
    let is_known = sources::signals(|_| true).any(|it| it.name == signal && it.kind == kind);
    let assessment = newest.and_then(|it| it.assessments.get(subject));
    let has_value = |it: &Assessment| it.signals.iter().any(|it| it.signal.name == signal);
    let reason = match assessment {
        None => "it has no readings now; /api/v1/status lists the subjects".to_owned(),
        Some(_) if !is_known => {
            format!("no signal of a {} has this name; /api/v1/signals lists its signals", kind.name())
        }
        Some(it) if !has_value(it) => {
            "it has no value now: its collector failed, is disabled, or needs a second reading".to_owned()
        }
        Some(_) => "less than 20 minutes of its recent past are known; try again later".to_owned(),
    };
    CommandRefusal::NotFound(format!("no forecast of {signal} of {}: {reason}", subject.name()))
}

fn learn(persistent: &mut PersistentState, on: bool) -> ControlReply {
    let word = if on { "on" } else { "off" };
    if persistent.engine.is_learning() == on {
        return ControlReply::sentence(format!("learning is already {word}"));
    }
    persistent.engine.set_learning(on);
    let marker = MarkerRow { at: clock::now(), kind: LEARNING.into(), text: word.into() };
    let note = persistent.store_command(StoreWrite::Marker(marker));
    persistent.save_snapshot(Some("learning"));
    tracing::info!(learning = word, "learning switched");
    ControlReply::sentence(match (on, note) {
        (true, note) => format!("learning is on{note}"),
        (false, "") => "learning is off, also after a restart, until `hostnorm learn on`".into(),
        (false, note) => format!("learning is off until `hostnorm learn on`{note}"),
    })
}

fn accept(persistent: &mut PersistentState) -> Result<ControlReply, CommandRefusal> {
    let accepted = persistent.engine.accept();
    if accepted.is_empty() {
        return Err(CommandRefusal::Conflict("there is no anomaly to accept".into()));
    }
    persistent.save_snapshot(Some("accepted"));
    let names: Vec<&str> = accepted.iter().map(Subject::name).collect();
    let names = names.join(", ");
    tracing::info!(subjects = names, "anomaly accepted");
    Ok(ControlReply::sentence(format!("accepted: the current state of {names} is now normal")))
}

fn forget(persistent: &mut PersistentState, span: TimeRange) -> Result<Job, CommandRefusal> {
    let directory = directory(persistent)?;
    let now = clock::now();
    // The marker is also applied after a restart: points of the future are not forgotten then.
    let span = TimeRange { to: Timestamp(span.to.0.min(now.0)), ..span };
    if !persistent.store.put(StoreWrite::Marker(forget_marker(now, span))) {
        return Err(CommandRefusal::Unavailable(
            "the store does not take anything now; try again later".into(),
        ));
    }
    let subjects = persistent.engine.live().cloned().collect();
    Ok(Job::Rebuild { blank: Box::new(persistent.engine.rebuilt()), subjects, directory, span })
}

fn started(id: JobId) -> ControlReply {
    ControlReply {
        message: format!("training started as job {id}; see `hostnorm models list` for the new model"),
        data: serde_json::to_value(StartedJob { job: id }).unwrap_or_default(),
    }
}

fn job_status(jobs: &Jobs, id: JobId) -> Result<ControlReply, CommandRefusal> {
    let unknown = || CommandRefusal::NotFound(format!("no job {id}; only the newest jobs are remembered"));
    let status = jobs.status(id).ok_or_else(unknown)?;
    let reason = status.reason.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
    let message = format!("job {id} ({}) is {}{reason}", status.task, status.state);
    Ok(ControlReply { message, data: serde_json::to_value(status).unwrap_or_default() })
}

/// Promotes a model; one that is not in memory is loaded first.
fn promote(persistent: &mut PersistentState, model: &str) -> Result<CommandEffect, CommandRefusal> {
    if persistent.registry.is_inactive(model) {
        return Ok(CommandEffect::Job(Job::LoadModel {
            directory: directory(persistent)?,
            id: model.to_owned(),
        }));
    }
    set_current_model(persistent, model).map(CommandEffect::Reply)
}

fn set_current_model(persistent: &mut PersistentState, model: &str) -> CommandResult {
    let version = persistent.registry.promote(model)?;
    let (id, kind) = (version.id.to_string(), version.kind);
    persistent.install(kind);
    persistent.save_models();
    tracing::info!(kind = kind.name(), model = id, "model promoted by a command");
    Ok(ControlReply::sentence(format!("model {id} is now the current model")))
}

fn directory(persistent: &PersistentState) -> Result<PathBuf, CommandRefusal> {
    let directory = persistent.store.directory().map(std::path::Path::to_owned);
    directory.ok_or_else(|| CommandRefusal::Conflict("no store: storage.path is off or unknown".into()))
}
