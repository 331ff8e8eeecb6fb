//! `GET /api/v1/episodes` and `GET /api/v1/episodes/{id}`.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::explain::AROUND_SECONDS;
use super::query_steps;
use super::store_access::read_store;
use super::subject_parameter::subject_if_given;
use crate::explanation::{self, EpisodeId, EpisodeRecord, SubjectEvidence, SubjectExplanation};
use crate::http::app_state::AppState;
use crate::http::message::{ProblemDetails, Request, Response, json};
use crate::http::query_arguments::bad_request;
use crate::reading::{Subject, Timestamp};
use crate::store::TimeRange;
use crate::stored_explanation;
use crate::table::quoted;

/// Most episodes in a response; the newest are kept.
const EPISODES_MAX: usize = 1_000;

/// Stored episodes.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct EpisodeList {
    /// The episodes, the newest first.
    episodes: Vec<EpisodeRecord>,
    /// Number of older episodes in the range that the response does not have.
    skipped: usize,
}

/// An episode, explained.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct EpisodeDetails {
    episode: EpisodeRecord,
    /// Start of the time around the episode in which signals left their range, in Unix seconds.
    from: f64,
    /// End of this time, in Unix seconds.
    to: f64,
    explanation: SubjectExplanation,
}

pub(super) async fn list(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let query = &request.query;
    let (now, is_open) = ((state.now)(), query.get("from").is_none());
    let mut range = query_steps::range(query, now)?;
    if is_open {
        range.from = TimeRange::ALL.from;
    }
    let only = subject_if_given(state, query).await?;
    let read = read_store(state, move |reader| {
        let episodes = reader.episodes(only.as_ref(), range, EPISODES_MAX)?;
        Ok((episodes, reader.episode_count(only.as_ref(), range)?))
    });
    let (mut episodes, count) = read.await?;
    episodes.reverse();
    // One may have begun between the two reads.
    let skipped = count.saturating_sub(episodes.len());
    json(StatusCode::OK, &EpisodeList { episodes, skipped })
}

pub(super) async fn one(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let id = request.path_arguments.first().cloned().unwrap_or_default();
    let Some((episode, subject, mut facts)) = episode_facts(state, &id).await? else {
        return Err(unknown_episode(&id));
    };
    // Scores before and after it may belong to others.
    facts.scores.retain(|(at, _)| (episode.began..=episode.last_instant()).contains(&at.0));
    let TimeRange { from, to } = time_around(&episode, (state.now)());
    let explanation = explanation::explain(&subject, facts);
    json(StatusCode::OK, &EpisodeDetails { episode, from: from.0, to: to.0, explanation })
}

/// An episode, and the time before and after it.
fn time_around(episode: &EpisodeRecord, now: Timestamp) -> TimeRange {
    let last = episode.last_instant();
    let to = (last + AROUND_SECONDS).min(last.max(now.0));
    TimeRange { from: Timestamp(episode.began - AROUND_SECONDS), to: Timestamp(to) }
}

/// An episode, its subject, and what the store knows of its time; nothing if there is no such episode.
pub(in crate::http) async fn episode_facts(
    state: &AppState,
    id: &str,
) -> Result<Option<(EpisodeRecord, Subject, SubjectEvidence<'static>)>, ProblemDetails> {
    let EpisodeId { subject, second } = id.parse().map_err(bad_request)?;
    let now = (state.now)();
    let read = read_store(state, move |reader| {
        let Some(episode) = reader.episode(&subject, second)? else { return Ok(None) };
        let range = time_around(&episode, now);
        let at = Some(Timestamp(episode.began));
        let mut facts = stored_explanation::evidence(reader, &subject, at, range)?;
        // Neighbors within the range have pages of their own.
        facts.episodes.retain(|it| it.id == episode.id);
        Ok(Some((episode, subject, facts)))
    });
    read.await
}

/// The error for an episode that is not known.
pub(in crate::http) fn unknown_episode(id: &str) -> ProblemDetails {
    let detail = format!("no episode {} in the store; /api/v1/episodes lists all", quoted(id));
    ProblemDetails::new(StatusCode::NOT_FOUND, detail)
}
