//! `GET /api/v1/explain`: what was unusual around an instant.

use hyper::StatusCode;

use super::newest_report::newest;
use super::store_access::read_store;
use super::subject_parameter::subject_if_given;
use crate::http::app_state::AppState;
use crate::http::message::{ProblemDetails, Request, Response, json};
use crate::http::query::bad_request;
use crate::reading::Timestamp;
use crate::store::TimeRange;
use crate::stored_explanation;

/// Seconds before and after an instant, or an episode, that belong to it.
pub(super) const AROUND_SECONDS: f64 = 600.0;
/// Longest such time that can be asked for, in seconds.
const AROUND_SECONDS_MAX: f64 = 86_400.0;

pub(super) async fn explain(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let query = &request.query;
    let now = (state.now)();
    let at = query.instant("at", now)?.unwrap_or(now);
    let around = query.seconds("window")?.unwrap_or(AROUND_SECONDS);
    if around > AROUND_SECONDS_MAX {
        return Err(bad_request("the parameter window is too long; the maximum is 1d"));
    }
    let only = subject_if_given(state, query).await?;
    let range = TimeRange { from: Timestamp(at.0 - around), to: Timestamp(at.0 + around) };
    let current = newest(state).ok().filter(|it| range.from <= it.reading.at && it.reading.at <= range.to);
    let explanation = match &state.store {
        Some(_) => {
            read_store(state, move |reader| {
                stored_explanation::explain(reader, current.as_ref(), only, at, range)
            })
            .await?
        }
        None => stored_explanation::explain_current(current.as_ref(), only.as_ref(), at, range),
    };
    json(StatusCode::OK, &explanation)
}
