//! The HTTP API below `/api/v1`: a file for each resource. [`openapi`] documents it from the same table.

use super::api_operation::{ApiOperation, ApiParameter, ApiParameterType, reply_of, schema_of};
use super::message::{KnownTags, ProblemDetails, Response, tagged_response};
use super::route::{Route, RouteAccess};
use crate::control_command::{ControlReply, JobStatus, MaintenanceState, ProgramStatus, StartedJob};
use crate::explanation::Explanation;

mod baseline;
mod body_time;
mod control_commands;
mod detect;
mod episodes;
mod explain;
mod in_process_request;
mod models;
mod newest_report;
mod openapi;
mod predict;
mod scores;
mod signal_history;
mod signals;
mod signal_aliases;
mod store_access;
mod subject_parameter;
mod query_steps;

pub(super) use control_commands::{problem, verdict_command};
pub(super) use episodes::{episode_facts, unknown_episode};
pub(super) use in_process_request::get;
pub use openapi::openapi;
pub use signal_aliases::spellings;
pub(super) use store_access::read_store;
#[cfg(test)]
pub(super) use subject_parameter::candidates;
pub(super) use subject_parameter::subject;

pub(super) const SUBJECT: ApiParameter =
    ApiParameter::query("subject", ApiParameterType::Text, "Name of a known subject, by default host");
pub(super) const KIND: ApiParameter = ApiParameter::query(
    "kind",
    ApiParameterType::Text,
    "Kind of the subject: host, container, log, pod or service. Required only if subjects of several kinds have this name",
);
const METRIC: ApiParameter = ApiParameter::query(
    "metric",
    ApiParameterType::Text,
    "Name of a signal, or the name that another system uses for it, such as cpu.total_usage",
);
const FROM: ApiParameter = ApiParameter::query(
    "from",
    ApiParameterType::Instant,
    "Start of the range, by default one hour before its end",
);
const TO: ApiParameter =
    ApiParameter::query("to", ApiParameterType::Instant, "End of the range, by default now");
const STEP: ApiParameter = ApiParameter::query(
    "step",
    ApiParameterType::Duration,
    "Time between two values; by default, hostnorm chooses it for the range",
);

macro_rules! api {
    ($method:ident $pattern:literal, $access:ident, $handler:path, $operation:expr) => {
        Route {
            method: hyper::Method::$method,
            pattern: $pattern,
            access: RouteAccess::$access,
            operation: Some(&const { $operation }),
            handler: |state, request| {
                let known = KnownTags::of(&hyper::Method::$method, &request.headers);
                Box::pin(tagged_answer(known, $handler(state, request)))
            },
        }
    };
}

/// The response of a route: to GET with an entity tag, whatever the route, and without a body for a client that has it.
async fn tagged_answer(
    known: Option<KnownTags>,
    response: impl Future<Output = Result<Response, ProblemDetails>>,
) -> Result<Response, ProblemDetails> {
    let response = response.await?;
    Ok(match known {
        Some(known) => tagged_response(&known, response).await,
        None => response,
    })
}

/// The routes of the API.
pub(super) static ROUTES: &[Route] = &[
    api!(GET "/api/v1/status", Public, control_commands::status, ApiOperation {
        id: "status",
        summary: "State of the program: version, uptime, readiness, jobs, subjects",
        response: ("application/json", Some(reply_of::<ProgramStatus>)),
        errors: &[503],
        ..ApiOperation::EMPTY
    }),
    api!(GET "/api/v1/detect", Public, detect::detect, ApiOperation {
        id: "detect",
        summary: "Current assessment of a subject: score, each detector, and all signals, or one signal and whether it deviates",
        parameters: &[METRIC, SUBJECT, KIND],
        response: ("application/json", Some(schema_of::<detect::Detection>)),
        errors: &[404, 503],
        ..ApiOperation::EMPTY
    }),
    api!(GET "/api/v1/baseline", Public, baseline::baseline, ApiOperation {
        id: "baseline",
        summary: "Baseline of a signal or of all: mean, standard deviation, extremes, percentiles and thresholds",
        parameters: &[METRIC, SUBJECT, KIND],
        response: ("application/json", Some(schema_of::<baseline::SubjectBaselines>)),
        errors: &[404, 503],
        ..ApiOperation::EMPTY
    }),
    api!(GET "/api/v1/predict", Public, predict::predict, ApiOperation {
        id: "predict",
        summary: "Forecast of a signal: expected values with their 90 % interval, and the time until it is full",
        parameters: &[
            METRIC.required(),
            ApiParameter::query("horizon", ApiParameterType::Duration, "Time to look ahead, by default 1h, at most 7d"),
            ApiParameter::query("step", ApiParameterType::Duration, "Time between two values, by default 1m"),
            SUBJECT,
            KIND,
        ],
        response: ("application/json", Some(schema_of::<predict::Prediction>)),
        errors: &[404, 503],
        ..ApiOperation::EMPTY
    }),
    api!(GET "/api/v1/signals", Public, signals::signals, ApiOperation {
        id: "signals",
        summary: "The signals of each subject with their values and normal ranges",
        parameters: &[SUBJECT, KIND],
        response: ("application/json", Some(schema_of::<signals::SignalList>)),
        errors: &[404, 503],
        ..ApiOperation::EMPTY
    }),
    api!(GET "/api/v1/scores", Public, scores::scores, ApiOperation {
        id: "scores",
        summary: "Stored scores: the highest of each step",
        parameters: &[FROM, TO, STEP, SUBJECT, KIND],
        response: ("application/json", Some(schema_of::<scores::ScoreHistory>)),
        errors: &[404, 409, 503],
        ..ApiOperation::EMPTY
    }),
    api!(GET "/api/v1/readings", Public, signal_history::readings, ApiOperation {
        id: "readings",
        summary: "Stored values of a signal: mean, smallest and largest of each step",
        parameters: &[METRIC.required(), FROM, TO, STEP, SUBJECT, KIND],
        response: ("application/json", Some(schema_of::<signal_history::SignalHistory>)),
        errors: &[404, 409, 503],
        ..ApiOperation::EMPTY
    }),
    api!(GET "/api/v1/episodes", Public, episodes::list, ApiOperation {
        id: "listEpisodes",
        summary: "Stored episodes that overlap a range, the newest first",
        parameters: &[FROM, TO, SUBJECT, KIND],
        response: ("application/json", Some(schema_of::<episodes::EpisodeList>)),
        errors: &[404, 409, 503],
        ..ApiOperation::EMPTY
    }),
    api!(GET "/api/v1/episodes/{id}", Public, episodes::one, ApiOperation {
        id: "getEpisode",
        summary: "An episode, explained",
        parameters: &[ApiParameter::path("id", "Identifier of the episode, such as 2026-11-28T19:04:05Z")],
        response: ("application/json", Some(schema_of::<episodes::EpisodeDetails>)),
        errors: &[404, 409, 503],
        ..ApiOperation::EMPTY
    }),
    api!(GET "/api/v1/explain", Public, explain::explain, ApiOperation {
        id: "explain",
        summary: "Unusual behavior around an instant or in a range, or the statement that there was none",
        parameters: &[
            ApiParameter::query("at", ApiParameterType::Instant, "Middle of the range, by default now"),
            ApiParameter::query("window", ApiParameterType::Duration, "Time before and after the middle, by default 10m, at most 1d"),
            ApiParameter::query("from", ApiParameterType::Instant, "Start of the range, instead of at and window; by default one hour before its end, at most 2d before it"),
            ApiParameter::query("to", ApiParameterType::Instant, "End of the range, instead of at and window; by default now"),
            SUBJECT,
            KIND,
        ],
        response: ("application/json", Some(schema_of::<Explanation>)),
        errors: &[404, 503],
        ..ApiOperation::EMPTY
    }),
    api!(POST "/api/v1/models/rollback", Admin, control_commands::rollback, ApiOperation {
        id: "rollback",
        summary: "Return to the previous model",
        response: ("application/json", Some(schema_of::<ControlReply>)),
        errors: COMMAND_ERRORS,
        ..ApiOperation::EMPTY
    }),
    api!(GET "/api/v1/models", Public, models::list, ApiOperation {
        id: "listModels",
        summary: "Stored models, the oldest first",
        response: ("application/json", Some(schema_of::<models::ModelList>)),
        errors: &[409, 503],
        ..ApiOperation::EMPTY
    }),
    api!(GET "/api/v1/models/{id}", Public, models::one, ApiOperation {
        id: "getModel",
        summary: "A stored model with its evaluation",
        parameters: &[ApiParameter::path("id", "Identifier of the model, such as 20261128T190405Z")],
        response: ("application/json", Some(schema_of::<models::StoredModel>)),
        errors: &[404, 409, 503],
        ..ApiOperation::EMPTY
    }),
    api!(GET "/api/v1/openapi.json", Public, openapi::document, ApiOperation {
        id: "openapi",
        summary: "OpenAPI document of this API",
        ..ApiOperation::EMPTY
    }),
    api!(POST "/api/v1/learn", Admin, control_commands::learn, ApiOperation {
        id: "learn",
        summary: "Resume or pause learning",
        body: Some(schema_of::<control_commands::LearnBody>),
        response: ("application/json", Some(schema_of::<ControlReply>)),
        errors: COMMAND_ERRORS,
        ..ApiOperation::EMPTY
    }),
    api!(POST "/api/v1/accept", Admin, control_commands::accept, ApiOperation {
        id: "accept",
        summary: "Accept the current anomalies of all subjects as normal",
        response: ("application/json", Some(schema_of::<ControlReply>)),
        errors: COMMAND_ERRORS,
        ..ApiOperation::EMPTY
    }),
    api!(GET "/api/v1/maintenance", Public, control_commands::maintenance, ApiOperation {
        id: "maintenance",
        summary: "The maintenance windows, and which of them are active",
        response: ("application/json", Some(reply_of::<Vec<MaintenanceState>>)),
        errors: &[503],
        ..ApiOperation::EMPTY
    }),
    api!(POST "/api/v1/maintenance/start", Admin, control_commands::start_maintenance, ApiOperation {
        id: "startMaintenance",
        summary: "Start maintenance: nothing is learned, and only a score of 2 starts an episode",
        body: Some(schema_of::<control_commands::MaintenanceBody>),
        response: ("application/json", Some(schema_of::<ControlReply>)),
        errors: COMMAND_ERRORS,
        ..ApiOperation::EMPTY
    }),
    api!(POST "/api/v1/maintenance/stop", Admin, control_commands::stop_maintenance, ApiOperation {
        id: "stopMaintenance",
        summary: "End the maintenance that was started",
        response: ("application/json", Some(schema_of::<ControlReply>)),
        errors: COMMAND_ERRORS,
        ..ApiOperation::EMPTY
    }),
    api!(POST "/api/v1/episodes/{id}/reject", Admin, control_commands::reject, ApiOperation {
        id: "reject",
        summary: "Reject an episode: scores like it are discounted for 30 days",
        parameters: &[ApiParameter::path("id", "Identifier of the episode, such as 2026-11-28T19:04:05Z")],
        response: ("application/json", Some(schema_of::<ControlReply>)),
        errors: COMMAND_ERRORS,
        ..ApiOperation::EMPTY
    }),
    api!(POST "/api/v1/episodes/{id}/confirm", Admin, control_commands::confirm, ApiOperation {
        id: "confirm",
        summary: "Confirm an episode: scores like it are never discounted",
        parameters: &[ApiParameter::path("id", "Identifier of the episode, such as 2026-11-28T19:04:05Z")],
        response: ("application/json", Some(schema_of::<ControlReply>)),
        errors: COMMAND_ERRORS,
        ..ApiOperation::EMPTY
    }),
    api!(POST "/api/v1/forget", Admin, control_commands::forget, ApiOperation {
        id: "forget",
        summary: "Forget the points that were learned in a range",
        body: Some(schema_of::<control_commands::ForgetBody>),
        response: ("application/json", Some(schema_of::<ControlReply>)),
        errors: COMMAND_ERRORS,
        ..ApiOperation::EMPTY
    }),
    api!(GET "/api/v1/jobs/{id}", Public, control_commands::job, ApiOperation {
        id: "getJob",
        summary: "State of a job",
        parameters: &[ApiParameter::path("id", "Number of the job, as the reply to a training has it")],
        response: ("application/json", Some(reply_of::<JobStatus>)),
        errors: &[404, 503],
        ..ApiOperation::EMPTY
    }),
    api!(POST "/-/reload", Admin, control_commands::reload, ApiOperation {
        id: "reload",
        summary: "Read the settings again",
        response: ("text/plain", None),
        setting: Some("web.enable_lifecycle"),
        errors: &[403, 422, 503],
        ..ApiOperation::EMPTY
    }),
    api!(POST "/api/v1/train", Admin, control_commands::train, ApiOperation {
        id: "train",
        summary: "Train a new model: the reply has the number of its job",
        body: Some(schema_of::<control_commands::TrainBody>),
        body_is_optional: true,
        success: 202,
        response: ("application/json", Some(reply_of::<StartedJob>)),
        errors: COMMAND_ERRORS,
        ..ApiOperation::EMPTY
    }),
    api!(POST "/api/v1/models/{id}/promote", Admin, control_commands::promote, ApiOperation {
        id: "promote",
        summary: "Make a model the current one",
        parameters: &[ApiParameter::path("id", "Identifier of the model, such as 20261128T190405Z")],
        response: ("application/json", Some(schema_of::<ControlReply>)),
        errors: COMMAND_ERRORS,
        ..ApiOperation::EMPTY
    }),
];

const COMMAND_ERRORS: &[u16] = &[403, 404, 409, 503];
