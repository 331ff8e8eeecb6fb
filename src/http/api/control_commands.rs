//! The commands: each becomes a [`ControlCommand`] to the sampling loop.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::body_time::BodyTime;
use super::signal_aliases;
use super::store_access::read_store;
use super::subject_parameter::{kind_named, named_subject};
use crate::control_command::{CommandRefusal, ControlCommand};
use crate::duration::HumanDuration;
use crate::episode_pattern::OperatorVerdict;
use crate::episode_text;
use crate::explanation::EpisodeId;
use crate::http::app_state::AppState;
use crate::http::message::{ProblemDetails, Request, Response, json, plain};
use crate::http::query_arguments::bad_request;
use crate::maintenance;
use crate::reading::SubjectKind;
use crate::store::{StoreError, StoreReader, TimeRange};
use crate::table::quoted;

/// Whether to learn.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct LearnBody {
    on: bool,
}

/// A range of time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ForgetBody {
    /// Start of the range.
    from: BodyTime,
    /// End of the range.
    to: BodyTime,
}

/// The state of the program.
pub(super) async fn status(state: &AppState, _: Request) -> Result<Response, ProblemDetails> {
    carry_out(state, ControlCommand::Status, StatusCode::OK).await
}

/// Learning on or off.
pub(super) async fn learn(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let LearnBody { on } = request.object(r#"{"on": true}"#)?;
    carry_out(state, ControlCommand::Learn { on }, StatusCode::OK).await
}

/// The current anomalies as normal.
pub(super) async fn accept(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    refuse_arguments(&request)?;
    carry_out(state, ControlCommand::Accept, StatusCode::OK).await
}

/// Maintenance to start.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct MaintenanceBody {
    /// Duration of the maintenance, such as 2h; 1m to 7d.
    #[serde(rename = "for")]
    #[schemars(with = "String")]
    duration: HumanDuration,
    /// Name of the maintenance, by default maintenance.
    name: Option<String>,
}

/// The maintenance windows.
pub(super) async fn maintenance(state: &AppState, _: Request) -> Result<Response, ProblemDetails> {
    carry_out(state, ControlCommand::Maintenance, StatusCode::OK).await
}

/// Maintenance from now on.
pub(super) async fn start_maintenance(
    state: &AppState,
    request: Request,
) -> Result<Response, ProblemDetails> {
    let MaintenanceBody { duration, name } = request.object(r#"{"for": "2h", "name": "kernel"}"#)?;
    let name = name.unwrap_or_else(|| maintenance::DEFAULT_NAME.to_owned());
    let error = maintenance::duration_error(duration).or_else(|| maintenance::name_error(&name));
    error.map_or(Ok(()), |it| Err(bad_request(it)))?;
    carry_out(state, ControlCommand::StartMaintenance { name, duration }, StatusCode::OK).await
}

/// The end of the maintenance that was started.
pub(super) async fn stop_maintenance(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    refuse_arguments(&request)?;
    carry_out(state, ControlCommand::StopMaintenance, StatusCode::OK).await
}

/// The episode of the path, rejected.
pub(super) async fn reject(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    set_verdict(state, &request, OperatorVerdict::Rejected).await
}

/// The episode of the path, confirmed.
pub(super) async fn confirm(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    set_verdict(state, &request, OperatorVerdict::Confirmed).await
}

async fn set_verdict(
    state: &AppState,
    request: &Request,
    verdict: OperatorVerdict,
) -> Result<Response, ProblemDetails> {
    refuse_arguments(request)?;
    carry_out(state, verdict_command(request, verdict)?, StatusCode::OK).await
}

/// The command for a verdict on the episode of the path.
pub(in crate::http) fn verdict_command(
    request: &Request,
    verdict: OperatorVerdict,
) -> Result<ControlCommand, ProblemDetails> {
    let id = request.path_arguments.first().map(String::as_str).unwrap_or_default();
    let EpisodeId { subject, second } = id.parse().map_err(bad_request)?;
    Ok(ControlCommand::SetVerdict { subject, second, verdict })
}

/// What was learned between two instants.
pub(super) async fn forget(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let ForgetBody { from, to } = request.object(r#"{"from": 1790000000, "to": 1790000600}"#)?;
    let now = (state.now)();
    let (from, to) = (from.at(now), to.at(now));
    if from > to {
        return Err(bad_request(format!("from {} is after to {}; swap them", from.0, to.0)));
    }
    if from > now {
        let from = episode_text::second(from);
        return Err(bad_request(format!("from {from} is in the future; nothing was learned there")));
    }
    let range = TimeRange { from, to };
    // Without a store, the command is refused.
    if matches!(read_store(state, move |reader| may_know(reader, range)).await, Ok(false)) {
        let [from, to] = [from, to].map(episode_text::second);
        let detail = format!("no point is stored from {from} to {to}; there is nothing to forget");
        return Err(ProblemDetails::new(StatusCode::CONFLICT, detail));
    }
    carry_out(state, ControlCommand::Forget { from, to }, StatusCode::OK).await
}

/// Whether points of this range may have been learned: some are stored, or the range is too recent to know it.
fn may_know(reader: &StoreReader, range: TimeRange) -> Result<bool, StoreError> {
    let after = TimeRange { from: range.to, to: TimeRange::ALL.to };
    Ok(reader.has_points(range)? || !reader.has_points(after)?)
}

/// Which model to train.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http) struct TrainBody {
    /// Kind whose model is trained; by default, the kind of `subject`, or else host.
    kind: Option<String>,
    /// Name of a known subject. Subjects of one kind share a model, so the model of the kind of this subject is trained.
    subject: Option<String>,
    /// Name of a signal. hostnorm refuses an unknown name. A known name has no effect, because one model uses all signals.
    metric: Option<String>,
    /// Train on the points of this number of last hours; by default, on all points.
    hours: Option<f64>,
}

/// Starts a training; its job goes on after the response.
pub(super) async fn train(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let body = match request.body.is_empty() {
        true => TrainBody::default(),
        false => request.object(r#"{"kind": "host", "hours": 24}"#)?,
    };
    let kind = match (body.kind.as_deref(), body.subject.as_deref()) {
        (kind, Some(name)) => named_subject(state, kind, Some(name)).await?.kind(),
        (Some(kind), None) => kind_named(kind)?,
        (None, None) => SubjectKind::Host,
    };
    body.metric.as_deref().map(signal_aliases::signal).transpose()?;
    if body.hours.is_some_and(|it| !(it.is_finite() && it > 0.0)) {
        return Err(bad_request("hours must be a number above 0"));
    }
    carry_out(state, ControlCommand::Train { kind, hours: body.hours }, StatusCode::ACCEPTED).await
}

/// The state of a job.
pub(super) async fn job(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let text = request.path_arguments.first().map(String::as_str).unwrap_or_default();
    let id = text
        .parse()
        .map_err(|_| bad_request(format!("{} is not a job number; expected such as 12", quoted(text))))?;
    carry_out(state, ControlCommand::Job { id }, StatusCode::OK).await
}

/// Reads the settings again.
pub(super) async fn reload(state: &AppState, _: Request) -> Result<Response, ProblemDetails> {
    let Some(requests) = &state.reload else {
        let detail = "reloading over HTTP is disabled; set web.enable_lifecycle, or send SIGHUP";
        return Err(ProblemDetails::new(StatusCode::FORBIDDEN, detail));
    };
    let unavailable = || {
        let detail = "hostnorm is stopping or another reload has not ended; try again";
        ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    };
    let (reply, outcome) = oneshot::channel();
    requests.try_send(reply).map_err(|_| unavailable())?;
    match outcome.await.map_err(|_| unavailable())? {
        Ok(()) => Ok(plain(StatusCode::OK, "settings reloaded\n")),
        Err(reason) => Err(ProblemDetails::new(StatusCode::UNPROCESSABLE_ENTITY, reason)),
    }
}

/// The model of the path.
pub(super) async fn promote(state: &AppState, mut request: Request) -> Result<Response, ProblemDetails> {
    refuse_arguments(&request)?;
    let model = request.path_arguments.pop().unwrap_or_default();
    carry_out(state, ControlCommand::Promote { model }, StatusCode::OK).await
}

/// The model before.
pub(super) async fn rollback(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    refuse_arguments(&request)?;
    carry_out(state, ControlCommand::Rollback, StatusCode::OK).await
}

/// The body of a command without arguments.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoArguments {}

/// Refuses a body other than none or `{}`: its client expects it to have an effect.
fn refuse_arguments(request: &Request) -> Result<(), ProblemDetails> {
    match request.body.trim_ascii() {
        [] => Ok(()),
        _ => request.object::<NoArguments>("{}, or no body").map(|NoArguments {}| ()),
    }
}

async fn carry_out(
    state: &AppState,
    command: ControlCommand,
    done: StatusCode,
) -> Result<Response, ProblemDetails> {
    tracing::debug!(?command, "command received");
    match state.control.send(command).await {
        Ok(reply) => json(done, &reply),
        Err(refusal) => Err(problem(refusal)),
    }
}

/// The error for a command that was refused.
pub(in crate::http) fn problem(refusal: CommandRefusal) -> ProblemDetails {
    let (status, detail) = match refusal {
        CommandRefusal::NotFound(reason) => (StatusCode::NOT_FOUND, reason),
        CommandRefusal::Conflict(reason) => (StatusCode::CONFLICT, reason),
        CommandRefusal::Unavailable(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    };
    ProblemDetails::new(status, detail)
}
