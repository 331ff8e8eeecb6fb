//! The client of the control socket.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};

use super::control_socket::ControlStream;
use crate::control_command::{CommandRefusal, CommandResult, ControlCommand, ControlReply, REPLY_DEADLINE};
use crate::episode_pattern::OperatorVerdict;
use crate::episode_text;

/// Time for a response, longer than the time that hostnorm waits for its own loop.
const DEADLINE: Duration = REPLY_DEADLINE.saturating_add(Duration::from_secs(5));
/// Longest response that is read, in bytes.
const RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why a command did not reach hostnorm, or its response did not come back.
#[derive(Debug)]
pub enum ControlClientError {
    /// There is no socket at this path, or nobody listens on it: hostnorm does not run.
    NotRunning(PathBuf),
    /// The user of the command may not use the socket.
    PermissionDenied(PathBuf),
    /// Anything else.
    Failed {
        /// Path of the socket.
        path: PathBuf,
        /// What failed.
        reason: String,
    },
}

impl fmt::Display for ControlClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(path) => write!(
                f,
                "no hostnorm listens on {}; start it, or pass the settings it was started with",
                path.display()
            ),
            Self::PermissionDenied(path) => write!(
                f,
                "permission denied for {}: run the command as root, as the user that hostnorm runs as, or as a member of \
                 its group",
                path.display()
            ),
            Self::Failed { path, reason } => {
                write!(f, "cannot connect to hostnorm on {}: {reason}", path.display())
            }
        }
    }
}

impl std::error::Error for ControlClientError {}

/// Sends a command to the hostnorm that listens on this socket; waits for the outcome, at most 35 s.
///
/// # Errors
/// When there is no outcome. A refusal by hostnorm is an outcome.
pub fn send(path: &Path, command: &ControlCommand) -> Result<CommandResult, ControlClientError> {
    let (status, body) = exchange_on(path, request(command))?;
    outcome(status, &body).ok_or_else(|| unexpected(path, status))
}

/// Gets a resource of the API, such as `explain?at=now`, from the hostnorm that listens on this socket; waits at most 35 s.
///
/// # Errors
/// When there is no response. A refusal by hostnorm is one.
pub fn get(
    path: &Path,
    resource: &str,
) -> Result<Result<serde_json::Value, CommandRefusal>, ControlClientError> {
    let (status, body) = exchange_on(path, build(Method::GET, resource, None))?;
    if !status.is_success() {
        return refusal(status, &body).map(Err).ok_or_else(|| unexpected(path, status));
    }
    serde_json::from_slice(&body).map(Ok).map_err(|_| unexpected(path, status))
}

fn unexpected(path: &Path, status: StatusCode) -> ControlClientError {
    let reason = format!("unexpected response with status {status}");
    ControlClientError::Failed { path: path.to_owned(), reason }
}

/// Sends a request on the socket at this path.
fn exchange_on(
    path: &Path,
    request: hyper::http::Result<Request<Full<Bytes>>>,
) -> Result<(StatusCode, Bytes), ControlClientError> {
    let failed = |reason: String| ControlClientError::Failed { path: path.to_owned(), reason };
    let request = request.map_err(|error| failed(error.to_string()))?;
    let responded = block_on(DEADLINE, async { exchange(connect(path).await?, request).await });
    responded.map_err(|error| match error.kind() {
        // Below a file, there is no socket either.
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::ConnectionRefused => {
            ControlClientError::NotRunning(path.to_owned())
        }
        ErrorKind::PermissionDenied => ControlClientError::PermissionDenied(path.to_owned()),
        ErrorKind::TimedOut => failed(format!(
            "no response within {} s; the command may still be carried out, see the log",
            DEADLINE.as_secs()
        )),
        _ => failed(error.to_string()),
    })
}

/// A command as the request that the route table takes.
fn request(command: &ControlCommand) -> hyper::http::Result<Request<Full<Bytes>>> {
    let encode =
        |it: &str| percent_encoding::utf8_percent_encode(it, percent_encoding::NON_ALPHANUMERIC).to_string();
    let post = |path: &str, body| (Method::POST, path.to_owned(), body);
    let (method, path, body) = match command {
        ControlCommand::Status => (Method::GET, "status".to_owned(), None),
        ControlCommand::Predict { subject, signal, horizon_seconds, step_seconds } => {
            let (kind, name) = (subject.kind().name(), encode(subject.name()));
            let signal = encode(signal);
            let span = format!("horizon={horizon_seconds}s&step={step_seconds}s");
            (Method::GET, format!("predict?kind={kind}&subject={name}&metric={signal}&{span}"), None)
        }
        ControlCommand::Baselines { subject } => {
            let (kind, name) = (subject.kind().name(), encode(subject.name()));
            (Method::GET, format!("baseline?kind={kind}&subject={name}"), None)
        }
        ControlCommand::Learn { on } => post("learn", Some(json!({ "on": on }))),
        ControlCommand::Accept => post("accept", None),
        ControlCommand::Maintenance => (Method::GET, "maintenance".to_owned(), None),
        ControlCommand::StartMaintenance { name, duration } => {
            post("maintenance/start", Some(json!({ "for": duration, "name": name })))
        }
        ControlCommand::StopMaintenance => post("maintenance/stop", None),
        ControlCommand::SetVerdict { subject, second, verdict } => {
            let verb = match verdict {
                OperatorVerdict::Rejected => "reject",
                OperatorVerdict::Confirmed => "confirm",
            };
            post(&format!("episodes/{}/{verb}", encode(&episode_text::id(subject, *second))), None)
        }
        ControlCommand::Forget { from, to } => post("forget", Some(json!({ "from": from, "to": to }))),
        ControlCommand::Train { kind, hours } => {
            post("train", Some(json!({ "kind": kind.name(), "hours": hours })))
        }
        ControlCommand::Job { id } => (Method::GET, format!("jobs/{id}"), None),
        ControlCommand::Promote { model } => post(&format!("models/{}/promote", encode(model)), None),
        ControlCommand::Rollback => post("models/rollback", None),
    };
    build(method, &path, body)
}

/// A request for a resource of the API.
fn build(
    method: Method,
    path: &str,
    body: Option<serde_json::Value>,
) -> hyper::http::Result<Request<Full<Bytes>>> {
    Request::builder()
        .method(method)
        .uri(format!("/api/v1/{path}"))
        .header(HOST, "hostnorm")
        .header(CONNECTION, "close")
        .header(CONTENT_TYPE, "application/json")
        .body(body.map(|it| it.to_string()).unwrap_or_default().into())
}

/// The outcome in a response; `None` if the response is not from hostnorm.
pub(super) fn outcome(status: StatusCode, body: &[u8]) -> Option<CommandResult> {
    if status.is_success() {
        return serde_json::from_slice::<ControlReply>(body).ok().map(Ok);
    }
    refusal(status, body).map(Err)
}

/// The refusal in a response; `None` if the response is not from hostnorm.
fn refusal(status: StatusCode, body: &[u8]) -> Option<CommandRefusal> {
    let problem: serde_json::Value = serde_json::from_slice(body).ok()?;
    let detail = problem.get("detail")?.as_str()?.to_owned();
    Some(match status {
        StatusCode::NOT_FOUND => CommandRefusal::NotFound(detail),
        StatusCode::SERVICE_UNAVAILABLE => CommandRefusal::Unavailable(detail),
        _ => CommandRefusal::Conflict(detail),
    })
}

#[cfg(unix)]
pub(super) async fn connect(path: &Path) -> io::Result<ControlStream> {
    ControlStream::connect(path).await
}

/// There are no Unix sockets here.
#[cfg(not(unix))]
pub(super) async fn connect(_: &Path) -> io::Result<ControlStream> {
    Err(ErrorKind::NotFound.into())
}

/// Sends one request and reads the response whole.
pub(super) async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> io::Result<(StatusCode, Bytes)>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), RESPONSE_BYTES_MAX).collect().await;
    Ok((status, body.map_err(io::Error::other)?.to_bytes()))
}

/// Runs a future on a runtime of its own, with a deadline.
pub(super) fn block_on<T>(deadline: Duration, future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { tokio::time::timeout(deadline, future).await? })
}
