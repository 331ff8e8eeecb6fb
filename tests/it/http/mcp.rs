//! The tools for assistants, by the messages that a client sends over HTTP.

use hostnorm::control_command::{ControlCommand, ControlReply, ForecastReply, ForecastValue};
use hostnorm::mcp::{self, ANSWER_BYTES_MAX, ApiSource, MESSAGE_BYTES_MAX, REVISIONS};
use hostnorm::reading::Subject;
use serde_json::{Value, json};

use super::api::{Api, START};
use super::client::Answer;

/// Sends a message of the protocol.
fn post(api: &Api, body: &str, headers: &str) -> Answer {
    let mut client = api.server.client();
    client.send(&format!(
        "POST /mcp HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    client.answer(true).expect("an answer")
}

/// The result of a method.
fn call(api: &Api, method: &str, params: &Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let answer = post(api, &body.to_string(), "MCP-Protocol-Version: 2025-06-18\r\n");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{body}");
    let message: Value = serde_json::from_slice(&answer.body).unwrap();
    message["result"].clone()
}

/// The text of a tool's answer, and whether it is an error.
fn tool(api: &Api, name: &str, arguments: &Value) -> (String, bool) {
    let result = call(api, "tools/call", &json!({"name": name, "arguments": arguments}));
    let text = result["content"][0]["text"].as_str().unwrap().to_owned();
    assert!(text.len() <= ANSWER_BYTES_MAX);
    (text, result["isError"] == true)
}

fn json_of(api: &Api, name: &str, arguments: &Value) -> Value {
    let (text, is_error) = tool(api, name, arguments);
    assert!(!is_error, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn tools_are_listed_with_their_schemas() {
    let api = Api::start();
    let client = json!({"name": "test", "version": "1"});
    let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client});
    let server = call(&api, "initialize", &params);
    assert_eq!(
        (&server["serverInfo"]["name"], &server["protocolVersion"]),
        (&json!("hostnorm"), &json!("2025-06-18"))
    );
    let tools = call(&api, "tools/list", &json!({}));
    let tools = tools["tools"].as_array().unwrap();
    let names: Vec<_> = tools.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["explain", "status", "episodes", "signals", "forecast"]);
    for tool in tools {
        assert_eq!(tool["annotations"]["readOnlyHint"], true);
        assert_eq!(tool["inputSchema"]["type"], "object");
    }
    let arguments = tools[0]["inputSchema"]["properties"].as_object().unwrap();
    assert_eq!(arguments.keys().collect::<Vec<_>>(), ["at", "from", "kind", "subject", "to", "window"]);
    api.server.stop();
}

#[test]
fn each_revision_of_the_protocol_is_spoken() {
    let api = Api::start();
    for revision in &REVISIONS[1..] {
        let server = call(&api, "initialize", &json!({"protocolVersion": revision}));
        assert_eq!(server["protocolVersion"], *revision);
    }
    let unknown = call(&api, "initialize", &json!({"protocolVersion": "1999-01-01"}));
    assert_eq!(unknown["protocolVersion"], REVISIONS[1]);
    // Clients of the newest revision send no initialize and name the revision in each request.
    let meta = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": REVISIONS[0]}});
    let server = call(&api, "server/discover", &meta);
    assert_eq!(
        (&server["resultType"], &server["supportedVersions"]),
        (&json!("complete"), &json!(REVISIONS))
    );
    assert_eq!(call(&api, "tools/list", &meta)["resultType"], "complete");
    api.server.stop();
}

#[test]
fn mistakes_in_a_message_are_errors_of_json_rpc() {
    let api = Api::start();
    let check = |message: &Value, code: i32| {
        let answer: Value = serde_json::from_slice(&post(&api, &message.to_string(), "").body).unwrap();
        assert_eq!(answer["error"]["code"], code, "{answer}");
    };
    check(&json!({"jsonrpc": "2.0", "id": 1, "method": "resources/list"}), -32601);
    check(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "reboot"}}), -32602);
    check(&json!([{"jsonrpc": "2.0", "id": 1, "method": "ping"}]), -32600);
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2030-01-01"});
    check(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"_meta": meta}}), -32022);
    let notification = r#"{"jsonrpc": "2.0", "method": "notifications/initialized"}"#;
    let answer = post(&api, notification, "");
    assert_eq!((answer.status, answer.body.len()), (202, 0));
    assert_ne!(answer.header("content-type"), Some("application/json"), "nothing is no JSON");
    api.server.stop();
}

/// Answers with the name of the resource.
struct Echo;

impl ApiSource for Echo {
    async fn get(&self, resource: String) -> Result<Value, String> {
        Ok(json!({ "resource": resource }))
    }
}

#[test]
fn a_client_on_standard_input_gets_a_line_for_each_request() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let serve = |input: &str| {
        let mut output = Vec::new();
        let served = runtime.block_on(mcp::serve(Echo, input.as_bytes(), &mut output));
        let lines = String::from_utf8(output).unwrap();
        let lines: Vec<Value> = lines.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
        (served, lines)
    };
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"explain","arguments":{"at":"-2h"}}}"#;
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let (served, lines) = serve(&format!("{notification}\n\n{{\n{call}"));
    served.unwrap();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!((&lines[0]["error"]["code"], &lines[0]["id"]), (&json!(-32700), &Value::Null));
    assert_eq!(lines[1]["result"]["content"][0]["text"], r#"{"resource":"explain?at=%2D2h"}"#);
    let (served, lines) = serve(&" ".repeat(MESSAGE_BYTES_MAX as usize + 1));
    assert!(served.unwrap_err().to_string().contains("longer than 65536 bytes") && lines.is_empty());
}

#[test]
fn explain_says_what_was_unusual() {
    let api = Api::start();
    let at = json!(START + 30.0 * 105.0);
    let found = json_of(&api, "explain", &json!({"at": at, "window": "1m", "subject": "host"}));
    assert_eq!(found["unusual"], true);
    assert!(found["message"].as_str().unwrap().starts_with("Anomaly on host: CPU usage 90 %"), "{found}");
    let episode = &found["subjects"][0]["episodes"][0];
    assert_eq!(
        (&episode["id"], &episode["began"]),
        (&json!("2026-11-21T10:50:00Z"), &json!("2026-11-21T10:50:00Z"))
    );
    let quiet = json_of(&api, "explain", &json!({"at": START + 30.0 * 80.0, "window": "2m"}));
    assert!(quiet["message"].as_str().unwrap().starts_with("Nothing was unusual on host"), "{quiet}");
    assert_eq!(quiet["unusual"], false);
    // "No" would be wrong where nothing is known.
    let unknown = json_of(&api, "explain", &json!({"at": "2099-01-01"}));
    assert!(unknown["message"].as_str().unwrap().ends_with("it is in the future"), "{unknown}");
    assert_eq!((unknown.get("unusual"), unknown["subjects"][0].get("unusual")), (None, None));
    api.server.stop();
}

#[test]
fn episodes_and_signals_are_answered_and_mistakes_explained() {
    let api = Api::start();
    let found = json_of(&api, "episodes", &json!({"from": "-1d"}));
    assert_eq!(found["episodes"][0]["peak"], 3);
    let of_host = json_of(&api, "episodes", &json!({"from": "-1d", "subject": "host", "kind": "host"}));
    assert_eq!(of_host, found);
    let none = json_of(&api, "episodes", &json!({"to": "2020-01-01"}));
    assert_eq!(none, json!({"message": "no anomaly is recorded in this time"}));
    let found = json_of(&api, "signals", &json!({}));
    // It is outside its range, so it comes first.
    assert_eq!(found["signals"][0]["metric"], "memory_used_ratio");
    let check = |name: &str, arguments: &Value, says: &str| {
        let (text, is_error) = tool(&api, name, arguments);
        assert!(is_error && text.contains(says), "{text}");
    };
    check("explain", &json!({"window": "2d"}), "the maximum is 1d");
    check("explain", &json!({"when": "now"}), "unknown field `when`, expected one of `at`");
    for name in ["signals", "episodes"] {
        check(
            name,
            &json!({"subject": "web"}),
            "no subject is named \"web\"; the tool status lists the subjects",
        );
    }
    api.server.stop();
}

#[test]
fn a_forecast_has_a_few_values_and_the_time_until_full() {
    let api = Api::start();
    let value = ForecastValue { timestamp: START, expected: 0.123_456, lower: 0.0, upper: 1.0 };
    let forecast = ForecastReply {
        metric: "memory_used_ratio".into(),
        made_at: START,
        points: vec![value],
        note: None,
        earliest_full_seconds: Some(7_234.5),
        likely_full_seconds: None,
    };
    let data = serde_json::to_value(&forecast).unwrap();
    *api.server.outcome.lock().unwrap() = Some(Ok(ControlReply { message: String::new(), data }));
    let found = json_of(&api, "forecast", &json!({"metric": "memory.usage_percent", "horizon": "6h"}));
    let point = json!({"timestamp": "2026-11-21T10:00:00Z", "expected": 0.123, "lower": 0, "upper": 1});
    assert_eq!((&found["points"], &found["earliest_full_seconds"]), (&json!([point]), &json!(7230)));
    let asked = api.server.commands.lock().unwrap().pop().unwrap();
    let expected = ControlCommand::Predict {
        subject: Subject::Host,
        signal: "memory_used_ratio".into(),
        horizon_seconds: 21_600.0,
        step_seconds: 1_800.0,
    };
    assert_eq!(asked, expected);
    api.server.stop();
}

#[test]
fn pages_of_other_origins_and_malformed_messages_are_refused() {
    let api = Api::start();
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let check = |body: &str, headers: &str, status: u16| {
        assert_eq!(post(&api, body, headers).status, status, "{body} {headers}");
    };
    check(list, "", 200);
    // A name that was made to resolve to this host.
    check(list, "Origin: http://here\r\n", 403);
    check(list, "Origin: null\r\n", 403);
    check("{", "", 400);
    check(list, "MCP-Protocol-Version: 2030-01-01\r\n", 400);
    check(&"[".repeat(70_000), "", 413);
    assert_eq!(api.server.client().ask("GET", "/mcp", "").status, 405);
    api.server.stop();
}

#[test]
fn a_page_of_an_allowed_origin_may_send_messages_and_read_the_answers() {
    let api = Api::start();
    let origin = "Origin: https://grafana.example\r\n";
    let preflight = |path: &str| {
        let asks = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n";
        let answer = api.server.client().ask("OPTIONS", path, &format!("{origin}{asks}"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://grafana.example"), "{path}");
        ["methods", "headers"]
            .map(|it| answer.header(&format!("access-control-allow-{it}")).unwrap_or_default().to_lowercase())
    };
    let [methods, headers] = preflight("/mcp");
    assert!(methods.contains("post") && headers.contains("content-type"), "{methods} {headers}");
    assert!(headers.contains("mcp-protocol-version") && headers.contains("authorization"), "{headers}");
    assert_eq!(preflight("/api/v1/train")[0], "get, head");
    let answer = post(&api, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, origin);
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (200, Some("https://grafana.example"))
    );
    // The reason of an error can be read, too.
    assert_eq!(
        post(&api, "{", origin).header("access-control-allow-origin"),
        Some("https://grafana.example")
    );
    api.server.stop();
}
