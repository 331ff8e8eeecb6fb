//! Formats an event as a line: logfmt, or JSON with the same fields.

use std::fmt;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::LogFormat;
use crate::episode_text;
use crate::reading::Timestamp;

/// Formats each event as one line.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineFormatter {
    pub(super) format: LogFormat,
    /// Source of the time.
    pub(super) now: fn() -> Timestamp,
}

impl<S, N> FormatEvent<S, N> for LineFormatter
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = event.metadata().level().as_str().to_lowercase();
        let mut fields = LogFields(vec![
            ("ts", episode_text::instant((self.now)()).into()),
            ("level", level.into()),
            ("msg", Value::from("")),
        ]);
        // hostnorm's own modules would be noise for operators; events of libraries need a name.
        let target = event.metadata().target();
        if target.split("::").next() != Some(env!("CARGO_PKG_NAME")) {
            fields.0.push(("target", target.into()));
        }
        event.record(&mut fields);
        let line = match self.format {
            LogFormat::Logfmt => logfmt(&fields.0),
            LogFormat::Json => json(&fields.0),
        };
        writeln!(to, "{line}")
    }
}

/// The fields of one event, in order.
struct LogFields(Vec<(&'static str, Value)>);

impl LogFields {
    fn set(&mut self, field: &Field, value: Value) {
        let name = if field.name() == "message" { "msg" } else { field.name() };
        // The first occurrence of a name counts, except for the message, which is placed first.
        match self.0.iter_mut().find(|(other, _)| *other == name) {
            Some((_, place)) if name == "msg" => *place = value,
            Some(_) => (),
            None => self.0.push((name, value)),
        }
    }
}

impl Visit for LogFields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity and no NaN.
        let number = serde_json::Number::from_f64(value).map(Value::Number);
        self.set(field, number.unwrap_or_else(|| value.to_string().into()));
    }
}

fn json(fields: &[(&str, Value)]) -> String {
    let pairs = fields.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{}:{}", escaped(name), escaped(text)),
        number => format!("{}:{number}", escaped(name)),
    });
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}

fn logfmt(fields: &[(&str, Value)]) -> String {
    let pairs = fields.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name}={}", quoted(text)),
        number => format!("{name}={number}"),
    });
    pairs.collect::<Vec<_>>().join(" ")
}

/// Quotes text where needed, as Go's logfmt does (`needsQuotedValueRune`).
fn quoted(text: &str) -> String {
    let needs = |it: char| {
        it <= ' ' || it == '=' || it == '"' || it.is_control() || it == char::REPLACEMENT_CHARACTER
    };
    match text.is_empty() || text.contains(needs) {
        true => escaped(text),
        false => text.to_owned(),
    }
}

/// Text as a JSON string. All control characters are escaped, including those that JSON allows, so that a file's
/// content cannot control a terminal.
fn escaped(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            it if it.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(it))),
            it => quoted.push(it),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: &str) {
        assert_eq!(quoted(text), expect);
    }

    #[test]
    fn only_what_needs_quotes_has_them() {
        check("plain", "plain");
        check("/proc/stat:1", "/proc/stat:1");
        check("back\\slash", "back\\slash");
        check("größe", "größe");
        check("", r#""""#);
        check("two words", r#""two words""#);
        check("a=b", r#""a=b""#);
        check("say \"hi\"", r#""say \"hi\"""#);
        check("a\nb\tc\r", r#""a\nb\tc\r""#);
        check("\u{1b}[31m", r#""\u001b[31m""#);
        check("\u{9b}\u{7f}", r#""\u009b\u007f""#);
    }

    /// Parses logfmt: names, `=`, then a bare word or a JSON string.
    fn read_back(line: &str) -> Option<Vec<(String, String)>> {
        let mut found = Vec::new();
        let mut rest = line;
        while !rest.is_empty() {
            let (name, tail) = rest.split_once('=')?;
            let value = if tail.starts_with('"') {
                let mut values = serde_json::Deserializer::from_str(tail).into_iter::<String>();
                let value = values.next()?.ok()?;
                rest = &tail[values.byte_offset()..];
                value
            } else {
                let end = tail.find(' ').unwrap_or(tail.len());
                rest = &tail[end..];
                tail[..end].to_owned()
            };
            found.push((name.to_owned(), value));
            rest = rest.strip_prefix(' ').unwrap_or(rest);
        }
        Some(found)
    }

    proptest! {
        #[test]
        fn written_text_parses_to_the_same(texts in prop::collection::vec(any::<String>(), 1..4)) {
            const NAMES: [&str; 3] = ["one", "two", "three"];
            let fields: Vec<_> = NAMES.iter().copied().zip(texts.iter().map(|it| Value::from(it.as_str()))).collect();
            let expect: Vec<_> =
                fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().unwrap().to_owned())).collect();
            let line = logfmt(&fields);
            prop_assert_eq!(line.lines().count(), 1);
            prop_assert_eq!(read_back(&line), Some(expect));
            prop_assert!(!json(&fields).contains(char::is_control));
            let object: serde_json::Map<String, Value> = serde_json::from_str(&json(&fields)).unwrap();
            for (name, value) in fields {
                prop_assert_eq!(object.get(name), Some(&value));
            }
        }
    }
}
