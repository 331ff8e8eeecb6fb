//! Matchers of labels in Alertmanager's syntax, such as `severity="critical"` and `kind=~"host|log"`.

use std::str::FromStr;

use regex_lite::Regex;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::notification::Alert;

/// Longest matcher, in bytes.
const MATCHER_BYTES_MAX: usize = 1024;

/// A condition on a label. A missing label is an empty one.
#[derive(Debug, Clone)]
pub(super) struct AlertMatcher {
    name: String,
    is_negated: bool,
    test: ValueTest,
}

#[derive(Debug, Clone)]
enum ValueTest {
    Text(String),
    Regex(Regex),
}

impl AlertMatcher {
    /// Whether the alert satisfies it.
    pub(super) fn matches(&self, alert: &Alert) -> bool {
        let value = alert.label(&self.name);
        let fits = match &self.test {
            ValueTest::Text(text) => value == text,
            ValueTest::Regex(pattern) => pattern.is_match(value),
        };
        fits != self.is_negated
    }
}

impl FromStr for AlertMatcher {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "expected a label, one of = != =~ !~, and a value, such as severity=\"critical\"";
        if text.len() > MATCHER_BYTES_MAX {
            return Err(format!("the matcher is longer than {MATCHER_BYTES_MAX} bytes"));
        }
        let text = text.trim();
        let malformed = || format!("{text:?} is malformed: {FORM}");
        let end = text.find(|it: char| !it.is_ascii_alphanumeric() && it != '_').ok_or_else(malformed)?;
        let (name, rest) = text.split_at(end);
        if name.is_empty() || name.starts_with(|it: char| it.is_ascii_digit()) {
            return Err(malformed());
        }
        let rest = rest.trim_start();
        let operators = [("=~", false, true), ("!~", true, true), ("!=", true, false), ("=", false, false)];
        let chosen = operators.into_iter().find_map(|(operator, is_negated, is_pattern)| {
            rest.strip_prefix(operator).map(|value| (value.trim(), is_negated, is_pattern))
        });
        let (value, is_negated, is_pattern) = chosen.ok_or_else(malformed)?;
        let value = unquoted(value).ok_or_else(malformed)?;
        let test = match is_pattern {
            false => ValueTest::Text(value),
            true => match Regex::new(&format!("^(?s:{value})$")) {
                Ok(pattern) => ValueTest::Regex(pattern),
                Err(error) => return Err(format!("{text:?} has an invalid regular expression: {error}")),
            },
        };
        Ok(Self { name: name.to_owned(), is_negated, test })
    }
}

/// The value without its quotes; `None` for one with a quote too few or too many.
fn unquoted(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else {
        return (!value.contains('"')).then(|| value.to_owned());
    };
    let (mut text, mut characters) = (String::new(), inner.chars());
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(text),
            '\\' => match characters.next()? {
                'n' => text.push('\n'),
                escaped @ ('"' | '\\') => text.push(escaped),
                other => text.extend(['\\', other]),
            },
            other => text.push(other),
        }
    }
}

impl<'de> Deserialize<'de> for AlertMatcher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::notification::AlertStatus;
    use super::*;
    use proptest::prelude::*;

    /// A firing alert with these labels.
    pub(in crate::remediate) fn alert(labels: &[(&str, &str)]) -> Alert {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Alert {
            status: AlertStatus::Firing,
            labels: labels.iter().map(pair).collect(),
            annotations: [("description".to_owned(), "memory used 91 %".to_owned())].into(),
            starts_at: "2026-01-02T03:04:05Z".into(),
            ends_at: "0001-01-01T00:00:00Z".into(),
            generator_url: "http://prometheus/graph".into(),
            fingerprint: "c0ffee".into(),
        }
    }

    #[test]
    fn as_alertmanager_matches() {
        let alert = alert(&[("severity", "critical"), ("kind", "host"), ("odd", "a\"b")]);
        let check = |matcher: &str, expect: bool| {
            assert_eq!(matcher.parse::<AlertMatcher>().unwrap().matches(&alert), expect, "{matcher}");
        };
        check("severity=\"critical\"", true);
        check("severity = critical", true);
        check("severity!=\"critical\"", false);
        check("kind=~\"host|log\"", true);
        check("kind=~\"ho\"", false);
        check("kind!~\"ho.*\"", false);
        check("cluster=\"\"", true);
        check("cluster=~\".+\"", false);
        check("odd=\"a\\\"b\"", true);
    }

    #[test]
    fn errors_say_what_is_expected() {
        let check = |matcher: &str, expect: &str| {
            let reason = matcher.parse::<AlertMatcher>().unwrap_err();
            assert!(reason.contains(expect), "{matcher}: {reason}");
        };
        check("severity", "is malformed: expected a label");
        check("=\"a\"", "is malformed");
        check("1a=b", "is malformed");
        check("a=\"b", "is malformed");
        check("a=\"b\"c", "is malformed");
        check("a=~\"(\"", "has an invalid regular expression");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[\\PCa-z=!~\"\\\\]{0,40}") {
            if let Ok(matcher) = text.parse::<AlertMatcher>() {
                let _ = matcher.matches(&alert(&[]));
            }
        }

        #[test]
        fn a_quoted_value_is_that_value(value in "[^\\\\]{0,20}") {
            let quoted = format!("a=\"{}\"", value.replace('"', "\\\""));
            prop_assert!(quoted.parse::<AlertMatcher>().unwrap().matches(&alert(&[("a", &value)])));
        }
    }
}
