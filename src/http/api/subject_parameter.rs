//! The subject that a request is about: by kind and name, or by its name alone.
//!
//! A name without a kind is looked up among the known subjects, so that it never means a subject that does not exist.

use hyper::StatusCode;

use super::newest_report::newest;
use super::store_access::read_store;
use crate::http::app_state::AppState;
use crate::http::message::ProblemDetails;
use crate::http::query_arguments::{QueryArguments, bad_request};
use crate::reading::{Subject, SubjectKind};
use crate::table::quoted;

/// The subject of the parameters `kind` and `subject`, in the newest report or in the store; the host if both are left out.
pub(in crate::http) async fn subject(
    state: &AppState,
    query: &QueryArguments,
) -> Result<Subject, ProblemDetails> {
    named_subject(state, query.get("kind"), query.get("subject")).await
}

/// The same; none if both are left out.
pub(super) async fn subject_if_given(
    state: &AppState,
    query: &QueryArguments,
) -> Result<Option<Subject>, ProblemDetails> {
    match (query.get("kind"), query.get("subject")) {
        (None, None) => Ok(None),
        (kind, name) => named_subject(state, kind, name).await.map(Some),
    }
}

/// The subject of the parameters `kind` and `subject` in the newest report; the host if both are left out.
pub(super) fn live_subject(state: &AppState, query: &QueryArguments) -> Result<Subject, ProblemDetails> {
    let (kind, name) = (query.get("kind"), query.get("subject"));
    let mut candidates = candidates(kind, name)?;
    if candidates != [Subject::Host] {
        let report = newest(state)?;
        candidates.retain(|it| report.assessments.contains_key(it));
    }
    only(candidates, kind, name)
}

/// The subject of this kind and name, in the newest report or in the store; the host if both are left out.
pub(super) async fn named_subject(
    state: &AppState,
    kind: Option<&str>,
    name: Option<&str>,
) -> Result<Subject, ProblemDetails> {
    let candidates = candidates(kind, name)?;
    if candidates == [Subject::Host] {
        return Ok(Subject::Host);
    }
    let report = state.reports.borrow().clone();
    if report.is_none() && state.store.is_none() {
        newest(state)?;
    }
    let is_live = |it: &Subject| report.as_ref().is_some_and(|report| report.assessments.contains_key(it));
    let (mut known, others): (Vec<Subject>, Vec<Subject>) = candidates.into_iter().partition(is_live);
    if state.store.is_some() && !others.is_empty() {
        let stored = read_store(state, move |reader| {
            let mut stored = Vec::new();
            for it in others {
                if reader.has_subject(&it)? {
                    stored.push(it);
                }
            }
            Ok(stored)
        });
        known.extend(stored.await?);
    }
    only(known, kind, name)
}

/// The subjects that a request may mean, each of another kind.
pub(in crate::http) fn candidates(
    kind: Option<&str>,
    name: Option<&str>,
) -> Result<Vec<Subject>, ProblemDetails> {
    let kind = kind.map(kind_named).transpose()?;
    match (kind, name) {
        (None | Some(SubjectKind::Host), None) => Ok(vec![Subject::Host]),
        (Some(kind), None) => Err(bad_request(format!(
            "kind {} needs the name of one as subject; /api/v1/status lists the subjects",
            kind.name()
        ))),
        (Some(kind), Some(name)) => Ok(Subject::read(kind, name).into_iter().collect()),
        // The host has a fixed name, which goes first.
        (None, Some(name)) if name == Subject::Host.name() => Ok(vec![Subject::Host]),
        (None, Some(name)) => {
            Ok(SubjectKind::ALL.into_iter().filter_map(|kind| Subject::read(kind, name)).collect())
        }
    }
}

/// The kind of this name.
pub(super) fn kind_named(name: &str) -> Result<SubjectKind, ProblemDetails> {
    SubjectKind::read(name).ok_or_else(|| {
        bad_request(format!(
            "no kind is named {}; expected host, container, log, pod or service",
            quoted(name)
        ))
    })
}

/// The subject of a list of one. A longer list is refused with its kinds, an empty one as unknown.
fn only(mut known: Vec<Subject>, kind: Option<&str>, name: Option<&str>) -> Result<Subject, ProblemDetails> {
    if known.len() > 1 {
        let kinds: Vec<&str> = known.iter().map(|it| it.kind().name()).collect();
        return Err(bad_request(format!(
            "subjects of several kinds are named {}: {}; add kind",
            quoted(name.unwrap_or_default()),
            kinds.join(", ")
        )));
    }
    known.pop().ok_or_else(|| unknown(kind.unwrap_or("subject"), name.unwrap_or_default()))
}

/// The error for a subject that is not known.
pub(super) fn unknown(what: &str, name: &str) -> ProblemDetails {
    let detail = format!("no {what} is named {}; /api/v1/status lists the subjects", quoted(name));
    ProblemDetails::new(StatusCode::NOT_FOUND, detail)
}
