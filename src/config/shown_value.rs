//! The value of a setting as users see it: in one line of YAML, without secrets.

use figment::value::Value;

use crate::control_characters::one_line;
use crate::url_credentials::address;

/// Settings whose values contain a secret after this separator; without it, the whole value is secret.
const SECRETS: [(&str, char); 4] = [
    ("otlp.headers", ':'),
    ("otlp.resource_attributes", '='),
    ("backfill.headers", ':'),
    ("alertmanager.headers", ':'),
];
/// Settings that are not shown.
const HIDDEN: [&str; 2] = ["backfill.user", "alertmanager.user"];
/// Parts of the names of keys whose values are not shown, in any mapping.
const SECRET_NAMES: [&str; 9] =
    ["user", "headers", "passw", "secret", "token", "credential", "authorization", "apikey", "api_key"];
/// What stands for a hidden value.
const HIDDEN_VALUE: &str = "…";

/// The value of a setting in one line, without secrets.
pub(super) fn displayed_setting_value(key: &str, value: &Value) -> String {
    in_one_line(key, value, is_secret)
}

/// The value of a refused setting: of mappings only the keys, because a secret may stand below a misspelled one.
pub(super) fn refused(key: &str, value: &Value) -> String {
    in_one_line(key, value, |_| true)
}

fn in_one_line(key: &str, value: &Value, is_hidden: fn(&str) -> bool) -> String {
    if HIDDEN.contains(&key) && !value.as_str().is_some_and(str::is_empty) {
        return HIDDEN_VALUE.into();
    }
    let Some((_, separator)) = SECRETS.iter().find(|it| it.0 == key) else {
        return one_line(&shown(&without_secrets(value, is_hidden)));
    };
    let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    let name = |it: &str| {
        it.split_once(*separator)
            .map_or(HIDDEN_VALUE.into(), |(name, _)| format!("{name}{separator} {HIDDEN_VALUE}"))
    };
    let names: Vec<String> = texts.map(name).collect();
    if value.as_array().is_some() { shown(&Value::from(names)) } else { HIDDEN_VALUE.into() }
}

/// Whether the name of a key tells that its value is secret; that of a file is not.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    !name.ends_with("_file") && SECRET_NAMES.iter().any(|it| name.contains(it))
}

/// A value without the secrets of its addresses and below its hidden keys.
fn without_secrets(value: &Value, is_hidden: fn(&str) -> bool) -> Value {
    match value {
        Value::String(tag, text) => Value::String(*tag, address(text)),
        Value::Array(tag, items) => {
            Value::Array(*tag, items.iter().map(|it| without_secrets(it, is_hidden)).collect())
        }
        Value::Dict(tag, fields) => {
            let field = |(name, value): (&String, &Value)| {
                let is_leaf = !matches!(value, Value::Array(..) | Value::Dict(..));
                let is_empty = shown(value).len() <= "[]".len();
                let hides = !is_empty && (is_secret(name) || (is_leaf && is_hidden(name)));
                let value = if hides { Value::from(HIDDEN_VALUE) } else { without_secrets(value, is_hidden) };
                (name.clone(), value)
            };
            Value::Dict(*tag, fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

/// A sentence about a value without the secrets of the addresses that it quotes.
pub(super) fn sentence_about(value: &Value, sentence: String) -> String {
    match value {
        Value::String(_, text) => {
            let escaped = text.escape_debug().to_string();
            [text, &escaped].into_iter().fold(sentence, |sentence, quoted| match address(quoted) {
                shown if shown == *quoted => sentence,
                shown => sentence.replace(quoted.as_str(), &shown),
            })
        }
        Value::Array(_, items) => items.iter().fold(sentence, |sentence, it| sentence_about(it, sentence)),
        Value::Dict(_, fields) => fields.values().fold(sentence, |sentence, it| sentence_about(it, sentence)),
        _ => sentence,
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
