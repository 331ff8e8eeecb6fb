//! The value of a setting as users see it: in one line of YAML, without secrets.

use figment::value::Value;

use crate::url_credentials::without_credentials;

/// Settings whose values contain a secret after this separator; without it, the whole value is secret.
const SECRETS: [(&str, char); 4] = [
    ("otlp.headers", ':'),
    ("otlp.resource_attributes", '='),
    ("backfill.headers", ':'),
    ("alertmanager.headers", ':'),
];
/// Settings that are not shown.
const HIDDEN: [&str; 2] = ["backfill.user", "alertmanager.user"];

/// The value of a setting in one line, without secrets.
pub(super) fn shown_of(key: &str, value: &Value) -> String {
    let is_empty = value.as_str().is_some_and(str::is_empty);
    if HIDDEN.contains(&key) && !is_empty {
        return "…".into();
    }
    if key == "logs" {
        return without_credentials(&shown(&without_secrets(value)));
    }
    let Some((_, separator)) = SECRETS.iter().find(|it| it.0 == key) else {
        return without_credentials(&shown(value));
    };
    let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    let name =
        |it: &str| it.split_once(*separator).map_or("…".into(), |(name, _)| format!("{name}{separator} …"));
    let names: Vec<String> = texts.map(name).collect();
    if value.as_array().is_some() { shown(&Value::from(names)) } else { "…".into() }
}

/// Logs without the users and headers of their servers.
fn without_secrets(value: &Value) -> Value {
    match value {
        Value::Array(tag, items) => Value::Array(*tag, items.iter().map(without_secrets).collect()),
        Value::Dict(tag, fields) => {
            let field = |(name, value): (&String, &Value)| match name.as_str() {
                "user" | "headers" if shown(value).len() > 2 => (name.clone(), Value::from("…")),
                _ => (name.clone(), without_secrets(value)),
            };
            Value::Dict(*tag, fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

/// A value in YAML, in one line.
fn shown(value: &Value) -> String {
    match value {
        // JSON is YAML in flow style; the YAML writer would use several lines.
        Value::Array(..) | Value::Dict(..) => serde_json::to_string(value).unwrap_or_default(),
        _ => yaml_serde::to_string(value).unwrap_or_default().trim_end().replace('\n', " "),
    }
}
