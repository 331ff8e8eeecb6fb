//! Lines of JSON: an object with a level and a message under one of their usual names.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{LogLine, LogSeverity, severity_words};

/// Largest number of names that stand for a message, in a line without one.
const NAMES_MAX: usize = 16;

/// `None` if it is no object, or a part of one.
pub(super) fn parse(line: &str) -> Option<LogLine<'_>> {
    if !line.starts_with('{') {
        return None;
    }
    let object: Object = serde_json::from_str(line).ok()?;
    let suggested = || object.message.as_deref().and_then(severity_words::severity_from_stems);
    let severity = object.severity.or_else(suggested);
    // The values of other fields are variable, so their names stand for them.
    let message = object.message.unwrap_or_else(|| object.names.join(" "));
    Some(LogLine { severity, message: Cow::Owned(message) })
}

#[derive(Debug, Default)]
struct Object {
    severity: Option<LogSeverity>,
    message: Option<String>,
    names: Vec<String>,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Object::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.to_ascii_lowercase().as_str() {
                "level" | "severity" | "lvl" | "loglevel" | "log.level" | "priority" => {
                    let stated = match map.next_value::<serde_json::Value>()? {
                        serde_json::Value::String(word) => severity_of(&word),
                        serde_json::Value::Number(number) => number.as_f64().and_then(LogSeverity::of_number),
                        _ => None,
                    };
                    object.severity = object.severity.max(stated);
                }
                "msg" | "message" | "log" | "event" if object.message.is_none() => {
                    // A message that is an object has none of its own.
                    if let serde_json::Value::String(text) = map.next_value()? {
                        object.message = Some(text);
                    }
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            if object.names.len() < NAMES_MAX {
                object.names.push(name);
            }
        }
        Ok(object)
    }
}

fn severity_of(word: &str) -> Option<LogSeverity> {
    let number = || word.parse::<f64>().ok().and_then(LogSeverity::of_number);
    severity_words::level(word).or_else(number)
}
