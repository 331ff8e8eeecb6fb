//! The route `/mcp`: the Model Context Protocol by streamable HTTP, without sessions, each response whole.

use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use hyper::{Method, StatusCode};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::cors;
use super::message::{BODY_BYTES_MAX, ProblemDetails, Request, Response};
use super::routes::{self, AppState};
use crate::mcp::{ApiSource, ToolServer};

/// The path of the route.
pub(super) const PATH: &str = "/mcp";

/// Answers from the routes of this server.
struct OwnRoutes(Arc<AppState>);

impl ApiSource for OwnRoutes {
    async fn get(&self, resource: String) -> Result<Value, String> {
        routes::get(&self.0, &resource).await.map_err(|problem| problem.detail)
    }
}

/// Answers a message of the protocol.
pub(super) async fn respond(state: &Arc<AppState>, request: Request) -> Result<Response, ProblemDetails> {
    // A page that a browser shows may have a name that was made to resolve to this host (DNS rebinding), so it is not
    // enough that origin and host are equal. Clients that are not browsers send no origin.
    if let Some(origin) = request.headers.get(ORIGIN)
        && !cors::is_allowed(&state.cors_origins, origin)
    {
        let detail = "pages of this origin may not use MCP; name it in the setting web.cors_origins";
        return Err(ProblemDetails::new(StatusCode::FORBIDDEN, detail));
    }
    // The library answers 415 to a body that is not JSON.
    request.json::<IgnoredAny>(r#"{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}"#)?;
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        // A host has many names, and the check of the origin protects it.
        .disable_allowed_hosts()
        .with_max_request_body_bytes(BODY_BYTES_MAX);
    let own = Arc::clone(state);
    let server = StreamableHttpService::new(
        move || Ok(ToolServer::new(OwnRoutes(Arc::clone(&own)))),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    let mut message = hyper::Request::new(Full::new(request.body));
    *message.method_mut() = Method::POST;
    // No other headers: the library may log what it gets, and a password is not for the log.
    let is_known =
        |name: &HeaderName| [ACCEPT, CONTENT_TYPE, HOST].contains(name) || name.as_str().starts_with("mcp-");
    for (name, value) in request.headers.iter().filter(|(name, _)| is_known(name)) {
        message.headers_mut().append(name, value.clone());
    }
    Ok(server.handle(message).await.map(BodyExt::boxed_unsync))
}
