//! `GET /api/v1/scores`: stored scores.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::query_steps::QuerySteps;
use super::store_access::read_store;
use super::subject_parameter::subject;
use crate::http::app_state::AppState;
use crate::http::message::{ProblemDetails, Request, Response, json};
use crate::reading::Subject;
use crate::store::{StoreError, StoreReader};

/// Stored scores of one subject.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct ScoreHistory {
    kind: &'static str,
    subject: String,
    /// Seconds from one value to the next.
    step: f64,
    /// A value for each step with a point, the oldest first.
    scores: Vec<StepScore>,
}

/// The scores of one step.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(in crate::http) struct StepScore {
    /// Unix time of the point with the highest score, in seconds.
    timestamp: f64,
    /// Highest score; 1 is the unusual level.
    score: f64,
    /// Whether a point of the step is inside an episode.
    is_anomaly: bool,
    /// Share of the voting detectors that agree with the majority at this point, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
}

pub(super) async fn scores(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let subject = subject(state, &request.query).await?;
    let grid = QuerySteps::of(&request.query, (state.now)())?;
    let of = subject.clone();
    let scores = read_store(state, move |reader| read(reader, &of, grid)).await?;
    let (kind, subject) = (subject.kind().name(), subject.name().to_owned());
    json(StatusCode::OK, &ScoreHistory { kind, subject, step: grid.step, scores })
}

/// The highest score of each step.
fn read(reader: &StoreReader, subject: &Subject, grid: QuerySteps) -> Result<Vec<StepScore>, StoreError> {
    let mut scores: Vec<StepScore> = Vec::new();
    let mut step = None;
    reader.scores::<StoreError>(grid.range, Some(subject), |it| {
        let found = StepScore {
            timestamp: it.at.0,
            score: it.score,
            is_anomaly: it.is_anomaly,
            confidence: it.confidence,
        };
        let is_new = step.replace(grid.index(it.at)) != Some(grid.index(it.at));
        match scores.last_mut().filter(|_| !is_new) {
            Some(last) if found.score > last.score => {
                *last = StepScore { is_anomaly: last.is_anomaly || found.is_anomaly, ..found };
            }
            Some(last) => last.is_anomaly |= found.is_anomaly,
            None => scores.push(found),
        }
        Ok(())
    })?;
    Ok(scores)
}
