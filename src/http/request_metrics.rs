//! Counts requests by route and status, and how long they take; counts what became of the web configuration file.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::metric_families::MetricFamilies;
use crate::metric::Metric;
use crate::reading::Timestamp;

/// Upper ends of the buckets, in seconds: a page takes a millisecond, a login a quarter of a second.
const BOUNDS: [f64; 9] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 10.0];
/// The handler of requests that no route fits.
const UNKNOWN: &str = "unknown";

pub(super) static REQUESTS: Metric = Metric::counter(
    "hostnorm_http_requests_total",
    "HTTP requests answered, by status code and route. The handler unknown stands for all other paths and for malformed requests",
)
.by(&["code", "handler"]);
pub(super) static UNTRACED: Metric = Metric::counter(
    "hostnorm_http_requests_untraced_total",
    "Requests without a span, because they exceeded 10 a second with bursts of 50; 0 if traces are off",
);
pub(super) static REQUEST_SECONDS: Metric = Metric::histogram(
    "hostnorm_http_request_duration_seconds",
    "Duration from the head of an HTTP request to the head of its response, in seconds, by route",
)
.by(&["handler"]);
pub(super) static WEB_CONFIG_SUCCESSFUL: Metric = Metric::gauge(
    "hostnorm_web_config_last_reload_successful",
    "Whether the last reload of the web configuration file and its certificates succeeded; absent without web.config_file",
);
pub(super) static WEB_CONFIG_SUCCEEDED_AT: Metric = Metric::gauge(
    "hostnorm_web_config_last_reload_success_timestamp_seconds",
    "Unix time of the last successful load of the web configuration file, in seconds; absent without web.config_file",
);

/// The label handler of a histogram.
type HandlerLabel = [(&'static str, String); 1];

/// The requests so far. Both labels are few: routes and status codes.
#[derive(Debug)]
pub struct RequestMetrics {
    counts: Mutex<BTreeMap<(u16, String), u64>>,
    seconds: Family<HandlerLabel, Histogram, fn() -> Histogram>,
}

impl Default for RequestMetrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BOUNDS);
        Self { counts: Mutex::default(), seconds: Family::new_with_constructor(histogram) }
    }
}

impl RequestMetrics {
    /// Counts a request of this route; `None` for a path without a route.
    pub(super) fn record(&self, route: Option<&str>, status: u16, took: Duration) {
        let handler = route.unwrap_or(UNKNOWN);
        self.count(handler, status);
        self.seconds.get_or_create(&[("handler", handler.to_owned())]).observe(took.as_secs_f64());
    }

    /// Counts a request that was answered with this status without being read whole, so that it has no duration.
    pub(super) fn note_unreadable(&self, status: StatusCode) {
        self.count(UNKNOWN, status.as_u16());
    }

    fn count(&self, handler: &str, status: u16) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((status, handler.to_owned())).or_default() += 1;
    }

    /// Both families; absent before the first request.
    pub(super) fn encode(&self, families: &mut MetricFamilies<'_>) -> fmt::Result {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let rows: Vec<_> =
            counts.into_iter().map(|((code, handler), count)| (code.to_string(), handler, count)).collect();
        let samples =
            rows.iter().map(|(code, handler, count)| ([code.as_str(), handler.as_str()], *count as f64));
        families.add(&REQUESTS, samples)?;
        if rows.is_empty() { Ok(()) } else { families.add_whole(&REQUEST_SECONDS, &self.seconds) }
    }
}

/// What became of the web configuration file.
#[derive(Debug, Default)]
pub struct WebConfigStatus(Mutex<Option<(bool, Timestamp)>>);

impl WebConfigStatus {
    /// The server started with the file at this time, unless it was followed before: then its last outcome still holds.
    pub(super) fn record_start(&self, at: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((true, at));
    }

    /// The file was read at this time, or it could not be used.
    pub(super) fn record(&self, read_at: Option<Timestamp>) {
        let mut status = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = status.map(|it| it.1).unwrap_or_default();
        *status = Some((read_at.is_some(), read_at.unwrap_or(before)));
    }

    /// Both families; absent without a file.
    pub(super) fn encode(&self, families: &mut MetricFamilies<'_>) -> fmt::Result {
        let status = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((successful, at)) = status else { return Ok(()) };
        families.add(&WEB_CONFIG_SUCCESSFUL, [([""; 0], f64::from(u8::from(successful)))])?;
        families.add(&WEB_CONFIG_SUCCEEDED_AT, [([""; 0], at.0)])
    }
}
