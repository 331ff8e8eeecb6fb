//! The route table, and the dispatch of requests.

use std::sync::Arc;

use hyper::body::{Body as _, Incoming};
use hyper::header::{ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CONTENT_ENCODING, HOST, HeaderValue, ORIGIN};
use hyper::{HeaderMap, Method, StatusCode, Version};
use tokio::time::timeout;

use super::app_state::AppState;
use super::client_context::ClientContext;
use super::connection_peer::ConnectionPeer;
use super::cors::{self, CrossOrigin};
use super::message::{self, ProblemDetails, Request, Response, plain};
use super::query_arguments::QueryArguments;
use super::request_access::{self, Caller};
use super::route::{HEALTHY, HEALTHY_PATH, READY_PATH, Route, RouteAccess, TELEMETRY_PATH, captures};
use super::timeouts::REQUEST;
use super::{api, events, mcp, metrics_route, page};

macro_rules! route {
    ($method:ident $pattern:expr, $access:ident, $handler:path) => {
        route!($method $pattern, $access, $handler, None)
    };
    ($method:ident $pattern:expr, $access:ident, $handler:path, $operation:expr) => {
        Route {
            method: Method::$method,
            pattern: $pattern,
            access: RouteAccess::$access,
            operation: $operation,
            handler: |state, request| Box::pin($handler(state, request)),
        }
    };
}

/// The routes besides the API. A row for GET answers HEAD as well.
static ROUTES: &[Route] = &[
    route!(GET TELEMETRY_PATH, Public, metrics_route::metrics),
    route!(GET "/", Public, page::overview, Some(&page::OVERVIEW_OPERATION)),
    route!(GET "/episodes/{id}", Public, page::episode, Some(&page::EPISODE_OPERATION)),
    route!(GET "/page.css", Public, page::page_style),
    route!(GET "/page.js", Public, page::page_script),
    route!(POST "/actions/accept", Admin, page::accept),
    route!(POST "/actions/train", Admin, page::train),
    route!(POST "/episodes/{id}/forget", Admin, page::forget),
    route!(POST "/episodes/{id}/reject", Admin, page::reject),
    route!(POST "/episodes/{id}/confirm", Admin, page::confirm),
    route!(GET "/events", Public, events::events, Some(&events::OPERATION)),
    route!(GET HEALTHY_PATH, Public, healthy),
    route!(GET READY_PATH, Public, ready),
    route!(POST mcp::PATH, Public, mcp::respond),
];

/// All routes; the first that fits is taken.
pub(super) fn all() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().chain(api::ROUTES)
}

/// Method and path of each route; `{telemetry_path}` is the setting `web.telemetry_path`, and another `{name}` stands for
/// one segment.
pub fn methods_and_paths() -> impl Iterator<Item = (&'static str, &'static str)> {
    all().map(|it| (it.method.as_str(), it.pattern))
}

/// The rows whose pattern fits a path, one for each method.
pub(super) fn rows(state: &AppState, path: &str) -> Vec<&'static Route> {
    let fits = |row: &&Route| match row.pattern {
        TELEMETRY_PATH => path == state.telemetry_path,
        pattern => captures(pattern, path).is_some(),
    };
    let pattern = all().find(fits).map(|it| it.pattern);
    all().filter(|it| Some(it.pattern) == pattern).collect()
}

/// The response to a request. For HEAD, hyper leaves out its body.
pub(super) async fn respond(
    state: &Arc<AppState>,
    peer: &ConnectionPeer,
    rows: &[&'static Route],
    request: hyper::Request<Incoming>,
) -> Response {
    let (head, mut body) = request.into_parts();
    let version = head.version;
    let response = respond_to(state, peer, rows, hyper::Request::from_parts(head, ()), &mut body).await;
    if version == Version::HTTP_2 && !body.is_end_stream() {
        tokio::spawn(message::discard(body));
    }
    response
}

async fn respond_to(
    state: &Arc<AppState>,
    peer: &ConnectionPeer,
    rows: &[&'static Route],
    request: hyper::Request<()>,
    body: &mut Incoming,
) -> Response {
    let origins = &state.cors_origins;
    let allowed_here = match rows.iter().any(|it| it.pattern == mcp::PATH) {
        true => CrossOrigin::ReadAndPost,
        false => CrossOrigin::Read,
    };
    if let Some(response) = cors::preflight(origins, allowed_here, request.method(), request.headers()) {
        let admitted = request_access::admit_preflight(&state.security, peer);
        return admitted.map_or_else(Response::from, |()| response);
    }
    let (method, origin) = (request.method().clone(), request.headers().get(ORIGIN).cloned());
    let mut response = handle(state, peer, rows, request, body).await.unwrap_or_else(Response::from);
    cors::apply(origins, allowed_here, &method, origin.as_ref(), &mut response);
    response
}

async fn handle(
    state: &Arc<AppState>,
    peer: &ConnectionPeer,
    rows: &[&'static Route],
    mut request: hyper::Request<()>,
    body: &mut Incoming,
) -> Result<Response, ProblemDetails> {
    // Before the login, so that no change of the web configuration after it is missed.
    let client = ClientContext::new(peer, &state.security);
    let is_health = rows.first().is_some_and(|it| [HEALTHY_PATH, READY_PATH].contains(&it.pattern));
    let caller = request_access::authenticate(&state.security, peer, is_health, request.headers()).await;
    // No code below sees a password.
    request.headers_mut().remove(AUTHORIZATION);
    // Before the login, a page would show the name of the host to anybody.
    let caller = caller?;
    let address = client.address;
    let answered = client.scope(handle_from(state, &caller, rows, request, body)).await;
    // All clients share the bytes of the metrics.
    let is_shared = rows.first().is_some_and(|it| it.pattern == TELEMETRY_PATH);
    let answered = match answered {
        Ok(response) if !is_shared => state.large_responses.admit(address, response),
        answered => answered,
    };
    match (answered, rows.first().and_then(|it| page::root(it.pattern))) {
        (Err(problem), Some(root)) => Ok(page::problem(problem, root, &state.telemetry_path)),
        (answered, _) => answered,
    }
}

/// The response to a request of this caller.
async fn handle_from(
    state: &Arc<AppState>,
    caller: &Caller,
    rows: &[&'static Route],
    request: hyper::Request<()>,
    body: &mut Incoming,
) -> Result<Response, ProblemDetails> {
    let route = choose(state, caller, rows, &request)?;
    let is_admin =
        request_access::allow(RouteAccess::Admin, caller, state.security.settings(), &request).is_ok();
    let (head, ()) = request.into_parts();
    let body = match route.method {
        Method::GET => bytes::Bytes::new(),
        _ => read(&head.headers, body).await?,
    };
    let request = Request {
        query: QueryArguments::parse(head.uri.query(), route.operation)?,
        path_arguments: captures(route.pattern, head.uri.path()).unwrap_or_default(),
        headers: head.headers,
        body,
        is_admin,
    };
    (route.handler)(state, request).await
}

/// The body of a request with these headers.
async fn read(headers: &HeaderMap, body: &mut Incoming) -> Result<bytes::Bytes, ProblemDetails> {
    if headers.get(CONTENT_ENCODING).is_some_and(|it| it != "identity") {
        let detail = "a compressed body is not read; send it without Content-Encoding";
        let problem = ProblemDetails::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail);
        return Err(problem.with(ACCEPT_ENCODING, HeaderValue::from_static("identity")));
    }
    // With HTTP/2, no other timeout covers a late body.
    timeout(REQUEST, message::read(body)).await.unwrap_or_else(|_| {
        let detail = format!("the body did not arrive within {} s; send it whole", REQUEST.as_secs());
        Err(ProblemDetails::new(StatusCode::REQUEST_TIMEOUT, detail))
    })
}

/// The row that a request is for, or why it is refused.
fn choose(
    state: &AppState,
    caller: &Caller,
    rows: &[&'static Route],
    request: &hyper::Request<()>,
) -> Result<&'static Route, ProblemDetails> {
    let problem = |status, detail: String| Err(ProblemDetails::new(status, detail));
    if request.version() == Version::HTTP_11 && request.headers().get_all(HOST).iter().count() != 1 {
        return problem(StatusCode::BAD_REQUEST, "expected the header Host once".into());
    }
    if rows.is_empty() {
        let detail = match request.uri().path().starts_with("/api/") {
            true => "not found; /api/v1/openapi.json describes the API".to_owned(),
            false => format!(
                "not found; metrics are at {}, and /api/v1/openapi.json describes the API",
                state.telemetry_path
            ),
        };
        return problem(StatusCode::NOT_FOUND, detail);
    }
    let wanted = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let Some(route) = rows.iter().find(|it| it.method == *wanted) else {
        let allowed: Vec<_> = rows.iter().map(|it| it.allowed()).collect();
        let allowed = allowed.join(", ");
        let detail = format!("{} is not allowed here; use {allowed}", request.method());
        let mut problem = ProblemDetails::new(StatusCode::METHOD_NOT_ALLOWED, detail);
        problem.headers.extend(HeaderValue::from_str(&allowed).ok().map(|it| (ALLOW, it)));
        return Err(problem);
    };
    request_access::allow(route.access, caller, state.security.settings(), request)?;
    Ok(route)
}

/// Seconds without a reading after which a restart may help. The loop skips single intervals on a busy host.
const HEALTHY_SECONDS_MAX: f64 = 10.0;
/// The same in intervals, whichever is longer.
const HEALTHY_INTERVALS_MAX: u32 = 10;

/// The process answers, and its loop takes readings once it took the first.
async fn healthy(state: &AppState, _: Request) -> Result<Response, ProblemDetails> {
    let limit = (state.interval * HEALTHY_INTERVALS_MAX).as_secs_f64().max(HEALTHY_SECONDS_MAX);
    match reading_age(state) {
        Some(age) if age >= limit => {
            let text = format!(
                "hostnorm is not Healthy: the last reading is {age:.1} s old, the maximum is {limit:.1} s\n"
            );
            Ok(plain(StatusCode::SERVICE_UNAVAILABLE, text))
        }
        _ => Ok(plain(StatusCode::OK, HEALTHY)),
    }
}

/// Seconds since the newest reading, whether or not the wall clock was set meanwhile; `None` before the first.
fn reading_age(state: &AppState) -> Option<f64> {
    let began = state.reports.borrow().as_ref()?.began?;
    Some((state.instant)().saturating_duration_since(began).as_secs_f64())
}

/// The newest report is young enough to be true.
async fn ready(state: &AppState, _: Request) -> Result<Response, ProblemDetails> {
    const INTERVALS_MAX: u32 = 3;
    let Some(age) = reading_age(state) else {
        let text = "hostnorm is not Ready: no reading yet\n";
        return Ok(plain(StatusCode::SERVICE_UNAVAILABLE, text));
    };
    let limit = (state.interval * INTERVALS_MAX).as_secs_f64();
    if age < limit {
        return Ok(plain(StatusCode::OK, "hostnorm is Ready.\n"));
    }
    let text =
        format!("hostnorm is not Ready: the last reading is {age:.1} s old, the maximum is {limit:.1} s\n");
    Ok(plain(StatusCode::SERVICE_UNAVAILABLE, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_row_hides_another() {
        for (index, row) in all().enumerate() {
            let twin =
                |it: &'static Route| it.method == row.method && captures(it.pattern, row.pattern).is_some();
            assert_eq!(all().position(twin), Some(index), "{} {}", row.method, row.pattern);
        }
    }

    proptest! {
        #[test]
        fn no_path_makes_it_panic(path in "[/a{}%0-9f]{0,20}") {
            for row in all() {
                let captured = captures(row.pattern, &path);
                let fits = captured.is_none_or(|it| it.len() == row.pattern.matches('{').count());
                prop_assert!(fits, "{}", row.pattern);
            }
        }
    }
}
