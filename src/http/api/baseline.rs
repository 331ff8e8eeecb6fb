//! `GET /api/v1/baseline`: the learned statistics of each signal.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::control_commands::problem;
use super::signal_aliases;
use super::subject_parameter::live_subject;
use crate::control_command::{ControlCommand, ControlReply, SignalBaseline};
use crate::http::app_state::AppState;
use crate::http::message::{ProblemDetails, Request, Response, json};

/// Standard deviations from the mean to a threshold.
const THRESHOLD_DEVIATIONS: f64 = 3.0;

/// The baselines of one subject.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct SubjectBaselines {
    kind: &'static str,
    subject: String,
    /// The signals: the requested one, or all.
    baselines: Vec<Baseline>,
}

/// The baseline of one signal.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Baseline {
    #[serde(flatten)]
    statistics: SignalBaseline,
    thresholds: NormalRange,
}

/// The mean minus and plus three standard deviations.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct NormalRange {
    lower: f64,
    upper: f64,
}

pub(super) async fn baseline(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let subject = live_subject(state, &request.query)?;
    let wanted = request.query.get("metric").map(signal_aliases::signal).transpose()?;
    let command = ControlCommand::Baselines { subject: subject.clone() };
    let ControlReply { data, .. } = state.control.send(command).await.map_err(problem)?;
    let known: Vec<SignalBaseline> = serde_json::from_value(data).unwrap_or_default();
    let chosen = known.into_iter().filter(|it| wanted.is_none_or(|wanted| it.metric == wanted.name));
    let baselines: Vec<Baseline> = chosen
        .map(|it| {
            let reach = THRESHOLD_DEVIATIONS * it.stddev;
            Baseline {
                thresholds: NormalRange { lower: it.mean - reach, upper: it.mean + reach },
                statistics: it,
            }
        })
        .collect();
    if baselines.is_empty() {
        let detail = "no baseline yet: no point of this signal is learned; try again after one window";
        return Err(ProblemDetails::new(StatusCode::NOT_FOUND, detail));
    }
    json(
        StatusCode::OK,
        &SubjectBaselines { kind: subject.kind().name(), subject: subject.name().to_owned(), baselines },
    )
}
