//! The subject that a request is about.

use hyper::StatusCode;

use crate::http::message::ProblemDetails;
use crate::http::query::{Query, bad_request};
use crate::reading::{Subject, SubjectKind};
use crate::table::quoted;

/// The subject of the parameters `kind` and `subject`; the host if both are left out.
pub(in crate::http) fn subject(query: &Query) -> Result<Subject, ProblemDetails> {
    let name = query.text("subject").unwrap_or("host");
    let kind = match query.text("kind") {
        None if name == "host" => SubjectKind::Host,
        None => SubjectKind::Container,
        Some(kind) => SubjectKind::read(kind).ok_or_else(|| {
            bad_request(format!(
                "no kind is named {}; expected host, container, log, pod or service",
                quoted(kind)
            ))
        })?,
    };
    Subject::read(kind, name).ok_or_else(|| unknown(kind, name))
}

/// The error for a subject that is not known.
pub(super) fn unknown(kind: SubjectKind, name: &str) -> ProblemDetails {
    let detail = format!("no {} is named {}; /api/v1/status lists the subjects", kind.name(), quoted(name));
    ProblemDetails::new(StatusCode::NOT_FOUND, detail)
}
