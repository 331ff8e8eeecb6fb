//! What hostnorm says of itself on standard error.

use serde::{Deserialize, Serialize};

/// What is logged, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings {
    /// The least important events that are logged.
    pub level: Level,
    /// How events are written.
    pub format: Format,
}

/// How important an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Someone has to act, or hostnorm is of no use.
    Error,
    /// Someone should look.
    Warn,
    /// What an operator wants to have read afterwards.
    #[default]
    Info,
    /// What explains the rest.
    Debug,
    /// Everything.
    Trace,
}

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `key=value`, as Prometheus writes its own log.
    #[default]
    Logfmt,
    /// One object a line.
    Json,
}
