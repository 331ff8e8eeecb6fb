//! The route `/mcp`: the Model Context Protocol by streamable HTTP, without sessions, each response whole.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::ORIGIN;
use serde_json::Value;

use super::app_state::AppState;
use super::message::{self, ProblemDetails, Request, Response};
use super::{api, cors};
use crate::mcp::{self, ApiSource, ToolServer};

/// The header with the revision of the protocol.
const REVISION_HEADER: &str = "mcp-protocol-version";

/// The path of the route.
pub(super) const PATH: &str = "/mcp";

/// Answers from the routes of this server.
struct InProcessApi(Arc<AppState>);

impl ApiSource for InProcessApi {
    async fn get(&self, resource: String) -> Result<Value, String> {
        api::get(&self.0, &resource).await.map_err(|problem| problem.detail)
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
    if let Some(revision) = request.headers.get(REVISION_HEADER)
        && !mcp::REVISIONS.iter().any(|it| it.as_bytes() == revision.as_bytes())
    {
        let detail =
            format!("this revision of MCP is not supported; supported are {}", mcp::REVISIONS.join(", "));
        return Err(ProblemDetails::new(StatusCode::BAD_REQUEST, detail));
    }
    let message = request.json(r#"{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}"#)?;
    match ToolServer::new(InProcessApi(Arc::clone(state))).respond(message).await {
        Some(response) => message::json(StatusCode::OK, &response),
        // Nothing is no JSON.
        None => Ok(message::plain(StatusCode::ACCEPTED, "")),
    }
}
