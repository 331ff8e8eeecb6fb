//! The server of the Model Context Protocol: read-only tools that answer from the API, for assistants.
//!
//! No model is inside, and nothing is sent anywhere but to the client that asks.

use std::io;
use std::sync::Arc;

use rmcp::handler::server::common::schema_for_empty_input;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::{RequestContext, RoleServer, ServiceExt};
use rmcp::{ErrorData, ServerHandler};
use serde_json::Value;

use crate::version;

mod compact_answer;
mod tools;

pub use compact_answer::{ANSWER_CHARACTERS_MAX, compact};
pub use tools::{TOOLS, ToolDefinition};

/// The first lines that a client may show to its model.
const INSTRUCTIONS: &str = "hostnorm watches one host and learns what is normal on it. To learn whether anything was unusual at \
                            some time, call explain once. A score of 1 is the threshold of an anomaly.";

/// Where answers come from: the API of a running hostnorm, or its store.
pub trait ApiSource: Send + Sync + 'static {
    /// Gets a resource of the API, such as `explain?at=now`.
    ///
    /// # Errors
    /// Why there is no answer, in a sentence for the client.
    fn get(&self, resource: String) -> impl Future<Output = Result<Value, String>> + Send;
}

/// Answers the requests of one client.
#[derive(Debug)]
pub struct ToolServer<S>(Arc<S>);

impl<S: ApiSource> ToolServer<S> {
    /// A server that answers from this source.
    pub fn new(source: S) -> Self {
        Self(Arc::new(source))
    }

    /// The answer of a tool as text: JSON of at most [`ANSWER_CHARACTERS_MAX`] characters.
    ///
    /// # Errors
    /// Why there is no answer: unknown arguments, or the refusal of the source.
    pub async fn answer(
        &self,
        tool: &ToolDefinition,
        arguments: serde_json::Map<String, Value>,
    ) -> Result<String, String> {
        let query = (tool.query)(arguments)?;
        let mut found = Vec::new();
        for resource in tool.resources {
            found.push(self.0.get(format!("{resource}{query}")).await);
        }
        (tool.select)(found).map(compact)
    }
}

impl<S: ApiSource> ServerHandler for ToolServer<S> {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("hostnorm", version::VERSION))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(TOOLS.iter().map(described).collect()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        TOOLS.iter().find(|it| it.name == name).map(described)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = TOOLS.iter().find(|it| it.name == request.name) else {
            let known: Vec<&str> = TOOLS.iter().map(|it| it.name).collect();
            let detail = format!("no tool is named {:?}; expected {}", request.name, known.join(", "));
            return Err(ErrorData::invalid_params(detail, None));
        };
        let answer = self.answer(tool, request.arguments.unwrap_or_default()).await;
        let result = match answer {
            Ok(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
            Err(reason) => CallToolResult::error(vec![ContentBlock::text(reason)]),
        };
        Ok(result.into())
    }
}

fn described(tool: &ToolDefinition) -> Tool {
    let schema = tool.schema.map_or_else(schema_for_empty_input, |schema| schema());
    let annotations = ToolAnnotations::new().read_only(true).open_world(false);
    Tool::new(tool.name, tool.description, schema).with_annotations(annotations)
}

/// Serves one client on standard input and output until it closes them.
///
/// # Errors
/// When the client breaks the protocol, or the streams fail.
pub async fn serve_stdio(source: impl ApiSource) -> io::Result<()> {
    let running = ToolServer::new(source).serve(rmcp::transport::stdio()).await.map_err(io::Error::other)?;
    running.waiting().await.map_err(io::Error::other)?;
    Ok(())
}
