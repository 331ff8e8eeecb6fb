//! The place where a setting was given, and errors with their place.

use std::fmt;
use std::path::PathBuf;

/// What the names of settings in the environment begin with.
pub(super) const PREFIX: &str = "HOSTNORM_";

/// Most problems that are shown; a file of another kind would fill screens.
const PROBLEMS_SHOWN_MAX: usize = 50;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueSource {
    /// Nowhere: hostnorm's own choice.
    Default,
    /// In the settings file.
    File {
        /// Which one.
        path: PathBuf,
        /// Where, counted from 1, when it could be found out.
        line: Option<usize>,
    },
    /// In a variable of the environment.
    Environment {
        /// Its name.
        name: String,
    },
    /// On the command line.
    Flag {
        /// Its name, without the dashes in front.
        name: String,
    },
}

impl ValueSource {
    /// How a setting is called at such a place.
    pub(super) fn name_of(&self, key: &str) -> String {
        match self {
            Self::Default | Self::File { .. } => key.to_owned(),
            Self::Environment { .. } => variable(key),
            Self::Flag { .. } => format!("--{}", flag(key)),
        }
    }

    /// The order in which places are told, from the top of the file to the command line.
    pub(super) fn order(&self) -> (u8, usize) {
        match self {
            Self::Default => (0, 0),
            Self::File { line, .. } => (1, line.unwrap_or(0)),
            Self::Environment { .. } => (2, 0),
            Self::Flag { .. } => (3, 0),
        }
    }
}

/// The variable of the environment for a key: `HOSTNORM_WEB__LISTEN_ADDRESS`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// The flag for a key, without the dashes in front: `web.listen-address`.
pub(super) fn flag(key: &str) -> String {
    key.replace('_', "-")
}

/// Whether Kubernetes made the variable for a service whose name begins with "hostnorm", as it does in each
/// pod of a namespace: `HOSTNORM_SERVICE_HOST`, `HOSTNORM_PORT_19797_TCP_ADDR`, …
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
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::Environment { name } => write!(f, "environment variable {name}"),
            Self::Flag { name } => write!(f, "flag --{name}"),
        }
    }
}

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Where it was written.
    pub source: ValueSource,
    /// The key, as far as there is one.
    pub key: Option<String>,
    /// What was written, as far as it can be shown.
    pub value: Option<String>,
    /// What is wrong and what would help.
    pub sentence: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.source)?;
        // Flags and variables are named after the key.
        let is_named = matches!(self.source, ValueSource::Environment { .. } | ValueSource::Flag { .. });
        if let Some(key) = self.key.as_ref().filter(|_| !is_named) {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.sentence)
    }
}

/// Everything that is wrong with the settings, at least one thing.
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
