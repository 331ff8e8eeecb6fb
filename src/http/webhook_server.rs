//! A small server for a room with one path of its own, beside health and metrics. It has the limits, the TLS and the
//! authentication of the other servers, and a bearer token besides, which Alertmanager can send.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{ALLOW, AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Method, Request, StatusCode};
use ring::digest;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::connection_peer::ConnectionPeer;
use super::message::{self, ProblemDetails, Response, blocking, plain, whole};
use super::request_access;
use super::server;
use super::server_counters::ServerCounters;
use super::timeouts::{ConnectionActivity, REQUEST};
use super::web_app::{ResponseFuture, WebApp};
use super::web_security::WebSecurity;
use crate::reading::Timestamp;
use crate::whole_file;

/// Most bodies in memory at a time; further senders wait for their turn.
const BODIES_MAX: usize = 2;
/// Largest file with a token.
const TOKEN_BYTES_MAX: u64 = 64 << 10;
/// Content type of metrics.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Why a body was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiveError {
    /// The sender must change it (400).
    Malformed(String),
    /// It has too much (413).
    TooLarge(String),
    /// The same body may be taken later (503).
    Unavailable(String),
}

/// What a room does with the bodies that it receives.
pub trait WebhookBodyReceiver: fmt::Debug + Send + Sync + 'static {
    /// Takes a body; it may block. When it returns, what it took is safe.
    ///
    /// # Errors
    /// If the body was not taken.
    fn receive(&self, body: &[u8]) -> Result<(), ReceiveError>;

    /// Whether bodies can be taken; it may block.
    ///
    /// # Errors
    /// The reason why not.
    fn ready(&self) -> Result<(), String>;

    /// The metrics as text 0.0.4; it may block.
    fn metrics(&self) -> String;
}

/// A server of one [`WebhookBodyReceiver`].
#[derive(Debug)]
pub struct ReceiverApp {
    /// TLS, users and rate limit.
    pub security: Arc<WebSecurity>,
    /// A file whose first line is the token of the sender; read at each request, so that it can be renewed.
    pub token_file: Option<PathBuf>,
    /// The path that takes bodies by POST.
    pub path: &'static str,
    /// Largest body, in bytes.
    pub body_bytes_max: usize,
    /// Takes the bodies.
    pub receiver: Arc<dyn WebhookBodyReceiver>,
    /// The clock.
    pub now: fn() -> Timestamp,
    counts: ServerCounters,
    bodies: Semaphore,
}

impl ReceiverApp {
    /// A web app whose sender is `security`'s, or has the token.
    pub fn new(
        security: Arc<WebSecurity>,
        token_file: Option<PathBuf>,
        (path, body_bytes_max): (&'static str, usize),
        receiver: Arc<dyn WebhookBodyReceiver>,
        now: fn() -> Timestamp,
    ) -> Self {
        let (counts, bodies) = (ServerCounters::default(), Semaphore::new(BODIES_MAX));
        Self { security, token_file, path, body_bytes_max, receiver, now, counts, bodies }
    }

    /// Serves until `stop` completes.
    ///
    /// # Errors
    /// When the runtime does not take the listeners.
    pub async fn serve(self, listeners: Vec<TcpListener>, stop: impl Future<Output = ()>) -> io::Result<()> {
        server::serve_app(listeners, async { None }, Arc::new(self), stop).await
    }

    async fn answer(
        &self,
        peer: &ConnectionPeer,
        request: Request<Incoming>,
    ) -> Result<Response, ProblemDetails> {
        let path = request.uri().path().to_owned();
        let is_health = matches!(path.as_str(), "/-/healthy" | "/-/ready");
        self.authenticate(peer, is_health, request.headers()).await?;
        let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
        let receiver = Arc::clone(&self.receiver);
        match path.as_str() {
            "/-/healthy" if is_get => Ok(plain(StatusCode::OK, "hostnorm is Healthy.\n")),
            "/-/ready" if is_get => Ok(match blocking(move || receiver.ready()).await? {
                Ok(()) => plain(StatusCode::OK, "hostnorm is Ready.\n"),
                Err(reason) => {
                    let text = format!("hostnorm is not Ready: {reason}\n");
                    plain(StatusCode::SERVICE_UNAVAILABLE, text)
                }
            }),
            "/metrics" if is_get => {
                Ok(whole(StatusCode::OK, TEXT, blocking(move || receiver.metrics()).await?))
            }
            path if path == self.path && *request.method() == Method::POST => self.receive(request).await,
            "/-/healthy" | "/-/ready" | "/metrics" => Err(not_allowed(&request, "GET, HEAD")),
            path if path == self.path => Err(not_allowed(&request, "POST")),
            _ => {
                let detail = format!("not found; notifications go to {}, metrics are at /metrics", self.path);
                Err(ProblemDetails::new(StatusCode::NOT_FOUND, detail))
            }
        }
    }

    async fn receive(&self, request: Request<Incoming>) -> Result<Response, ProblemDetails> {
        // A semaphore that is never closed always gives a place.
        let _place = self.bodies.acquire().await;
        let body = timeout(REQUEST, message::read_up_to(request.into_body(), self.body_bytes_max)).await;
        let body = body.unwrap_or_else(|_| {
            let detail = format!("the body did not arrive within {} s; send it whole", REQUEST.as_secs());
            Err(ProblemDetails::new(StatusCode::REQUEST_TIMEOUT, detail))
        })?;
        let receiver = Arc::clone(&self.receiver);
        let problem = |status, detail: String| Err(ProblemDetails::new(status, detail));
        match blocking(move || receiver.receive(&body)).await? {
            Ok(()) => Ok(plain(StatusCode::OK, "ok\n")),
            Err(ReceiveError::Malformed(reason)) => problem(StatusCode::BAD_REQUEST, reason),
            Err(ReceiveError::TooLarge(reason)) => problem(StatusCode::PAYLOAD_TOO_LARGE, reason),
            Err(ReceiveError::Unavailable(reason)) => {
                Err(ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, reason).with(RETRY_AFTER, 10))
            }
        }
    }

    /// Lets the owner of the token in, and whom the web configuration lets in.
    async fn authenticate(
        &self,
        peer: &ConnectionPeer,
        is_health: bool,
        headers: &HeaderMap,
    ) -> Result<(), ProblemDetails> {
        let Some(file) = self.token_file.as_ref().filter(|_| !is_health) else {
            return request_access::authenticate(&self.security, peer, is_health, headers).await.map(|_| ());
        };
        if self.security.active().config.users.is_empty() || bearer(headers).is_some() {
            request_access::take_token(&self.security)?;
            let (file, given) = (file.clone(), bearer(headers).map(str::to_owned));
            return blocking(move || check_token(&file, given.as_deref())).await?;
        }
        request_access::authenticate(&self.security, peer, is_health, headers).await.map(|_| ())
    }
}

impl WebApp for ReceiverApp {
    fn security(&self) -> &Arc<WebSecurity> {
        &self.security
    }

    fn counts(&self) -> &ServerCounters {
        &self.counts
    }

    fn clock(&self) -> fn() -> Timestamp {
        self.now
    }

    fn respond<'a>(
        self: Arc<Self>,
        peer: &'a ConnectionPeer,
        activity: &'a ConnectionActivity,
        request: Request<Incoming>,
    ) -> ResponseFuture<'a> {
        Box::pin(async move {
            let started = Instant::now();
            let _handling = activity.begin_request();
            let mut response = self.answer(peer, request).await.unwrap_or_else(Response::from);
            for (name, value) in &self.security.active().config.headers {
                response.headers_mut().entry(name).or_insert_with(|| value.clone());
            }
            let (status, took) = (response.status().as_u16(), started.elapsed());
            tracing::debug!(status, seconds = took.as_secs_f64(), "request answered");
            response
        })
    }
}

fn not_allowed(request: &Request<Incoming>, allowed: &'static str) -> ProblemDetails {
    let detail = format!("{} is not allowed here; use {allowed}", request.method());
    ProblemDetails::new(StatusCode::METHOD_NOT_ALLOWED, detail).with(ALLOW, HeaderValue::from_static(allowed))
}

/// The bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether the token is that of the file. Hashes are compared, so that the time tells nothing of the token.
fn check_token(file: &std::path::Path, given: Option<&str>) -> Result<(), ProblemDetails> {
    let refuse = |detail: &str| {
        let challenge = HeaderValue::from_static("Bearer realm=\"hostnorm\"");
        Err(ProblemDetails::new(StatusCode::UNAUTHORIZED, detail).with(WWW_AUTHENTICATE, challenge))
    };
    let Some(given) = given else { return refuse("a bearer token is required in Authorization") };
    let wanted = match whole_file::text(file, TOKEN_BYTES_MAX) {
        Ok(text) => text.lines().next().unwrap_or_default().trim().to_owned(),
        Err(reason) => {
            tracing::warn!(file = %file.display(), reason, "the token of senders cannot be read");
            String::new()
        }
    };
    let hash = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
    if wanted.is_empty() || hash(&wanted).as_ref() != hash(given).as_ref() {
        return refuse("the bearer token is wrong; check the token file on both sides");
    }
    Ok(())
}
