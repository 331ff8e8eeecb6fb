//! Messages of JSON-RPC 2.0.

use serde_json::{Map, Value, json};

/// A message that expects a response.
#[derive(Debug, PartialEq)]
pub(super) struct JsonRpcRequest {
    /// A string or a number, which the response repeats.
    pub(super) id: Value,
    /// Its method, such as `tools/call`.
    pub(super) method: String,
    /// Its parameters; empty if it has none.
    pub(super) params: Map<String, Value>,
}

/// An error in a response.
#[derive(Debug, PartialEq)]
pub(super) struct RpcError {
    code: i32,
    message: String,
    data: Option<Value>,
}

impl RpcError {
    /// The message is no JSON.
    pub(super) fn parse_error(reason: &serde_json::Error) -> Self {
        Self { code: -32700, message: format!("the message is no JSON: {reason}"), data: None }
    }

    /// The message is JSON, but not a message.
    fn invalid_request(reason: &str) -> Self {
        Self { code: -32600, message: reason.into(), data: None }
    }

    pub(super) fn unknown_method(method: &str) -> Self {
        let message = format!("no method is named {method:?}");
        Self { code: -32601, message, data: Some(json!({ "method": method })) }
    }

    pub(super) fn invalid_params(reason: String) -> Self {
        Self { code: -32602, message: reason, data: None }
    }

    /// The client asks for a revision of the protocol that this server does not speak.
    pub(super) fn unsupported_revision(requested: &str, supported: &[&str]) -> Self {
        let message =
            format!("revision {requested:?} is not supported; supported are {}", supported.join(", "));
        let data = json!({"requested": requested, "supported": supported});
        Self { code: -32022, message, data: Some(data) }
    }
}

/// The request in a message; `None` for a notification or a response, which expect none.
///
/// # Errors
/// The message is no object, or lacks a method; batches were removed from the protocol.
pub(super) fn request(message: Value) -> Result<Option<JsonRpcRequest>, RpcError> {
    let Value::Object(mut fields) = message else {
        return Err(RpcError::invalid_request("a message is one object; batches are not supported"));
    };
    if fields.get("jsonrpc") != Some(&json!("2.0")) {
        return Err(RpcError::invalid_request("a message has \"jsonrpc\": \"2.0\""));
    }
    let Some(method) = fields.get("method") else {
        let is_response = fields.contains_key("result") || fields.contains_key("error");
        return if is_response { Ok(None) } else { Err(RpcError::invalid_request("a message has a method")) };
    };
    let Some(method) = method.as_str().map(str::to_owned) else {
        return Err(RpcError::invalid_request("a method is a string"));
    };
    let params = match fields.remove("params") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err(RpcError::invalid_request("params is an object")),
    };
    match fields.remove("id") {
        None => Ok(None),
        Some(id) if id.is_string() || id.is_number() => Ok(Some(JsonRpcRequest { id, method, params })),
        Some(_) => Err(RpcError::invalid_request("an id is a string or a number")),
    }
}

/// The response to the request of this ID; null if that is not known.
pub(super) fn response(id: &Value, outcome: Result<Value, RpcError>) -> Value {
    match outcome {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(RpcError { code, message, data }) => {
            let mut error = json!({"code": code, "message": message});
            if let Some(data) = data {
                error["data"] = data;
            }
            json!({"jsonrpc": "2.0", "id": id, "error": error})
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(message: &Value, expected: Result<Option<&str>, i32>) {
        let found = request(message.clone());
        let found = found.as_ref().map(|it| it.as_ref().map(|it| it.method.as_str())).map_err(|it| it.code);
        assert_eq!(found, expected, "{message}");
    }

    #[test]
    fn requests_are_told_from_notifications() {
        check(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}), Ok(Some("ping")));
        check(&json!({"jsonrpc": "2.0", "id": "a", "method": "ping", "params": null}), Ok(Some("ping")));
        check(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), Ok(None));
        check(&json!({"jsonrpc": "2.0", "id": 1, "result": {}}), Ok(None));
        check(&json!({"jsonrpc": "2.0", "id": null, "method": "ping"}), Err(-32600));
        check(&json!({"jsonrpc": "2.0", "id": 1, "method": 7}), Err(-32600));
        check(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": [1]}), Err(-32600));
        check(&json!({"jsonrpc": "2.0", "id": 1}), Err(-32600));
        check(&json!({"id": 1, "method": "ping"}), Err(-32600));
        check(&json!([]), Err(-32600));
    }

    proptest! {
        #[test]
        fn any_message_is_read_or_refused(id in ".{0,9}", method in ".{0,9}", params in ".{0,9}") {
            let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {"a": params}});
            let found = request(message).unwrap().unwrap();
            prop_assert_eq!((found.id, found.method), (json!(id), method));
            prop_assert!(request(json!(params)).is_err());
        }
    }
}
