//! The newest report, for requests about the present.

use std::sync::Arc;

use hyper::StatusCode;

use crate::http::app_state::AppState;
use crate::http::message::ProblemDetails;
use crate::report::Report;

/// The newest report.
pub(super) fn newest(state: &AppState) -> Result<Arc<Report>, ProblemDetails> {
    state.reports.borrow().clone().ok_or_else(|| {
        let detail = "no reading yet; try again after one interval";
        ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    })
}
