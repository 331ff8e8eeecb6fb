//! What is answered where. A path that is not here is a 404, another method than GET and HEAD a 405.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    HeaderValue, VARY,
};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::sync::watch;

use super::landing;
use super::metrics::Counts;
use super::negotiate::{Format, wants_gzip};
use super::page::Page;
use crate::reading::Timestamp;

/// A whole answer.
pub(super) type Answer = Response<Full<Bytes>>;

/// What the server answers from. It reads, and counts; it changes nothing.
#[derive(Debug)]
pub struct Site {
    /// The newest page; nothing before the first reading.
    pub page: watch::Receiver<Option<Arc<Page>>>,
    /// Where the metrics are.
    pub telemetry_path: String,
    /// Time between two readings; one that is three times as old is too old to be called ready.
    pub interval: Duration,
    /// The clock, which belongs to somebody else.
    pub now: fn() -> Timestamp,
    /// What happened at the door.
    pub counts: Arc<Counts>,
    /// Makes the span of a request part of the trace that its headers name; nothing where that is not wanted.
    pub adopt: Option<fn(&tracing::Span, &HeaderMap)>,
}

/// Where hostnorm says that it is there.
pub(super) const HEALTHY_PATH: &str = "/-/healthy";
/// What it says.
pub(super) const HEALTHY: &str = "hostnorm is Healthy.\n";

/// Routes beside the metrics, whose path is a setting.
const ROUTES: &[Route] = &[
    Route { path: HEALTHY_PATH, answer: healthy },
    Route { path: "/-/ready", answer: ready },
    Route { path: "/", answer: landing_page },
];

/// One path that answers GET and HEAD.
struct Route {
    path: &'static str,
    answer: fn(&Site) -> Answer,
}

const ALLOWED: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// The answer to a request; its body, if it has one, is not read. For HEAD, hyper leaves out the answer's body.
pub(super) fn answer<B>(site: &Site, request: &Request<B>) -> Answer {
    let path = request.uri().path();
    let metrics = path == site.telemetry_path;
    let route = ROUTES.iter().find(|it| it.path == path);
    if !metrics && route.is_none() {
        let text = format!("there is nothing here; metrics are at {}\n", site.telemetry_path);
        return plain(StatusCode::NOT_FOUND, text);
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are allowed here\n");
        return with(refusal, ALLOW, ALLOWED);
    }
    match route {
        Some(route) if !metrics => (route.answer)(site),
        _ => page(site, request.headers()),
    }
}

/// The route that a path is of; nothing for what is not there.
pub(super) fn of<'a>(site: &'a Site, path: &str) -> Option<&'a str> {
    if path == site.telemetry_path {
        return Some(&site.telemetry_path);
    }
    ROUTES.iter().map(|it| it.path).find(|it| *it == path)
}

fn page(site: &Site, headers: &HeaderMap) -> Answer {
    let Some(page) = site.page.borrow().clone() else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "nothing has been read yet\n");
    };
    let format = Format::preferred(headers);
    Counts::add(match format {
        Format::Text => &site.counts.text,
        Format::OpenMetrics { .. } => &site.counts.openmetrics,
    });
    let body = page.body(format);
    let gzip = wants_gzip(headers);
    let mut answer = Response::new(Full::new(if gzip { body.gzip() } else { body.plain() }));
    let out = answer.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    out.append(VARY, ACCEPT.into());
    out.append(VARY, ACCEPT_ENCODING.into());
    if gzip {
        out.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}

/// The process answers; that is all.
fn healthy(_: &Site) -> Answer {
    plain(StatusCode::OK, HEALTHY)
}

/// The last reading is young enough for what is served to be true.
fn ready(site: &Site) -> Answer {
    const INTERVALS_MAX: u32 = 3;
    let Some(taken_at) = site.page.borrow().as_ref().map(|it| it.report.reading.at) else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "hostnorm is not Ready: nothing has been read yet\n");
    };
    let age = (site.now)().0 - taken_at.0;
    let limit = (site.interval * INTERVALS_MAX).as_secs_f64();
    // A clock that stepped back says nothing of the age; the next reading settles it.
    if age.abs() < limit {
        return plain(StatusCode::OK, "hostnorm is Ready.\n");
    }
    let text =
        format!("hostnorm is not Ready: the last reading is {age:.1} s old, the limit is {limit:.1} s\n");
    plain(StatusCode::SERVICE_UNAVAILABLE, text)
}

fn landing_page(site: &Site) -> Answer {
    let page = site.page.borrow().clone();
    let html = landing::render(page.as_deref(), &site.telemetry_path, (site.now)());
    let answer = Response::new(Full::from(html));
    let answer = with(answer, CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    // The page needs its own style and nothing else.
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    with(answer, CONTENT_SECURITY_POLICY, policy)
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    with(answer, CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))
}

fn with(mut answer: Answer, name: HeaderName, value: HeaderValue) -> Answer {
    answer.headers_mut().insert(name, value);
    answer
}
