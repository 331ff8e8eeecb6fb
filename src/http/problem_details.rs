//! Errors in the format of RFC 9457.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, RETRY_AFTER};

/// The media type of [`ProblemDetails`].
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// An error: what failed, and what to do.
#[derive(Debug)]
pub(super) struct ProblemDetails {
    /// The status of the response, 4xx or 5xx.
    pub(super) status: StatusCode,
    /// One sentence for people.
    pub(super) detail: String,
    /// Further headers, such as Allow and Retry-After.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl ProblemDetails {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), headers: Vec::new() }
    }

    /// 429: `what` is refused for `wait`.
    pub(super) fn too_many_requests(what: &str, wait: Duration) -> Self {
        let seconds = wait.as_secs() + 1;
        let detail = format!("{what}; try again in {seconds} s");
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail).with(RETRY_AFTER, seconds)
    }

    /// The same with one more header.
    pub(super) fn with(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
