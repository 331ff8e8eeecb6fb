//! The commands: each becomes a [`ControlCommand`] to the sampling loop.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::control::{CommandRefusal, ControlCommand};
use crate::http::message::{ProblemDetails, Request, Response, json};
use crate::http::routes::AppState;
use crate::reading::Timestamp;

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
    /// Its start, in Unix seconds.
    #[schemars(with = "f64")]
    from: Timestamp,
    /// Its end, in Unix seconds.
    #[schemars(with = "f64")]
    to: Timestamp,
}

/// The state of the program.
pub(super) async fn status(state: &AppState, _: Request) -> Result<Response, ProblemDetails> {
    carry_out(state, ControlCommand::Status, StatusCode::OK).await
}

/// Learning on or off.
pub(super) async fn learn(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let LearnBody { on } = request.json(r#"{"on": true}"#)?;
    carry_out(state, ControlCommand::Learn { on }, StatusCode::OK).await
}

/// The current anomalies as normal.
pub(super) async fn accept(state: &AppState, _: Request) -> Result<Response, ProblemDetails> {
    carry_out(state, ControlCommand::Accept, StatusCode::OK).await
}

/// What was learned between two instants, in seconds since the epoch.
pub(super) async fn forget(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let ForgetBody { from, to } = request.json(r#"{"from": 1790000000, "to": 1790000600}"#)?;
    if from > to {
        let detail = format!("from {} is after to {}; swap them", from.0, to.0);
        return Err(ProblemDetails::new(StatusCode::BAD_REQUEST, detail));
    }
    carry_out(state, ControlCommand::Forget { from, to }, StatusCode::OK).await
}

/// A new model, which is trained after the response.
pub(super) async fn train(state: &AppState, _: Request) -> Result<Response, ProblemDetails> {
    carry_out(state, ControlCommand::Train, StatusCode::ACCEPTED).await
}

/// The model of the path.
pub(super) async fn promote(state: &AppState, mut request: Request) -> Result<Response, ProblemDetails> {
    let model = request.path_arguments.pop().unwrap_or_default();
    carry_out(state, ControlCommand::Promote { model }, StatusCode::OK).await
}

/// The model before.
pub(super) async fn rollback(state: &AppState, _: Request) -> Result<Response, ProblemDetails> {
    carry_out(state, ControlCommand::Rollback, StatusCode::OK).await
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
pub(super) fn problem(refusal: CommandRefusal) -> ProblemDetails {
    let (status, detail) = match refusal {
        CommandRefusal::NotFound(reason) => (StatusCode::NOT_FOUND, reason),
        CommandRefusal::Conflict(reason) => (StatusCode::CONFLICT, reason),
        CommandRefusal::Unavailable(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    };
    ProblemDetails::new(status, detail)
}
