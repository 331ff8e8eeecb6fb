//! The source of a setting, and errors with their source.

use std::fmt;
use std::path::PathBuf;

use crate::control_characters::one_line;
use crate::url_credentials::without_credentials;

/// Prefix of environment variables.
pub(super) const PREFIX: &str = "HOSTNORM_";

/// Largest number of problems shown; a file of another kind would fill screens.
pub(super) const PROBLEMS_SHOWN_MAX: usize = 20;

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueSource {
    /// The default.
    Default,
    /// In the settings file.
    File {
        /// Its path.
        path: PathBuf,
        /// The line, counted from 1, if known.
        line: Option<usize>,
    },
    /// In an environment variable.
    Environment {
        /// Its name.
        name: String,
    },
    /// On the command line.
    Flag {
        /// Its name without the leading dashes.
        name: String,
    },
}

impl ValueSource {
    /// Name of a setting at this source.
    pub(super) fn name_of(&self, key: &str) -> String {
        match self {
            Self::Default | Self::File { .. } => key.to_owned(),
            Self::Environment { .. } => variable(key),
            Self::Flag { .. } => format!("--{}", flag(key)),
        }
    }

    /// Order of sources in messages, from the file to the command line.
    pub(super) fn order(&self) -> (u8, usize) {
        match self {
            Self::Default => (0, 0),
            Self::File { line, .. } => (1, line.unwrap_or(0)),
            Self::Environment { .. } => (2, 0),
            Self::Flag { .. } => (3, 0),
        }
    }
}

/// Environment variable of a key: `HOSTNORM_WEB__LISTEN_ADDRESS`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// Flag of a key, without the leading dashes: `web.listen-address`.
pub(super) fn flag(key: &str) -> String {
    match key {
        // As all exporters of Prometheus have it.
        "web.config_file" => "web.config.file".to_owned(),
        key => key.replace('_', "-"),
    }
}

/// Whether Kubernetes created the variable for a service named "hostnorm…", as it does in each pod of a namespace:
/// `HOSTNORM_SERVICE_HOST`, `HOSTNORM_PORT_19797_TCP_ADDR`, …
pub(super) fn is_service_link(rest: &str) -> bool {
    let rest = format!("_{rest}");
    ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"].iter().any(|end| rest.ends_with(end))
        || rest.contains("_SERVICE_PORT_")
        || ["_TCP", "_UDP", "_SCTP"].iter().any(|it| rest.contains(it) && rest.contains("_PORT_"))
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => {
                f.write_str(&one_line(&path.display().to_string()))?;
                line.map_or(Ok(()), |line| write!(f, ":{line}"))
            }
            Self::Environment { name } => write!(f, "environment variable {name}"),
            Self::Flag { name } => write!(f, "flag --{name}"),
        }
    }
}

/// A problem with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Its source.
    pub source: ValueSource,
    /// The key, if any.
    pub key: Option<String>,
    /// The value, if it can be shown.
    pub value: Option<String>,
    /// The problem, and what to do.
    pub sentence: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            ValueSource::File { .. } => write!(f, "{}: ", self.source)?,
            named => write!(f, "{}: ", shortened(&named.to_string(), NAME_CHARS_MAX))?,
        }
        // Flags and variables already contain the key.
        let is_named = matches!(self.source, ValueSource::Environment { .. } | ValueSource::Flag { .. });
        if let Some(key) = self.key.as_ref().filter(|_| !is_named) {
            write!(f, "{}: ", shortened(key, NAME_CHARS_MAX))?;
        }
        f.write_str(&shortened(&without_credentials(&self.sentence), SENTENCE_CHARS_MAX))
    }
}

/// Longest name of a setting or variable that is shown.
const NAME_CHARS_MAX: usize = 120;
/// Longest sentence that is shown.
const SENTENCE_CHARS_MAX: usize = 600;

/// A text in one line, shortened in its middle: it starts with the user's input, which may be anything, and ends with
/// what to do.
fn shortened(text: &str, chars_max: usize) -> String {
    let line = one_line(text);
    let count = line.chars().count();
    if count <= chars_max {
        return line;
    }
    let start = line.chars().take(chars_max / 2);
    start.chain(['…']).chain(line.chars().skip(count - chars_max / 2)).collect()
}

/// All problems of the settings, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblems(pub Vec<ConfigProblem>);

/// One line for each problem.
impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, problem) in self.0.iter().take(PROBLEMS_SHOWN_MAX).enumerate() {
            let separator = if idx == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        match self.0.len().saturating_sub(PROBLEMS_SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for ConfigProblems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_input_is_one_short_line_with_its_end() {
        let problem = |key: &str, sentence: String| ConfigProblem {
            source: ValueSource::Default,
            key: Some(key.into()),
            value: None,
            sentence,
        };
        let shown = problem("a\nb", "\"x\" is not a duration".into()).to_string();
        assert!(shown.ends_with("a\\nb: \"x\" is not a duration"), "{shown}");
        let shown =
            problem(&"k".repeat(9999), format!("\"{}\" is not a duration", "é".repeat(9999))).to_string();
        assert!(shown.chars().count() < 800 && shown.ends_with("é\" is not a duration"), "{shown}");
    }
}
