//! A span per request within the limit of spans, by the semantic conventions of HTTP servers. Without a subscriber for
//! spans, none is created.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::USER_AGENT;
use hyper::{Method, Request, Version};
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::app_state::AppState;
use super::connection_peer::{ClientOrigin, ConnectionPeer};
use super::message::Response;
use super::routes;
use super::server_counters::ServerCounters;
use super::timeouts::ConnectionActivity;

/// Longest text of a client that goes into a span.
const TEXT_BYTES_MAX: usize = 256;
/// What stands for a method that is not of HTTP: names of spans must be few.
const OTHER: &str = "_OTHER";

/// The response to a request, within a span of its own. It is part of the client's trace if a trusted
/// client names one.
pub(super) async fn respond(
    state: &Arc<AppState>,
    peer: &ConnectionPeer,
    activity: &ConnectionActivity,
    request: Request<Incoming>,
) -> Response {
    let started = Instant::now();
    let _handling = activity.begin_request();
    let rows = routes::rows(state, request.uri().path());
    let route = rows.first().map(|it| it.path(state));
    let span = if state.request_traces.admit(started) {
        begin(&request, route, peer)
    } else {
        ServerCounters::add(&state.pages.counts().untraced);
        Span::none()
    };
    if !span.is_disabled() {
        state.request_traces.join(&span, peer, request.headers());
    }
    let mut response = routes::respond(state, peer, &rows, request).instrument(span.clone()).await;
    let active = state.security.active();
    for (name, value) in &active.config.headers {
        // A header that the response already has, such as the policy of a page, takes precedence.
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    let status = response.status();
    state.pages.counts().requests.record(route, status.as_u16(), started.elapsed());
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        // By the conventions a client's mistake is no error of the server.
        span.record("otel.status_code", "ERROR");
        span.record("error.type", status.as_str());
    }
    response
}

fn begin<B>(request: &Request<B>, route: Option<&str>, peer: &ConnectionPeer) -> Span {
    let method = || known(request.method());
    let address = match peer.origin {
        ClientOrigin::Network(address) => Some(address),
        ClientOrigin::Control => None,
    };
    tracing::info_span!(
        parent: None,
        "http",
        otel.name = name(method(), route),
        otel.kind = "server",
        otel.status_code = Empty,
        error.type = Empty,
        http.request.method = method(),
        http.request.method_original = (method() == OTHER).then(|| short(request.method().as_str())),
        http.route = route,
        http.response.status_code = Empty,
        url.scheme = if peer.tls.is_some() { "https" } else { "http" },
        url.path = short(request.uri().path()),
        network.protocol.version = version(request.version()),
        client.address = address.map(|it| tracing::field::display(it.ip())),
        client.port = address.map(|it| it.port()),
        user_agent.original = request.headers().get(USER_AGENT).and_then(|it| it.to_str().ok()).map(short),
    )
}

fn name(method: &'static str, route: Option<&str>) -> String {
    let method = if method == OTHER { "HTTP" } else { method };
    route.map_or_else(|| method.to_owned(), |it| format!("{method} {it}"))
}

fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    KNOWN.into_iter().find(|it| method.as_str() == *it).unwrap_or(OTHER)
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_few() {
        let check = |method: &str, route: Option<&str>, expect: &str| {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(name(known(&method), route), expect);
        };
        check("GET", Some("/metrics"), "GET /metrics");
        check("GET", None, "GET");
        check("BREW", Some("/"), "HTTP /");
        check("BREW", None, "HTTP");
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(short("é"), "é");
        assert_eq!(short(&"é".repeat(200)).len(), 256);
        assert_eq!(short(&format!("a{}", "é".repeat(200))).len(), 255);
    }
}
