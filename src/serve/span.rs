//! One span for each request, by the semantic conventions of HTTP servers. Where nobody takes spans, none is begun.

use std::net::SocketAddr;

use hyper::header::USER_AGENT;
use hyper::{Method, Request, Version};
use tracing::Span;
use tracing::field::Empty;

use super::route::{self, Answer, Site};

/// Longest text of a client that goes into a span.
const TEXT_BYTES_MAX: usize = 256;
/// What stands for a method that is not of HTTP: names of spans must be few.
const OTHER: &str = "_OTHER";

/// The answer to a request, within a span of its own. It is part of the client's trace if the client names one.
pub(super) fn answer<B>(site: &Site, request: &Request<B>, peer: Option<SocketAddr>) -> Answer {
    let span = begin(site, request, peer);
    if span.is_disabled() {
        return route::answer(site, request);
    }
    if let Some(adopt) = site.adopt {
        adopt(&span, request.headers());
    }
    let answer = span.in_scope(|| route::answer(site, request));
    let status = answer.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        // By the conventions a client's mistake is no error of the server.
        span.record("otel.status_code", "ERROR");
        span.record("error.type", status.as_str());
    }
    answer
}

fn begin<B>(site: &Site, request: &Request<B>, peer: Option<SocketAddr>) -> Span {
    let method = || known(request.method());
    let route = || route::of(site, request.uri().path());
    tracing::info_span!(
        parent: None,
        "http",
        otel.name = name(method(), route()),
        otel.kind = "server",
        otel.status_code = Empty,
        error.type = Empty,
        http.request.method = method(),
        http.request.method_original = (method() == OTHER).then(|| short(request.method().as_str())),
        http.route = route(),
        http.response.status_code = Empty,
        url.scheme = "http",
        url.path = short(request.uri().path()),
        network.protocol.version = version(request.version()),
        client.address = peer.map(|it| tracing::field::display(it.ip())),
        client.port = peer.map(|it| it.port()),
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
    if version == Version::HTTP_10 { "1.0" } else { "1.1" }
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
