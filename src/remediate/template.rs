//! Bodies of webhooks: a tree of JSON whose strings have placeholders such as `{{ sentence }}`.
//!
//! A placeholder is replaced within a string of the tree, so a value cannot change the structure of the body. A string that
//! is nothing but `{{ labels }}` or `{{ annotations }}` becomes an object.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::notification::{Alert, AlertStatus};
use crate::secret_text::SecretText;

/// Longest value that is put in place of a placeholder, in characters: chats refuse messages that are much longer.
const VALUE_CHARS_MAX: usize = 1500;
/// Deepest nesting of a body.
const DEPTH_MAX: usize = 32;

/// The names besides `labels.NAME`, `annotations.NAME` and `secrets.NAME`.
pub(super) const NAMES: [&str; 15] = [
    "status",
    "alertname",
    "severity",
    "sentence",
    "summary",
    "fingerprint",
    "starts_at",
    "ends_at",
    "generator_url",
    "dashboard_url",
    "runbook_url",
    "alertmanager_url",
    "rule",
    "dedup_key",
    "event_action",
];

/// The values of one alert.
#[derive(Debug, Clone)]
pub(super) struct TemplateValues<'a> {
    pub(super) alert: &'a Alert,
    pub(super) alertmanager_url: &'a str,
    pub(super) rule: &'a str,
    /// The same for all that is sent about this alert by this action.
    pub(super) dedup_key: &'a str,
    pub(super) secrets: &'a BTreeMap<String, SecretText>,
}

/// Checks all names of a body. `secrets` are those that are declared.
///
/// # Errors
/// The first unknown name, with those that are known.
pub(super) fn check(body: &Value, secrets: &BTreeMap<String, std::path::PathBuf>) -> Result<(), String> {
    let known = |name: &str| match name.split_once('.') {
        Some(("secrets", name)) => secrets.contains_key(name),
        Some(("labels" | "annotations", name)) => !name.is_empty(),
        Some(_) => false,
        None => NAMES.contains(&name) || matches!(name, "labels" | "annotations"),
    };
    visit(body, 0, &mut |text| {
        for part in parts(text)? {
            match part {
                TemplatePart::Name(name) if !known(name) => {
                    return Err(format!(
                        "{{{{ {name} }}}} is unknown; expected {}, labels, annotations, labels.NAME, annotations.NAME or secrets.NAME",
                        NAMES.join(", ")
                    ));
                }
                TemplatePart::Name(_) | TemplatePart::Text(_) => {}
            }
        }
        Ok(())
    })
}

/// The body with the values of an alert.
pub(super) fn fill(body: &Value, values: &TemplateValues<'_>) -> Value {
    match body {
        Value::String(text) => fill_text(text, values),
        Value::Array(items) => items.iter().map(|it| fill(it, values)).collect(),
        Value::Object(fields) => {
            let filled = fields.iter().map(|(name, value)| (name.clone(), fill(value, values)));
            Value::Object(filled.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

fn fill_text(text: &str, values: &TemplateValues<'_>) -> Value {
    // Checked when the rules were read.
    let Ok(parts) = parts(text) else { return Value::from(text) };
    let object = |of: &BTreeMap<String, String>| {
        of.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect::<Map<_, _>>()
    };
    match parts[..] {
        [TemplatePart::Name("labels")] => return object(&values.alert.labels).into(),
        [TemplatePart::Name("annotations")] => return object(&values.alert.annotations).into(),
        _ => {}
    }
    let filled = parts.iter().map(|part| match part {
        TemplatePart::Text(text) => (*text).to_owned(),
        TemplatePart::Name(name) => values.of(name),
    });
    Value::from(filled.collect::<String>())
}

impl TemplateValues<'_> {
    fn of(&self, name: &str) -> String {
        let alert = self.alert;
        let joined = |of: &BTreeMap<String, String>| {
            of.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
        };
        let joined_text;
        let value = match name {
            "status" => alert.status.word(),
            "alertname" | "severity" => alert.label(name),
            "sentence" => alert.sentence(),
            "summary" | "dashboard_url" | "runbook_url" => alert.annotation(name),
            "fingerprint" => &alert.fingerprint,
            "starts_at" => &alert.starts_at,
            "ends_at" if alert.status == AlertStatus::Firing => "",
            "ends_at" => &alert.ends_at,
            "generator_url" => &alert.generator_url,
            "alertmanager_url" => self.alertmanager_url,
            "rule" => self.rule,
            "dedup_key" => self.dedup_key,
            "event_action" if alert.status == AlertStatus::Firing => "trigger",
            "event_action" => "resolve",
            "labels" | "annotations" => {
                joined_text = joined(if name == "labels" { &alert.labels } else { &alert.annotations });
                &joined_text
            }
            _ => match name.split_once('.') {
                Some(("labels", name)) => alert.label(name),
                Some(("annotations", name)) => alert.annotation(name),
                Some(("secrets", name)) => self.secrets.get(name).map_or("", |it| &**it),
                _ => "",
            },
        };
        match value.char_indices().nth(VALUE_CHARS_MAX) {
            None => value.to_owned(),
            Some((end, _)) => format!("{}…", &value[..end]),
        }
    }
}

/// A piece of a string.
#[derive(Debug, PartialEq, Eq)]
enum TemplatePart<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn parts(text: &str) -> Result<Vec<TemplatePart<'_>>, String> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            return Err("a placeholder has no end; write {{ name }}".into());
        };
        parts.extend((!before.is_empty()).then_some(TemplatePart::Text(before)));
        parts.push(TemplatePart::Name(name.trim()));
        rest = after;
    }
    parts.extend((!rest.is_empty()).then_some(TemplatePart::Text(rest)));
    Ok(parts)
}

fn visit(
    body: &Value,
    depth: usize,
    look: &mut impl FnMut(&str) -> Result<(), String>,
) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("the body is nested more than {DEPTH_MAX} levels deep"));
    }
    match body {
        Value::String(text) => look(text),
        Value::Array(items) => items.iter().try_for_each(|it| visit(it, depth + 1, look)),
        Value::Object(fields) => fields.values().try_for_each(|it| visit(it, depth + 1, look)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::matcher::tests::alert;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn filled(body: &Value, alert: &Alert) -> Value {
        let secrets = [("key".to_owned(), SecretText::from("s3cret"))].into();
        let values = TemplateValues {
            alert,
            alertmanager_url: "http://am",
            rule: "r",
            dedup_key: "k",
            secrets: &secrets,
        };
        fill(body, &values)
    }

    #[test]
    fn placeholders_become_values() {
        let alert = alert(&[("alertname", "HostAnomalous"), ("instance", "db-1")]);
        let check = |body: Value, expect: Value| assert_eq!(filled(&body, &alert), expect);
        check(json!("{{ status }}: {{sentence}}"), json!("firing: memory used 91 %"));
        check(json!({"a": ["{{ labels.instance }}", 1, true]}), json!({"a": ["db-1", 1, true]}));
        check(json!("{{ labels }}"), json!({"alertname": "HostAnomalous", "instance": "db-1"}));
        check(json!("of {{ labels }}"), json!("of alertname=HostAnomalous, instance=db-1"));
        check(json!("{{ labels.none }}{{ ends_at }}"), json!(""));
        check(json!("{{ event_action }} {{ secrets.key }}"), json!("trigger s3cret"));
    }

    #[test]
    fn unknown_names_are_refused() {
        let secrets = [("key".to_owned(), "/f".into())].into();
        let refused = |body: Value, expect: &str| {
            let reason = check(&body, &secrets).unwrap_err();
            assert!(reason.contains(expect), "{reason}");
        };
        refused(json!({"a": [{"b": "{{ nothing }}"}]}), "{{ nothing }} is unknown; expected status, ");
        refused(json!("{{ secrets.other }}"), "secrets.other");
        refused(json!("{{ status"), "has no end");
        assert_eq!(check(&json!(["{{ secrets.key }}", "}} { x"]), &secrets), Ok(()));
        for name in NAMES {
            assert_eq!(check(&json!(format!("{{{{ {name} }}}}")), &secrets), Ok(()));
        }
    }

    proptest! {
        #[test]
        fn a_value_stays_a_string(value in "\\PC{0,40}") {
            let filled = filled(&json!({"a": "{{ labels.x }}"}), &alert(&[("x", &value)]));
            prop_assert_eq!(filled, json!({"a": value}));
        }

        #[test]
        fn nothing_makes_it_panic(text in "[\\PC{} a-z.]{0,60}") {
            let body = Value::from(text);
            if check(&body, &BTreeMap::new()).is_ok() {
                filled(&body, &alert(&[]));
            }
        }
    }
}
