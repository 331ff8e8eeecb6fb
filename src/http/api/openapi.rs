//! `GET /api/v1/openapi.json`: the OpenAPI 3.1 document, made from the route table.

use std::sync::LazyLock;

use hyper::{Method, StatusCode};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::http::api_operation::{ApiOperation, ApiParameter, ApiParameterType};
use crate::http::app_state::AppState;
use crate::http::message::{
    BODY_BYTES_MAX, HEAD_BYTES_MAX, HEADERS_MAX, PROBLEM_JSON, ProblemDetails, Request, Response, json,
};
use crate::http::route::{Route, RouteAccess};
use crate::version;

/// The document; the route table does not change.
static DOCUMENT: LazyLock<Value> = LazyLock::new(openapi);

pub(super) async fn document(_: &AppState, _: Request) -> Result<Response, ProblemDetails> {
    json(StatusCode::OK, &*DOCUMENT)
}

/// The OpenAPI document of the routes below `/api/v1`.
pub fn openapi() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for route in super::ROUTES {
        let Some(operation) = route.operation else { continue };
        let path = paths.entry(route.pattern).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = described(route, operation, &mut generator);
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".into(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "hostnorm",
            "description": env!("CARGO_PKG_DESCRIPTION"),
            "version": version::VERSION,
            "license": {"name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "certificate": {"type": "mutualTLS", "description": "client_auth_type of web.config_file"},
            },
        },
        // By web.config_file: neither, one of them, or both.
        "security": [{}, {"basic": []}, {"certificate": []}, {"basic": [], "certificate": []}],
    })
}

fn described(route: &Route, operation: &ApiOperation, generator: &mut SchemaGenerator) -> Value {
    let (media_type, schema) = operation.response;
    let without = if media_type == "text/plain" { "string" } else { "object" };
    let schema = schema.map_or_else(|| json!({"type": without}), |of| of(generator).to_value());
    let mut responses = Map::new();
    let done = json!({"description": "success", "content": {media_type: {"schema": schema}}});
    responses.insert(operation.success.to_string(), done);
    // Of a body that does not arrive, is too long, or is compressed.
    let of_body: &[u16] = if route.method == Method::POST { &[408, 413, 415] } else { &[] };
    if operation.success == 200 && route.method == Method::GET {
        responses.insert("304".into(), json!({"description": "the client has this response: If-None-Match"}));
    }
    for status in [400_u16, 401, 421, 429, 503].iter().chain(of_body).chain(operation.errors) {
        let problem = json!({"schema": {"$ref": "#/components/schemas/Problem"}});
        responses.insert(
            status.to_string(),
            json!({"description": error(*status), "content": {PROBLEM_JSON: problem}}),
        );
    }
    // The server gives it before it knows the route, without a body.
    responses.insert(
        "431".into(),
        json!({"description": format!("the head is longer than {HEAD_BYTES_MAX} bytes, or has more than {HEADERS_MAX} headers")}),
    );
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": operation.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "responses": responses,
    });
    if let Some(body) = operation.body {
        let schema = body(generator).to_value();
        described["requestBody"] = json!({"required": !operation.body_is_optional, "content": {"application/json": {"schema": schema}}});
    }
    if route.access == RouteAccess::Admin {
        let setting = operation.setting.map(|it| {
            format!(" The route needs the setting {it} (--{}) in both cases.", it.replace('_', "-"))
        });
        described["description"] = json!(format!(
            "Served on the control socket, and over TCP to authenticated users if web.enable_admin_api is set.{}",
            setting.unwrap_or_default()
        ));
    }
    described
}

fn parameter(it: &ApiParameter) -> Value {
    let schema = match it.takes {
        ApiParameterType::Text => json!({"type": "string"}),
        ApiParameterType::Instant => json!({
            "type": "string",
            "description": "Unix seconds, RFC 3339, a day, now, or -2h for two hours ago",
            "examples": ["1790000000", "2026-11-21T10:00:00Z", "2026-11-21", "-2h", "now"],
        }),
        ApiParameterType::Duration => json!({"type": "string", "examples": ["30s", "1h30m"]}),
    };
    let place = if it.in_path { "path" } else { "query" };
    json!({"name": it.name, "in": place, "required": it.required, "description": it.help, "schema": schema})
}

/// The reason for a status.
fn error(status: u16) -> String {
    match status {
        400 => "a parameter or the body is malformed".into(),
        421 => "web.config_file has changed since the connection was opened".into(),
        401 => "web.config_file asks for a user name and a password".into(),
        403 => "this route needs the control socket, or web.enable_admin_api and authentication, or a setting that its description names".into(),
        404 => "no such subject, signal, episode or model".into(),
        409 => "the current state does not allow it, or hostnorm has no store".into(),
        408 => "the body did not arrive in time".into(),
        413 => format!("the body is longer than {BODY_BYTES_MAX} bytes"),
        415 => "the body is compressed".into(),
        422 => "the new settings are invalid; the settings in effect stay".into(),
        429 => "too many requests, or too many failed logins".into(),
        _ => {
            "no reading yet, the store cannot be read or is busy, or the sampling loop does not reply".into()
        }
    }
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "An error by RFC 9457",
        "required": ["title", "status", "detail"],
        "properties": {
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "The reason, and what to do"},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reference_leads_to_a_schema() {
        let document = openapi();
        let text = document.to_string();
        let references = text.split("\"$ref\":\"#/components/schemas/").skip(1);
        let names: Vec<&str> = references.filter_map(|it| it.split('"').next()).collect();
        assert!(!names.is_empty());
        for name in names {
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
    }

    #[test]
    fn data_of_replies_for_programs_have_a_schema() {
        let document = openapi();
        for (path, method, status) in [
            ("/api/v1/status", "get", "200"),
            ("/api/v1/maintenance", "get", "200"),
            ("/api/v1/jobs/{id}", "get", "200"),
            ("/api/v1/train", "post", "202"),
        ] {
            let reply = &document["paths"][path][method]["responses"][status];
            let data = &reply["content"]["application/json"]["schema"]["properties"]["data"];
            assert!(data["$ref"].is_string() || data["items"]["$ref"].is_string(), "{path}: {data}");
        }
    }

    #[test]
    fn a_route_that_a_setting_serves_names_it() {
        let reload = &openapi()["paths"]["/-/reload"]["post"];
        let description = reload["description"].as_str().unwrap();
        assert!(description.contains("web.enable_lifecycle (--web.enable-lifecycle)"), "{description}");
    }

    #[test]
    fn a_post_is_never_answered_with_not_modified() {
        for (path, methods) in openapi()["paths"].as_object().unwrap() {
            assert!(methods["post"]["responses"]["304"].is_null(), "{path}");
        }
    }

    #[test]
    fn path_parameters_are_those_of_the_pattern() {
        for (path, methods) in openapi()["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let parameters = operation["parameters"].as_array().unwrap();
                let in_path = parameters.iter().filter(|it| it["in"] == "path");
                let names: Vec<String> =
                    in_path.map(|it| format!("{{{}}}", it["name"].as_str().unwrap())).collect();
                assert_eq!(names.len(), path.matches('{').count(), "{method} {path}");
                assert!(names.iter().all(|it| path.contains(it)), "{method} {path}");
            }
        }
    }
}
