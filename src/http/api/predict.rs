//! `GET /api/v1/predict`: the forecast of a signal.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::control_commands::problem;
use super::signal_aliases;
use super::subject_parameter::live_subject;
use crate::control_command::{ControlCommand, ControlReply, ForecastReply};
use crate::forecast::{FORECAST_POINTS_MAX, FORECAST_SECONDS_MAX};
use crate::http::app_state::AppState;
use crate::http::message::{ProblemDetails, Request, Response, json};
use crate::http::query_arguments::bad_request;

/// Time to look ahead where it is left out, in seconds.
const HORIZON: f64 = 3_600.0;
/// Default time between two values, in seconds.
const STEP: f64 = 60.0;

/// The forecast of one signal of a subject.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Prediction {
    kind: &'static str,
    subject: String,
    #[serde(flatten)]
    forecast: ForecastReply,
}

pub(super) async fn predict(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let query = &request.query;
    let subject = live_subject(state, query)?;
    let signal = signal_aliases::signal(query.required("metric")?)?;
    let horizon_seconds = query.seconds("horizon")?.unwrap_or(HORIZON);
    let step_seconds = query.seconds("step")?.unwrap_or(STEP.min(horizon_seconds));
    if horizon_seconds > FORECAST_SECONDS_MAX {
        return Err(bad_request("the parameter horizon is too long; the maximum is 7d"));
    }
    if step_seconds > horizon_seconds {
        return Err(bad_request(
            "step is longer than horizon, so there is no value; shorten step, or raise horizon",
        ));
    }
    if horizon_seconds / step_seconds > FORECAST_POINTS_MAX as f64 {
        return Err(bad_request(format!(
            "too many values: the maximum is {FORECAST_POINTS_MAX}; shorten horizon, or raise step"
        )));
    }
    let command = ControlCommand::Predict {
        subject: subject.clone(),
        signal: signal.name.to_owned(),
        horizon_seconds,
        step_seconds,
    };
    let ControlReply { data, .. } = state.control.send(command).await.map_err(problem)?;
    let forecast = serde_json::from_value(data).map_err(|error| {
        let detail = format!("the forecast cannot be read: {error}; this is a bug in hostnorm");
        ProblemDetails::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    })?;
    let (kind, subject) = (subject.kind().name(), subject.name().to_owned());
    json(StatusCode::OK, &Prediction { kind, subject, forecast })
}
