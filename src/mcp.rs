//! The server of the Model Context Protocol: read-only tools that answer from the API, for assistants.
//!
//! No model is inside, and nothing is sent anywhere but to the client that asks. The server keeps nothing between two
//! messages, so it speaks the revisions that begin with `initialize` and the one that has no handshake (ADR 041).

use std::io::{self, BufRead, Read, Write};

use schemars::Schema;
use serde_json::{Map, Value, json};

use crate::version;

mod compact_answer;
mod json_rpc;
mod tools;

pub use compact_answer::{ANSWER_BYTES_MAX, ANSWER_TOKENS_MAX, compact};
use json_rpc::{JsonRpcRequest, RpcError};
pub use tools::{TOOLS, ToolDefinition};

/// Longest message on standard input, in bytes.
pub const MESSAGE_BYTES_MAX: u64 = 64 * 1024;

/// Revisions of the protocol that this server speaks, the newest first.
pub const REVISIONS: [&str; 5] = [STATELESS_REVISION, "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// The revision without a handshake: each request names it.
const STATELESS_REVISION: &str = "2026-07-28";
/// The newest revision that begins with `initialize`.
const HANDSHAKE_REVISION: &str = REVISIONS[1];
/// The field of `_meta` in which requests without a handshake name their revision.
const REVISION_FIELD: &str = "io.modelcontextprotocol/protocolVersion";
/// The field of `_meta` with name and version of the server.
const SERVER_FIELD: &str = "io.modelcontextprotocol/serverInfo";

/// The first lines that a client may show to its model.
const INSTRUCTIONS: &str = "hostnorm watches one host and learns what is normal on it. To learn whether anything was unusual at \
                            some time, call explain once. A score of 1 is the unusual level: from there on, there is an anomaly.";

/// Where answers come from: the API of a running hostnorm, or its store.
pub trait ApiSource: Send + Sync + 'static {
    /// Gets a resource of the API, such as `explain?at=now`.
    ///
    /// # Errors
    /// Why there is no answer, in a sentence for the client.
    fn get(&self, resource: String) -> impl Future<Output = Result<Value, String>> + Send;
}

/// Answers the messages of clients.
#[derive(Debug)]
pub struct ToolServer<S>(S);

impl<S: ApiSource> ToolServer<S> {
    /// A server that answers from this source.
    pub fn new(source: S) -> Self {
        Self(source)
    }

    /// The response to a message; `None` if it expects none.
    pub async fn respond(&self, message: Value) -> Option<Value> {
        match json_rpc::request(message) {
            Ok(None) => None,
            Ok(Some(request)) => Some(json_rpc::response(&request.id, self.result(&request).await)),
            Err(error) => Some(json_rpc::response(&Value::Null, Err(error))),
        }
    }

    async fn result(&self, request: &JsonRpcRequest) -> Result<Value, RpcError> {
        let revision =
            request.params.get("_meta").and_then(|it| it.get(REVISION_FIELD)).and_then(Value::as_str);
        if let Some(requested) = revision.filter(|it| !REVISIONS.contains(it)) {
            return Err(RpcError::unsupported_revision(requested, &REVISIONS));
        }
        let mut result = match request.method.as_str() {
            "initialize" => initialize(&request.params),
            "server/discover" => discover(),
            "ping" => json!({}),
            "tools/list" => json!({"tools": TOOLS.iter().map(described).collect::<Vec<_>>()}),
            "tools/call" => self.call(&request.params).await?,
            unknown => return Err(RpcError::unknown_method(unknown)),
        };
        if revision == Some(STATELESS_REVISION) {
            result["resultType"] = "complete".into();
            if request.method != "tools/call" {
                result["ttlMs"] = 0.into();
                result["cacheScope"] = "private".into();
            }
        }
        Ok(result)
    }

    /// The answer of a tool. A tool that has no answer says why in its text, so that the model can mend its arguments.
    async fn call(&self, params: &Map<String, Value>) -> Result<Value, RpcError> {
        let name = params.get("name").and_then(Value::as_str).unwrap_or_default();
        let Some(tool) = TOOLS.iter().find(|it| it.name == name) else {
            let known: Vec<&str> = TOOLS.iter().map(|it| it.name).collect();
            let detail = format!("no tool is named {name:?}; expected {}", known.join(", "));
            return Err(RpcError::invalid_params(detail));
        };
        let arguments = match params.get("arguments") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(arguments)) => arguments.clone(),
            Some(_) => return Err(RpcError::invalid_params("arguments is an object".into())),
        };
        let answer = self.answer(tool, arguments).await;
        let is_error = answer.is_err();
        let (Ok(text) | Err(text)) = answer;
        Ok(json!({"content": [{"type": "text", "text": text}], "isError": is_error}))
    }

    /// The answer of a tool as text: JSON of at most [`ANSWER_BYTES_MAX`].
    async fn answer(&self, tool: &ToolDefinition, arguments: Map<String, Value>) -> Result<String, String> {
        let query = (tool.query)(arguments)?;
        let mut found = Vec::new();
        for resource in tool.resources {
            found.push(self.0.get(format!("{resource}{query}")).await);
        }
        (tool.select)(found).map(compact).map_err(|it| tools::with_tools_for_routes(&it))
    }
}

/// The revision that the client asks for where this server speaks it with a handshake, else the newest such one.
fn initialize(params: &Map<String, Value>) -> Value {
    let requested = params.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
    let is_known = REVISIONS.contains(&requested) && requested != STATELESS_REVISION;
    json!({
        "protocolVersion": if is_known { requested } else { HANDSHAKE_REVISION },
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "hostnorm", "version": version::VERSION},
        "instructions": INSTRUCTIONS,
    })
}

fn discover() -> Value {
    json!({
        "supportedVersions": REVISIONS,
        "capabilities": {"tools": {}},
        "instructions": INSTRUCTIONS,
        "_meta": {SERVER_FIELD: {"name": "hostnorm", "version": version::VERSION}},
    })
}

fn described(tool: &ToolDefinition) -> Value {
    let schema = tool.schema.map_or_else(|| json!({"type": "object"}), |schema| Schema::to_value(schema()));
    json!({
        "name": tool.name,
        "description": tool.description,
        "inputSchema": schema,
        "annotations": {"readOnlyHint": true, "openWorldHint": false},
    })
}

/// Serves one client on these streams, a message a line, until it closes its own.
///
/// # Errors
/// When a message is longer than [`MESSAGE_BYTES_MAX`], or a stream fails.
pub async fn serve(
    source: impl ApiSource,
    mut input: impl BufRead,
    mut output: impl Write,
) -> io::Result<()> {
    let server = ToolServer::new(source);
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = input.by_ref().take(MESSAGE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(());
        }
        if length as u64 == MESSAGE_BYTES_MAX && line.last() != Some(&b'\n') {
            return Err(io::Error::other(format!("a message is longer than {MESSAGE_BYTES_MAX} bytes")));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let response = match serde_json::from_slice(&line) {
            Ok(message) => server.respond(message).await,
            Err(error) => Some(json_rpc::response(&Value::Null, Err(RpcError::parse_error(&error)))),
        };
        if let Some(response) = response {
            writeln!(output, "{response}")?;
            output.flush()?;
        }
    }
}
