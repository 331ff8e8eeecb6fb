//! `GET /api/v1/explain`: what was unusual around an instant, or in a range.

use hyper::StatusCode;

use super::newest_report::newest;
use super::query_steps;
use super::store_access::read_store;
use super::subject_parameter::subject_if_given;
use crate::http::app_state::AppState;
use crate::http::message::{ProblemDetails, Request, Response, json};
use crate::http::query_arguments::{QueryArguments, bad_request};
use crate::reading::Timestamp;
use crate::store::TimeRange;
use crate::stored_explanation;

/// Seconds before and after an instant, or an episode, that belong to it.
pub(super) const AROUND_SECONDS: f64 = 600.0;
/// Longest such time that can be asked for, in seconds.
const AROUND_SECONDS_MAX: f64 = 86_400.0;
/// Longest range that can be asked for, in seconds.
const RANGE_SECONDS_MAX: f64 = 2.0 * AROUND_SECONDS_MAX;

pub(super) async fn explain(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let query = &request.query;
    let now = (state.now)();
    let (at, range) = instant_and_range(query, now)?;
    let only = subject_if_given(state, query).await?;
    let newest = newest(state).ok();
    let explanation = match &state.store {
        Some(_) => {
            read_store(state, move |reader| {
                stored_explanation::explain(reader, newest.as_ref(), only, at, range, now)
            })
            .await?
        }
        None => stored_explanation::explain_current(newest.as_ref(), only.as_ref(), at, range, now),
    };
    json(StatusCode::OK, &explanation)
}

/// The instant asked about and the time around it, or a whole range, in which no instant matters more than others.
fn instant_and_range(
    query: &QueryArguments,
    now: Timestamp,
) -> Result<(Option<Timestamp>, TimeRange), ProblemDetails> {
    let is_given = |name: &str| query.get(name).is_some();
    if is_given("from") || is_given("to") {
        if is_given("at") || is_given("window") {
            return Err(bad_request("give either at and window, or from and to"));
        }
        let range = query_steps::range(query, now)?;
        // As the start of `-2d` is computed: the difference of two instants is not exact.
        if range.from.0 < range.to.0 - RANGE_SECONDS_MAX {
            return Err(bad_request("the range is too long; the maximum is 2d, so set a later from"));
        }
        return Ok((None, range));
    }
    let at = query.instant("at", now)?.unwrap_or(now);
    let around = query.seconds("window")?.unwrap_or(AROUND_SECONDS);
    if around > AROUND_SECONDS_MAX {
        return Err(bad_request("the parameter window is too long; the maximum is 1d"));
    }
    // Nothing is known of the time after now.
    let to = (at.0 + around).min(at.0.max(now.0));
    Ok((Some(at), TimeRange { from: Timestamp(at.0 - around), to: Timestamp(to) }))
}
