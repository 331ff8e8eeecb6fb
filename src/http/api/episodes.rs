//! `GET /api/v1/episodes` and `GET /api/v1/episodes/{id}`.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::explain::AROUND_SECONDS;
use super::store_access::read_store;
use super::subject::subject;
use super::time_grid;
use crate::explanation::{self, EpisodeId, EpisodeRecord, SubjectExplanation};
use crate::http::message::{ProblemDetails, Request, Response, json, json_tagged};
use crate::http::query::bad_request;
use crate::http::routes::AppState;
use crate::reading::Timestamp;
use crate::store::TimeRange;
use crate::stored_facts;

/// Most episodes in a response; the newest are kept.
const EPISODES_MAX: usize = 1_000;

/// Stored episodes.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct EpisodeList {
    /// The episodes, the newest first.
    episodes: Vec<EpisodeRecord>,
    /// Number of older episodes in the range that were left out.
    left_out: usize,
}

/// An episode, explained.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct EpisodeDetails {
    episode: EpisodeRecord,
    explanation: SubjectExplanation,
}

pub(super) async fn list(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let query = &request.query;
    let (now, is_open) = ((state.now)(), query.text("from").is_none());
    let mut range = time_grid::range(query, now)?;
    if is_open {
        range.from = TimeRange::ALL.from;
    }
    let only = match (query.text("subject"), query.text("kind")) {
        (None, None) => None,
        _ => Some(subject(query)?),
    };
    let mut episodes = read_store(state, move |reader| reader.episodes(range)).await?;
    episodes.retain(|it| {
        only.as_ref().is_none_or(|only| it.kind == only.kind().name() && it.subject == only.name())
    });
    episodes.reverse();
    let left_out = episodes.len().saturating_sub(EPISODES_MAX);
    episodes.truncate(EPISODES_MAX);
    json(StatusCode::OK, &EpisodeList { episodes, left_out })
}

pub(super) async fn one(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let text = request.path_arguments.first().cloned().unwrap_or_default();
    let EpisodeId { subject, second } = text.parse().map_err(bad_request)?;
    let found = read_store(state, move |reader| {
        let Some(episode) = reader.episode(&subject, second)? else { return Ok(None) };
        let from = Timestamp(episode.began - AROUND_SECONDS);
        let to = Timestamp(episode.ended.unwrap_or(episode.last_seen) + AROUND_SECONDS);
        let mut facts = stored_facts::facts(reader, &subject, TimeRange { from, to })?;
        // Neighbors within the range have pages of their own.
        facts.episodes.retain(|it| it.id == episode.id);
        Ok(Some((episode, explanation::explain(&subject, facts))))
    });
    let Some((episode, explanation)) = found.await? else {
        let detail = format!("no episode {text} in the store; /api/v1/episodes lists all");
        return Err(ProblemDetails::new(StatusCode::NOT_FOUND, detail));
    };
    json_tagged(&request, &EpisodeDetails { episode, explanation })
}
