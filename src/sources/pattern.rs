//! A regular expression in a setting, validated at load.

use std::fmt;

use regex_lite::Regex;
use serde::{Deserialize, Serialize};

/// What is to be left out; the empty pattern leaves out nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Option<Regex>);

impl Pattern {
    /// A pattern that this crate brings along and its tests know to be valid.
    pub(super) fn known(text: &str) -> Self {
        Self(Regex::new(text).ok())
    }

    /// Whether the text is to be left out.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.as_ref().is_some_and(|it| it.is_match(text))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or("", Regex::as_str)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        match Regex::new(&text) {
            Ok(regex) => Ok(Self(Some(regex))),
            Err(error) => Err(PatternError { reason: error.to_string(), text }),
        }
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.as_str().into()
    }
}

/// A text that is no regular expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    /// What was written.
    text: String,
    /// Why it is not one.
    reason: String,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, reason } = self;
        write!(f, "{text:?} is not a regular expression: {reason}; an empty text excludes nothing")
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn an_empty_pattern_leaves_out_nothing() {
        let pattern = Pattern::try_from(String::new()).unwrap();
        assert!(!pattern.matches("") && !pattern.matches("sda"));
    }

    #[test]
    fn what_is_no_pattern_is_said_in_a_sentence() {
        let error = Pattern::try_from("^(sda".to_string()).unwrap_err().to_string();
        assert!(error.contains("\"^(sda\" is not a regular expression: "), "{error}");
    }
}
