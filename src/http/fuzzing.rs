//! The fuzzer's way to the parsers of requests and of the control client.

use std::cell::OnceCell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, StatusCode, Uri};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::app_state::AppState;
use super::authentication;
use super::cors::{self, CrossOrigin};
use super::event_stream_limit::EventStreamLimit;
use super::large_responses::LargeResponses;
use super::message::Request;
use super::query_arguments::QueryArguments;
use super::request_traces::RequestTraces;
use super::route::{Route, captures};
use super::routes;
use super::store_reads::StoreReads;
use super::web_config::WebConfig;
use super::{
    AccessSettings, ExpositionOptions, RenderedReportCache, ServerCounters, WebSecurity, control_client,
};
use crate::control_command::{CommandRefusal, ControlCommand, ControlReply, ControlSender};
use crate::engine::{Engine, EngineSettings};
use crate::reading::{MetricLabels, Reading, Timestamp};
use crate::report::Report;
use crate::sources;

/// Longest detail of an error; what it quotes of the request is shortened.
const DETAIL_CHARS_MAX: usize = 600;

/// A server without sockets, made once for a thread, because each input takes microseconds only.
struct SocketlessServer {
    state: Arc<AppState>,
    runtime: Runtime,
}

thread_local! {
    static SERVER: OnceCell<SocketlessServer> = const { OnceCell::new() };
}

impl SocketlessServer {
    /// Nothing if the system refuses a runtime.
    fn start() -> Option<Self> {
        let runtime = Builder::new_current_thread().enable_time().build().ok()?;
        Some(Self { state: Arc::new(app_state()?), runtime })
    }
}

/// The state of a server without a store, whose commands succeed at once.
pub(super) fn app_state() -> Option<AppState> {
    let (newest, reports) = watch::channel(Some(Arc::new(report())));
    drop(newest);
    let options = ExpositionOptions { raw: true, ..ExpositionOptions::default() };
    Some(AppState {
        security: Arc::new(WebSecurity::open(AccessSettings::default()).ok()?),
        reports,
        pages: RenderedReportCache::new(options, Arc::<ServerCounters>::default()),
        telemetry_path: "/metrics".into(),
        interval: Duration::from_secs(1),
        now: || Timestamp(1_795_255_200.0),
        instant: crate::clock::instant,
        control: ControlSender::new(|request| {
            check_command(&request.command);
            let reply = match request.command {
                ControlCommand::Predict { .. } => Err(CommandRefusal::Conflict("no forecast".into())),
                _ => Ok(ControlReply::sentence("done")),
            };
            request.reply(reply);
            true
        }),
        store: None,
        reload: None,
        cors_origins: vec!["https://grafana.example".into()],
        large_responses: LargeResponses::default(),
        event_streams: EventStreamLimit::default(),
        store_reads: StoreReads::default(),
        request_traces: RequestTraces::off(),
    })
}

/// A report with a value for each metric and signal.
fn report() -> Report {
    let mut engine = Engine::new(sources::signals(|_| true), &EngineSettings::default());
    let reading = |at: f64| {
        let mut reading = Reading::new(Timestamp(at));
        for metric in sources::metrics() {
            reading.host().set_by(metric, &MetricLabels::new(metric.labels.iter().copied()), at);
        }
        reading
    };
    engine.step(reading(1_795_255_199.0));
    engine.step(reading(1_795_255_200.0))
}

/// What every command fulfills that reaches the sampling loop.
fn check_command(command: &ControlCommand) {
    match command {
        ControlCommand::Forget { from, to } => assert!(from.0.is_finite() && to.0.is_finite() && from <= to),
        ControlCommand::Train { hours, .. } => assert!(hours.is_none_or(|it| it.is_finite() && it > 0.0)),
        ControlCommand::Predict { horizon_seconds, step_seconds, .. } => {
            let values = horizon_seconds / step_seconds;
            assert!(*step_seconds > 0.0 && *horizon_seconds > 0.0 && values <= 1e6, "{command:?}");
        }
        _ => (),
    }
}

/// Answers a GET: a line with path and query, then lines with headers.
///
/// # Panics
/// If the request is answered as none may be.
pub fn request(bytes: &[u8]) {
    let mut lines = bytes.split(|it| *it == b'\n');
    let Some(Ok(uri)) = lines.next().map(Uri::try_from) else { return };
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|it| *it == b':') else { continue };
        let (name, value) =
            (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(&line[colon + 1..]));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    authentication::fuzzing::login(&headers);
    let _ = cors::preflight(&["*".into()], CrossOrigin::ReadAndPost, &Method::OPTIONS, &headers);
    answer(&uri, &Method::GET, headers, Bytes::new());
}

/// Answers a POST: a line with the path, then the body. Reads the same body as the control client reads a response.
///
/// # Panics
/// As [`request`].
pub fn body(bytes: &[u8]) {
    let (path, body) = match bytes.iter().position(|it| *it == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &b""[..]),
    };
    for status in
        [StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::CONFLICT, StatusCode::SERVICE_UNAVAILABLE]
    {
        let _ = control_client::outcome(status, body);
    }
    if let Ok(uri) = Uri::try_from(path) {
        answer(&uri, &Method::POST, HeaderMap::new(), Bytes::copy_from_slice(body));
    }
}

/// Parses a web configuration file.
///
/// # Panics
/// If an error has no reason, a long one, or one of several lines.
pub fn web_config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match WebConfig::parse(text, Path::new("/etc/hostnorm")) {
        Ok(config) => {
            let limit = config.rate_limit.as_ref();
            assert!(limit.is_none_or(|it| it.burst >= 1 && it.interval > Duration::ZERO));
            assert!(config.tls.iter().all(|it| it.tls12 || it.tls13));
        }
        Err((line, reason)) => {
            // To YAML, each of these ends a line.
            let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count() + 1;
            assert!(line.is_none_or(|it| it <= lines), "line {line:?}: {reason}");
            let length = reason.chars().count();
            assert!((1..=DETAIL_CHARS_MAX).contains(&length), "{length} characters: {reason}");
            assert!(!reason.contains('\n'), "{reason}");
        }
    }
}

fn answer(uri: &Uri, method: &Method, headers: HeaderMap, body: Bytes) {
    SERVER.with(|server| {
        let server = match server.get() {
            Some(server) => server,
            None => match SocketlessServer::start() {
                Some(started) => server.get_or_init(|| started),
                None => return,
            },
        };
        let rows = routes::rows(&server.state, uri.path());
        if let Some(route) = rows.iter().find(|it| it.method == *method) {
            server.runtime.block_on(check(&server.state, route, uri, headers, body));
        }
    });
}

/// A response is no bug of the server, and an error says why in some words.
async fn check(state: &Arc<AppState>, route: &Route, uri: &Uri, headers: HeaderMap, body: Bytes) {
    let path_arguments = captures(route.pattern, uri.path()).unwrap_or_default();
    let outcome = match QueryArguments::parse(uri.query(), route.operation) {
        Ok(query) => {
            (route.handler)(state, Request { headers, query, path_arguments, body, is_admin: true }).await
        }
        Err(problem) => Err(problem),
    };
    match outcome {
        Ok(response) => {
            // Pages answer with errors as pages.
            let is_bug =
                response.status().is_server_error() && response.status() != StatusCode::SERVICE_UNAVAILABLE;
            assert!(!is_bug, "{uri}: {response:?}");
            let is_json = response.headers().values().any(|it| it == "application/json");
            let body = response.into_body().collect().await.map(|it| it.to_bytes()).unwrap_or_default();
            assert!(
                !is_json || serde_json::from_slice::<serde_json::Value>(&body).is_ok(),
                "{uri}: {body:?}"
            );
        }
        Err(problem) => {
            let status = problem.status;
            assert!(
                status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE,
                "{uri}: {problem:?}"
            );
            let length = problem.detail.chars().count();
            assert!(
                (1..=DETAIL_CHARS_MAX).contains(&length),
                "{uri}: {length} characters: {}",
                problem.detail
            );
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests read files")]

    #[test]
    fn the_corpus_is_answered() {
        for corpus in ["http_query", "json_bodies", "web_config"] {
            let parse = match corpus {
                "http_query" => super::request,
                "json_bodies" => super::body,
                _ => super::web_config,
            };
            let corpus = format!("{}/fuzz/corpus/{corpus}", env!("CARGO_MANIFEST_DIR"));
            for file in std::fs::read_dir(corpus).unwrap() {
                parse(&std::fs::read(file.unwrap().path()).unwrap());
            }
        }
    }
}
