//! The route of the metrics.

use hyper::StatusCode;
use hyper::header::{CONTENT_ENCODING, VARY};

use super::app_state::AppState;
use super::content_negotiation::{MetricsFormat, wants_gzip};
use super::message::{ProblemDetails, Request, Response, blocking, whole, with};
use super::server_counters::ServerCounters;

/// The metrics of the newest report, in the format and encoding that the client prefers.
pub(super) async fn metrics(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let Some(report) = state.reports.borrow().clone() else {
        let detail = "no reading yet; try again after one interval";
        return Err(ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    };
    let (format, gzip) = (MetricsFormat::preferred(&request.headers), wants_gzip(&request.headers));
    let page = state.pages.of(&report);
    let body = match page.rendered(format, gzip) {
        Some(body) => body,
        // A page of many subjects takes longer than other requests should wait.
        None => blocking(move || page.body(format, gzip)).await?,
    };
    ServerCounters::add(match format {
        MetricsFormat::Text => &state.pages.counts().text,
        MetricsFormat::OpenMetrics { .. } => &state.pages.counts().openmetrics,
    });
    let response = whole(StatusCode::OK, format.content_type(), body);
    let response = with(with(response, VARY, "accept"), VARY, "accept-encoding");
    Ok(if gzip { with(response, CONTENT_ENCODING, "gzip") } else { response })
}
