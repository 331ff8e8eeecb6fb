//! The HTTP API below `/api/v1`: a file for each resource. [`openapi`] documents it from the same table.

use super::message::{KnownTags, ProblemDetails, Response, tagged_response};
use super::operation::{ApiParameterType, Operation, Parameter, reply_of, schema_of};
use super::route::{Route, RouteAccess};
use crate::control::{CommandReply, JobStatus, MaintenanceState, ProgramStatus, StartedJob};
use crate::explanation::Explanation;

mod baseline;
mod body_time;
mod control_commands;
mod detect;
mod episodes;
mod explain;
mod local_request;
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
mod time_grid;

pub(super) use control_commands::{problem, verdict_command};
pub(super) use episodes::{episode_facts, unknown_episode};
pub(super) use local_request::get;
pub use openapi::openapi;
pub use signal_aliases::spellings;
pub(super) use store_access::read_store;
#[cfg(test)]
pub(super) use subject_parameter::candidates;
pub(super) use subject_parameter::subject;

pub(super) const SUBJECT: Parameter =
    Parameter::query("subject", ApiParameterType::Text, "Name of a known subject; host if it is left out");
pub(super) const KIND: Parameter = Parameter::query(
    "kind",
    ApiParameterType::Text,
    "Kind of the subject: host, container, log, pod or service; needed if subjects of several kinds have its name",
);
const METRIC: Parameter = Parameter::query(
    "metric",
    ApiParameterType::Text,
    "Name of a signal, or the name that another system uses for it, such as cpu.total_usage",
);
const FROM: Parameter = Parameter::query(
    "from",
    ApiParameterType::Instant,
    "Start of the range; one hour before its end if it is left out",
);
const TO: Parameter =
    Parameter::query("to", ApiParameterType::Instant, "End of the range; now if it is left out");
const STEP: Parameter = Parameter::query(
    "step",
    ApiParameterType::Duration,
    "Distance of the values; chosen by the range if it is left out",
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
    api!(GET "/api/v1/status", Public, control_commands::status, Operation {
        id: "status",
        summary: "State of the program: version, uptime, readiness, jobs, subjects",
        response: ("application/json", Some(reply_of::<ProgramStatus>)),
        errors: &[503],
        ..Operation::EMPTY
    }),
    api!(GET "/api/v1/detect", Public, detect::detect, Operation {
        id: "detect",
        summary: "Current assessment of a subject: score, each detector, and the value of a signal or of all",
        parameters: &[METRIC, SUBJECT, KIND],
        response: ("application/json", Some(schema_of::<detect::Detection>)),
        errors: &[404, 503],
        ..Operation::EMPTY
    }),
    api!(GET "/api/v1/baseline", Public, baseline::baseline, Operation {
        id: "baseline",
        summary: "Baseline of a signal or of all: mean, standard deviation, extremes, percentiles and thresholds",
        parameters: &[METRIC, SUBJECT, KIND],
        response: ("application/json", Some(schema_of::<baseline::Baselines>)),
        errors: &[404, 503],
        ..Operation::EMPTY
    }),
    api!(GET "/api/v1/predict", Public, predict::predict, Operation {
        id: "predict",
        summary: "Forecast of a signal: expected values with their 90 % interval, and the time until it is full",
        parameters: &[
            METRIC.required(),
            Parameter::query("horizon", ApiParameterType::Duration, "Time to look ahead, 1h if it is left out, at most 7d"),
            Parameter::query("step", ApiParameterType::Duration, "Distance of the values, 1m if it is left out"),
            SUBJECT,
            KIND,
        ],
        response: ("application/json", Some(schema_of::<predict::Prediction>)),
        errors: &[404, 503],
        ..Operation::EMPTY
    }),
    api!(GET "/api/v1/signals", Public, signals::signals, Operation {
        id: "signals",
        summary: "The signals of each subject with their values and normal ranges",
        parameters: &[SUBJECT, KIND],
        response: ("application/json", Some(schema_of::<signals::SignalList>)),
        errors: &[404, 503],
        ..Operation::EMPTY
    }),
    api!(GET "/api/v1/scores", Public, scores::scores, Operation {
        id: "scores",
        summary: "Stored scores: the highest of each step",
        parameters: &[FROM, TO, STEP, SUBJECT, KIND],
        response: ("application/json", Some(schema_of::<scores::ScoreHistory>)),
        errors: &[404, 409, 503],
        ..Operation::EMPTY
    }),
    api!(GET "/api/v1/readings", Public, signal_history::readings, Operation {
        id: "readings",
        summary: "Stored values of a signal: mean, smallest and largest of each step",
        parameters: &[METRIC.required(), FROM, TO, STEP, SUBJECT, KIND],
        response: ("application/json", Some(schema_of::<signal_history::SignalHistory>)),
        errors: &[404, 409, 503],
        ..Operation::EMPTY
    }),
    api!(GET "/api/v1/episodes", Public, episodes::list, Operation {
        id: "listEpisodes",
        summary: "Stored episodes that overlap a range, the newest first",
        parameters: &[FROM, TO, SUBJECT, KIND],
        response: ("application/json", Some(schema_of::<episodes::EpisodeList>)),
        errors: &[404, 409, 503],
        ..Operation::EMPTY
    }),
    api!(GET "/api/v1/episodes/{id}", Public, episodes::one, Operation {
        id: "getEpisode",
        summary: "An episode, explained",
        parameters: &[Parameter::path("id", "Identifier of the episode, such as 2026-11-28T19:04:05Z")],
        response: ("application/json", Some(schema_of::<episodes::EpisodeDetails>)),
        errors: &[404, 409, 503],
        ..Operation::EMPTY
    }),
    api!(GET "/api/v1/explain", Public, explain::explain, Operation {
        id: "explain",
        summary: "Unusual behavior around an instant, or the statement that there was none",
        parameters: &[
            Parameter::query("at", ApiParameterType::Instant, "Middle of the range; now if it is left out"),
            Parameter::query("window", ApiParameterType::Duration, "Time before and after that instant, 10m if it is left out, at most 1d"),
            SUBJECT,
            KIND,
        ],
        response: ("application/json", Some(schema_of::<Explanation>)),
        errors: &[404, 503],
        ..Operation::EMPTY
    }),
    api!(POST "/api/v1/models/rollback", Admin, control_commands::rollback, Operation {
        id: "rollback",
        summary: "Return to the previous model",
        response: ("application/json", Some(schema_of::<CommandReply>)),
        errors: COMMAND_ERRORS,
        ..Operation::EMPTY
    }),
    api!(GET "/api/v1/models", Public, models::list, Operation {
        id: "listModels",
        summary: "Stored models, the oldest first",
        response: ("application/json", Some(schema_of::<models::ModelList>)),
        errors: &[409, 503],
        ..Operation::EMPTY
    }),
    api!(GET "/api/v1/models/{id}", Public, models::one, Operation {
        id: "getModel",
        summary: "A stored model with its evaluation",
        parameters: &[Parameter::path("id", "Identifier of the model, such as 20261128T190405Z")],
        response: ("application/json", Some(schema_of::<models::StoredModel>)),
        errors: &[404, 409, 503],
        ..Operation::EMPTY
    }),
    api!(GET "/api/v1/openapi.json", Public, openapi::document, Operation {
        id: "openapi",
        summary: "OpenAPI document of this API",
        ..Operation::EMPTY
    }),
    api!(POST "/api/v1/learn", Admin, control_commands::learn, Operation {
        id: "learn",
        summary: "Resume or pause learning",
        body: Some(schema_of::<control_commands::LearnBody>),
        response: ("application/json", Some(schema_of::<CommandReply>)),
        errors: COMMAND_ERRORS,
        ..Operation::EMPTY
    }),
    api!(POST "/api/v1/accept", Admin, control_commands::accept, Operation {
        id: "accept",
        summary: "Accept the current anomalies as normal",
        response: ("application/json", Some(schema_of::<CommandReply>)),
        errors: COMMAND_ERRORS,
        ..Operation::EMPTY
    }),
    api!(GET "/api/v1/maintenance", Public, control_commands::maintenance, Operation {
        id: "maintenance",
        summary: "The maintenance windows, and which of them are active",
        response: ("application/json", Some(reply_of::<Vec<MaintenanceState>>)),
        errors: &[503],
        ..Operation::EMPTY
    }),
    api!(POST "/api/v1/maintenance/start", Admin, control_commands::start_maintenance, Operation {
        id: "startMaintenance",
        summary: "Start maintenance: nothing is learned, and only a score of 2 starts an episode",
        body: Some(schema_of::<control_commands::MaintenanceBody>),
        response: ("application/json", Some(schema_of::<CommandReply>)),
        errors: COMMAND_ERRORS,
        ..Operation::EMPTY
    }),
    api!(POST "/api/v1/maintenance/stop", Admin, control_commands::stop_maintenance, Operation {
        id: "stopMaintenance",
        summary: "End the maintenance that was started",
        response: ("application/json", Some(schema_of::<CommandReply>)),
        errors: COMMAND_ERRORS,
        ..Operation::EMPTY
    }),
    api!(POST "/api/v1/episodes/{id}/reject", Admin, control_commands::reject, Operation {
        id: "reject",
        summary: "Reject an episode: scores like it are discounted for 30 days",
        parameters: &[Parameter::path("id", "Identifier of the episode, such as 2026-11-28T19:04:05Z")],
        response: ("application/json", Some(schema_of::<CommandReply>)),
        errors: COMMAND_ERRORS,
        ..Operation::EMPTY
    }),
    api!(POST "/api/v1/episodes/{id}/confirm", Admin, control_commands::confirm, Operation {
        id: "confirm",
        summary: "Confirm an episode: scores like it are never discounted",
        parameters: &[Parameter::path("id", "Identifier of the episode, such as 2026-11-28T19:04:05Z")],
        response: ("application/json", Some(schema_of::<CommandReply>)),
        errors: COMMAND_ERRORS,
        ..Operation::EMPTY
    }),
    api!(POST "/api/v1/forget", Admin, control_commands::forget, Operation {
        id: "forget",
        summary: "Forget the points that were learned in a range",
        body: Some(schema_of::<control_commands::ForgetBody>),
        response: ("application/json", Some(schema_of::<CommandReply>)),
        errors: COMMAND_ERRORS,
        ..Operation::EMPTY
    }),
    api!(GET "/api/v1/jobs/{id}", Public, control_commands::job, Operation {
        id: "getJob",
        summary: "State of a job",
        parameters: &[Parameter::path("id", "Number of the job, as the reply to a training has it")],
        response: ("application/json", Some(reply_of::<JobStatus>)),
        errors: &[404, 503],
        ..Operation::EMPTY
    }),
    api!(POST "/-/reload", Admin, control_commands::reload, Operation {
        id: "reload",
        summary: "Read the settings again",
        response: ("text/plain", None),
        errors: &[403, 413, 422, 503],
        ..Operation::EMPTY
    }),
    api!(POST "/api/v1/train", Admin, control_commands::train, Operation {
        id: "train",
        summary: "Train a new model: the reply has the number of its job",
        body: Some(schema_of::<control_commands::TrainBody>),
        body_is_optional: true,
        success: 202,
        response: ("application/json", Some(reply_of::<StartedJob>)),
        errors: COMMAND_ERRORS,
        ..Operation::EMPTY
    }),
    api!(POST "/api/v1/models/{id}/promote", Admin, control_commands::promote, Operation {
        id: "promote",
        summary: "Make a model the current one",
        parameters: &[Parameter::path("id", "Identifier of the model, such as 20261128T190405Z")],
        response: ("application/json", Some(schema_of::<CommandReply>)),
        errors: COMMAND_ERRORS,
        ..Operation::EMPTY
    }),
];

const COMMAND_ERRORS: &[u16] = &[403, 404, 409, 413, 503];
