//! Matchers of silences, with the semantics of Alertmanager.

use regex_lite::{Regex, RegexBuilder};

/// Longest regular expression, in bytes.
pub const REGEX_BYTES_MAX: usize = 1024;
/// Largest compiled regular expression, in bytes.
const COMPILED_BYTES_MAX: usize = 256 << 10;

/// A condition on one label.
#[derive(Debug, Clone)]
pub struct SilenceMatcher {
    /// Name of the label.
    pub name: String,
    test: ValueTest,
    /// Whether the test must succeed (`=`, `=~`) or fail (`!=`, `!~`).
    is_equal: bool,
}

#[derive(Debug, Clone)]
enum ValueTest {
    Text(String),
    Regex(Regex),
}

impl SilenceMatcher {
    /// A matcher. A regular expression must match the whole value.
    ///
    /// # Errors
    /// If the regular expression is invalid, longer than [`REGEX_BYTES_MAX`], or uses syntax that hostnorm does not know.
    pub fn new(name: &str, value: &str, is_regex: bool, is_equal: bool) -> Result<Self, String> {
        let test = if is_regex { ValueTest::Regex(anchored(value)?) } else { ValueTest::Text(value.into()) };
        Ok(Self { name: name.into(), test, is_equal })
    }

    /// Whether it matches a label that has one of these values.
    pub(super) fn matches_any(&self, mut values: impl Iterator<Item = impl AsRef<str>>) -> bool {
        let succeeds = values.any(|it| match &self.test {
            ValueTest::Text(text) => text == it.as_ref(),
            ValueTest::Regex(regex) => regex.is_match(it.as_ref()),
        });
        succeeds == self.is_equal
    }

    /// Whether it matches a host with this name and any port.
    pub(super) fn matches_host(&self, name: &str) -> bool {
        match &self.test {
            ValueTest::Text(text) => (without_port(text) == name) == self.is_equal,
            // A port that the expression accepts is unknown; the usual ones are tried.
            ValueTest::Regex(_) => {
                let ports = ["", ":19797", ":9100", ":80", ":443"];
                self.matches_any(ports.iter().map(|it| format!("{name}{it}")))
            }
        }
    }
}

/// A host and port without the port.
fn without_port(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit()) => host,
        _ => text,
    }
}

fn anchored(regex: &str) -> Result<Regex, String> {
    if regex.len() > REGEX_BYTES_MAX {
        return Err(format!(
            "a regular expression has {} bytes; the maximum is {REGEX_BYTES_MAX}",
            regex.len()
        ));
    }
    let compiled = |text: &str| RegexBuilder::new(text).size_limit(COMPILED_BYTES_MAX).build();
    // It must be valid by itself, so that no parenthesis of it closes the group of the anchors.
    let built = compiled(regex).and_then(|_| compiled(&format!("^(?:{regex})$")));
    built.map_err(|error| format!("regular expression {regex:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn operators() {
        let check = |value: &str, is_regex: bool, label: &str, expect: bool| {
            let matches = |is_equal| {
                SilenceMatcher::new("a", value, is_regex, is_equal).unwrap().matches_any([label].into_iter())
            };
            assert_eq!(matches(true), expect, "{value} {label}");
            assert_eq!(matches(false), !expect, "{value} {label}");
        };
        check("web", false, "web", true);
        check("web", false, "web-1", false);
        check("", false, "", true);
        check("web|db", true, "db", true);
        check("web|db", true, "db-1", false);
        check("w.*", true, "w\nb", false);
        check("w(?s:.*)", true, "w\nb", true);
        check("", true, "", true);
        check(".+", true, "", false);
        check("(?i)WEB", true, "web", true);
    }

    #[test]
    fn invalid_expressions_are_refused() {
        for regex in ["(", "a{1000}{1000}{1000}", &"a".repeat(REGEX_BYTES_MAX + 1), ")|("] {
            assert!(SilenceMatcher::new("a", regex, true, true).is_err(), "{regex}");
        }
    }

    #[test]
    fn a_host_has_any_port() {
        let check = |value: &str, is_regex: bool, expect: bool| {
            let matcher = SilenceMatcher::new("instance", value, is_regex, true).unwrap();
            assert_eq!(matcher.matches_host("web-1"), expect, "{value}");
        };
        check("web-1", false, true);
        check("web-1:1234", false, true);
        check("web-1:", false, false);
        check("web-1.example.com:1234", false, false);
        check("web-1:19797", true, true);
        check("web-1(:[0-9]+)?", true, true);
        check("web-1:1234", true, false);
    }

    proptest! {
        #[test]
        fn text_is_compared_as_it_is(text in ".{0,20}", other in ".{0,20}") {
            let matcher = SilenceMatcher::new("a", &text, false, true).unwrap();
            prop_assert!(matcher.matches_any([&text].into_iter()));
            prop_assert_eq!(matcher.matches_any([&other].into_iter()), text == other);
        }

        #[test]
        fn any_expression_is_compiled_or_refused(regex in ".{0,60}", label in ".{0,20}") {
            let of = |is_equal| SilenceMatcher::new("a", &regex, true, is_equal);
            if let (Ok(one), Ok(other)) = (of(true), of(false)) {
                prop_assert!(one.matches_any([&label].into_iter()) != other.matches_any([&label].into_iter()));
            }
        }
    }
}
