//! What a server answers from, so that listeners, limits and TLS are the same for each of them.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;

use super::app_state::AppState;
use super::connection_peer::ConnectionPeer;
use super::message::Response;
use super::request_span;
use super::server_counters::ServerCounters;
use super::timeouts::ConnectionActivity;
use super::web_security::WebSecurity;
use crate::reading::Timestamp;

/// The future of a response to a request.
pub(super) type ResponseFuture<'a> = Pin<Box<dyn Future<Output = Response> + Send + 'a>>;

/// The routes behind a server, with what the server itself needs of them.
pub(super) trait WebApp: fmt::Debug + Send + Sync + 'static {
    /// TLS, authentication and rate limit.
    fn security(&self) -> &Arc<WebSecurity>;

    /// What the server counts.
    fn counts(&self) -> &ServerCounters;

    /// The clock.
    fn clock(&self) -> fn() -> Timestamp;

    /// Ends responses that would otherwise go on, because the server stops.
    fn end_streams(&self) {}

    /// Answers a request.
    fn respond<'a>(
        self: Arc<Self>,
        peer: &'a ConnectionPeer,
        activity: &'a ConnectionActivity,
        request: Request<Incoming>,
    ) -> ResponseFuture<'a>;
}

impl WebApp for AppState {
    fn security(&self) -> &Arc<WebSecurity> {
        &self.security
    }

    fn counts(&self) -> &ServerCounters {
        self.pages.counts()
    }

    fn clock(&self) -> fn() -> Timestamp {
        self.now
    }

    fn end_streams(&self) {
        self.event_streams.end();
    }

    fn respond<'a>(
        self: Arc<Self>,
        peer: &'a ConnectionPeer,
        activity: &'a ConnectionActivity,
        request: Request<Incoming>,
    ) -> ResponseFuture<'a> {
        Box::pin(async move { request_span::respond(&self, peer, activity, request).await })
    }
}
