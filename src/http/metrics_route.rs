//! The route of the metrics.

use hyper::StatusCode;
use hyper::header::{CONTENT_ENCODING, VARY};

use super::app_state::AppState;
use super::collector_filter::CollectorFilter;
use super::content_negotiation::{MetricsFormat, wants_gzip};
use super::message::{ProblemDetails, Request, Response, blocking, whole, with};
use super::rendered_report;
use super::server_counters::ServerCounters;

/// The metrics of the newest report, in the format and encoding that the client prefers, of the collectors it asks for.
pub(super) async fn metrics(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let Some(report) = state.reports.borrow().clone() else {
        let detail = "no reading yet; try again after one interval";
        return Err(ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    };
    let filter = CollectorFilter::of(&request.query)?;
    let (format, gzip) = (MetricsFormat::preferred(&request.headers), wants_gzip(&request.headers));
    let page = state.pages.of(&report);
    // A page of many subjects takes longer than other requests should wait.
    let body = match (filter, page.rendered(format, gzip)) {
        (Some(filter), _) => {
            let filtered = move || {
                let whole = page.body(format, false);
                // The encoder writes UTF-8 only.
                let page = filter.apply(std::str::from_utf8(&whole).unwrap_or_default());
                if gzip {
                    rendered_report::compress(page.as_bytes()).unwrap_or_default()
                } else {
                    page.into()
                }
            };
            blocking(filtered).await?.into()
        }
        (None, Some(body)) => body,
        (None, None) => blocking(move || page.body(format, gzip)).await?,
    };
    ServerCounters::add(match format {
        MetricsFormat::Text => &state.pages.counts().text,
        MetricsFormat::OpenMetrics { .. } => &state.pages.counts().openmetrics,
    });
    let response = whole(StatusCode::OK, format.content_type(), body);
    let response = with(with(response, VARY, "accept"), VARY, "accept-encoding");
    Ok(if gzip { with(response, CONTENT_ENCODING, "gzip") } else { response })
}
