//! `GET /api/v1/models` and `GET /api/v1/models/{id}`.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::store_access::read_store;
use crate::http::app_state::AppState;
use crate::http::message::{ProblemDetails, Request, Response, json};
use crate::store::ModelRow;
use crate::table::quoted;

/// Stored models.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct ModelList {
    /// The models, the oldest first.
    models: Vec<StoredModel>,
}

/// A stored model.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct StoredModel {
    /// Identifier of the model.
    id: String,
    /// Kind of the subjects that share the model.
    kind: String,
    /// Unix time of the training, in seconds.
    created: f64,
    /// current, shadow, retired or refused.
    state: String,
    /// Evaluation of the model: size, data, and figures on held-out points with injected faults.
    evaluation: serde_json::Value,
}

impl From<ModelRow> for StoredModel {
    fn from(row: ModelRow) -> Self {
        Self {
            evaluation: serde_json::from_str(&row.evaluation).unwrap_or_default(),
            id: row.id,
            kind: row.kind,
            created: row.created.0,
            state: row.state,
        }
    }
}

pub(super) async fn list(state: &AppState, _: Request) -> Result<Response, ProblemDetails> {
    let rows = read_store(state, |reader| reader.models_without_content()).await?;
    json(StatusCode::OK, &ModelList { models: rows.into_iter().map(StoredModel::from).collect() })
}

pub(super) async fn one(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let id = request.path_arguments.first().cloned().unwrap_or_default();
    let wanted = id.clone();
    let Some(row) = read_store(state, move |reader| reader.model(&wanted)).await? else {
        let detail = format!("no model {} in the store; /api/v1/models lists all", quoted(&id));
        return Err(ProblemDetails::new(StatusCode::NOT_FOUND, detail));
    };
    json(StatusCode::OK, &StoredModel::from(row))
}
