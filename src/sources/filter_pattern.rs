//! A regular expression in a setting, validated at load.

use std::fmt;

use regex_lite::Regex;
use serde::{Deserialize, Serialize};

/// Names to leave out; the empty pattern leaves out nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExcludePattern(Option<Regex>);

impl ExcludePattern {
    /// A built-in pattern, which tests prove to be valid.
    pub(super) fn known(text: &str) -> Self {
        Self(Regex::new(text).ok())
    }

    /// Whether a name is left out.
    pub fn matches(&self, text: &str) -> bool {
        self.0.as_ref().is_some_and(|it| it.is_match(text))
    }

    /// Whether it leaves out nothing.
    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or("", Regex::as_str)
    }
}

impl PartialEq for ExcludePattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl TryFrom<String> for ExcludePattern {
    type Error = ExcludePatternError;

    fn try_from(text: String) -> Result<Self, ExcludePatternError> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        match Regex::new(&text) {
            Ok(regex) => Ok(Self(Some(regex))),
            Err(error) => Err(ExcludePatternError { reason: error.to_string(), text }),
        }
    }
}

impl From<ExcludePattern> for String {
    fn from(pattern: ExcludePattern) -> Self {
        pattern.as_str().into()
    }
}

/// Names or lines to read; the empty pattern stands for all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncludePattern(ExcludePattern);

impl IncludePattern {
    /// Whether it stands for all names.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a name is read.
    pub fn matches(&self, text: &str) -> bool {
        self.0.as_str().is_empty() || self.0.matches(text)
    }
}

/// A text that is no regular expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExcludePatternError {
    /// The text.
    text: String,
    /// The reason.
    reason: String,
}

impl fmt::Display for ExcludePatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, reason } = self;
        write!(f, "{text:?} is not a regular expression: {reason}; an empty text is no filter")
    }
}

impl std::error::Error for ExcludePatternError {}

#[cfg(test)]
mod tests {
    use super::{ExcludePattern, IncludePattern};

    #[test]
    fn an_empty_pattern_leaves_out_nothing() {
        let pattern = ExcludePattern::try_from(String::new()).unwrap();
        assert!(!pattern.matches("") && !pattern.matches("sda"));
    }

    #[test]
    fn an_empty_pattern_includes_all() {
        let pattern = |text: &str| IncludePattern(ExcludePattern::try_from(text.to_owned()).unwrap());
        assert!(pattern("").matches("pod/shop/web"));
        assert!(pattern("^pod/").matches("pod/shop/web") && !pattern("^pod/").matches("service/a.service"));
    }

    #[test]
    fn an_invalid_pattern_has_an_error() {
        let error = ExcludePattern::try_from("^(sda".to_string()).unwrap_err().to_string();
        assert!(error.contains("\"^(sda\" is not a regular expression: "), "{error}");
    }
}
