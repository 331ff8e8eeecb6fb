//! Cross-origin requests: pages of other origins may read, and use the tools for assistants, which only read, too, if the
//! setting `web.cors_origins` names them.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue,
    ORIGIN, VARY,
};
use hyper::{HeaderMap, Method, StatusCode};

use super::message::{Response, plain};

/// What a route lets pages of other origins do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CrossOrigin {
    /// Read.
    Read,
    /// Read, and send messages that change nothing.
    ReadAndPost,
}

impl CrossOrigin {
    fn allows(self, method: &Method) -> bool {
        [Method::GET, Method::HEAD].contains(method) || self == Self::ReadAndPost && *method == Method::POST
    }

    fn methods(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Read => "GET, HEAD",
            Self::ReadAndPost => "GET, HEAD, POST",
        })
    }

    fn headers(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Read => READ_HEADERS,
            Self::ReadAndPost => MESSAGE_HEADERS,
        })
    }
}

/// Headers of a page that reads: the password, and the tag of the response that it has.
const READ_HEADERS: &str = "Authorization, If-None-Match";

/// Headers of responses that a page may read beyond those that each page may: the tag, and when to ask again.
const EXPOSED_HEADERS: &str = "ETag, Retry-After";

/// Headers of a page that sends messages of the Model Context Protocol, those included that this server does not read.
const MESSAGE_HEADERS: &str = "Authorization, Content-Type, If-None-Match, Last-Event-ID, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id";

/// The response to a preflight request; `None` for any other request.
pub(super) fn preflight(
    origins: &[String],
    allowed_here: CrossOrigin,
    method: &Method,
    headers: &HeaderMap,
) -> Option<Response> {
    if *method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let origin = allowed(origins, headers.get(ORIGIN))?;
    let mut response = plain(StatusCode::NO_CONTENT, "");
    response.headers_mut().extend([
        (ACCESS_CONTROL_ALLOW_ORIGIN, origin),
        (ACCESS_CONTROL_ALLOW_METHODS, allowed_here.methods()),
        (ACCESS_CONTROL_ALLOW_HEADERS, allowed_here.headers()),
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
    ]);
    Some(response)
}

/// Lets pages of an allowed origin read the response to what they may do here.
pub(super) fn apply(
    origins: &[String],
    allowed_here: CrossOrigin,
    method: &Method,
    origin: Option<&HeaderValue>,
    response: &mut Response,
) {
    if origins.is_empty() || !allowed_here.allows(method) {
        return;
    }
    // Caches must not serve the response for one origin to another.
    response.headers_mut().append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = allowed(origins, origin) {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response
            .headers_mut()
            .insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
    }
}

/// Whether the setting names an origin, or every one.
pub(super) fn is_allowed(origins: &[String], origin: &HeaderValue) -> bool {
    origins.iter().any(|it| it == "*" || it.as_bytes() == origin.as_bytes())
}

/// The origin of the request, if it is allowed.
fn allowed(origins: &[String], origin: Option<&HeaderValue>) -> Option<HeaderValue> {
    origin.filter(|it| is_allowed(origins, it)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origins: &[&str], origin: &str, expected: Option<&str>) {
        let origins: Vec<String> = origins.iter().map(|it| (*it).to_owned()).collect();
        let header = HeaderValue::from_str(origin).unwrap();
        let mut response = plain(StatusCode::OK, "");
        apply(&origins, CrossOrigin::Read, &Method::GET, Some(&header), &mut response);
        let found = response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|it| it.to_str().unwrap());
        assert_eq!(found, expected, "{origins:?} {origin}");
    }

    #[test]
    fn only_named_origins_may_read() {
        check(&[], "https://grafana.example", None);
        check(&["https://grafana.example"], "https://grafana.example", Some("https://grafana.example"));
        check(&["https://grafana.example"], "https://evil.example", None);
        check(&["*"], "null", Some("null"));
    }

    #[test]
    fn changes_are_never_allowed_across_origins() {
        let origins = ["*".to_owned()];
        let headers: HeaderMap = [
            (ORIGIN, HeaderValue::from_static("https://a.example")),
            (ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST")),
        ]
        .into_iter()
        .collect();
        let response = preflight(&origins, CrossOrigin::Read, &Method::OPTIONS, &headers).unwrap();
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_METHODS], "GET, HEAD");
        let mut response = plain(StatusCode::OK, "");
        apply(&origins, CrossOrigin::Read, &Method::POST, headers.get(ORIGIN), &mut response);
        assert!(response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN).is_none());
        assert!(preflight(&[], CrossOrigin::ReadAndPost, &Method::OPTIONS, &headers).is_none());
    }
}
