//! A row of the route table.

use std::pin::Pin;
use std::sync::Arc;

use hyper::Method;

use super::api_operation::ApiOperation;
use super::app_state::AppState;
use super::message::{ProblemDetails, Request, Response};

/// The pattern of the route whose path is the setting `web.telemetry_path`.
pub(super) const TELEMETRY_PATH: &str = "{telemetry_path}";
/// The path of the liveness check.
pub(super) const HEALTHY_PATH: &str = "/-/healthy";
/// The path of the readiness check.
pub(super) const READY_PATH: &str = "/-/ready";
/// The body of the response of the liveness check.
pub(super) const HEALTHY: &str = "hostnorm is Healthy.\n";

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RouteAccess {
    /// Everybody who may read at all: over TCP, authenticated users where `basic_auth_users` is set.
    Public,
    /// Clients of the control socket, and over TCP authenticated users where `web.enable_admin_api` is set.
    Admin,
}

/// The future of a response; it borrows the state.
pub(super) type RouteFuture<'a> = Pin<Box<dyn Future<Output = Result<Response, ProblemDetails>> + Send + 'a>>;
/// Answers a request.
pub(super) type Handler = for<'a> fn(&'a Arc<AppState>, Request) -> RouteFuture<'a>;

/// A row of the route table.
pub(super) struct Route {
    pub(super) method: Method,
    /// The path, where `{name}` stands for one segment.
    pub(super) pattern: &'static str,
    pub(super) access: RouteAccess,
    /// Its parameters, and its description for the API; a route without one ignores its query.
    pub(super) operation: Option<&'static ApiOperation>,
    pub(super) handler: Handler,
}

impl Route {
    /// The pattern as traces name it.
    pub(super) fn path<'a>(&self, state: &'a AppState) -> &'a str {
        if self.pattern == TELEMETRY_PATH { &state.telemetry_path } else { self.pattern }
    }

    /// The methods of the row, as the header `Allow` names them.
    pub(super) fn allowed(&self) -> &str {
        if self.method == Method::GET { "GET, HEAD" } else { self.method.as_str() }
    }
}

/// The decoded segments of a path at `{…}` in the pattern; `None` if the path does not match.
pub(super) fn captures(pattern: &str, path: &str) -> Option<Vec<String>> {
    let mut captures = Vec::new();
    let (mut wanted, mut segments) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), segments.next()) {
            (None, None) => return Some(captures),
            (Some(wanted), Some(segment)) if wanted.starts_with('{') && !segment.is_empty() => {
                let decoded = percent_encoding::percent_decode_str(segment).decode_utf8().ok()?;
                captures.push(decoded.into_owned());
            }
            (Some(wanted), Some(segment)) if wanted == segment => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(pattern: &str, path: &str, expect: Option<&[&str]>) {
        let captured = captures(pattern, path);
        assert_eq!(
            captured.as_deref(),
            expect.map(|it| it.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()).as_deref(),
            "{pattern} {path}"
        );
    }

    #[test]
    fn patterns() {
        check("/", "/", Some(&[]));
        check("/", "", None);
        check("/", "//", None);
        check("/a/{id}/b", "/a/x%2Fy%20z/b", Some(&["x/y z"]));
        check("/a/{id}/b", "/a//b", None);
        check("/a/{id}/b", "/a/b", None);
        check("/a/{id}/b", "/a/x/b/", None);
        check("/a/{id}/b", "/a/%ff/b", None);
    }

    proptest! {
        #[test]
        fn what_is_put_into_a_pattern_is_captured(values in proptest::collection::vec("\\PC{1,8}", 0..4)) {
            let encode = |it: &String| percent_encoding::utf8_percent_encode(it, percent_encoding::NON_ALPHANUMERIC).to_string();
            let path: String = values.iter().map(|it| format!("/p/{}", encode(it))).collect();
            let pattern = "/p/{x}".repeat(values.len());
            prop_assert_eq!(captures(&pattern, &path), Some(values));
        }
    }
}
