//! Lines of a VictoriaLogs server.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{LogPositions, LogSourceError, StopFlag};
use crate::log_stream::LogStream;

/// Where to read from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VictoriaLogsSettings {
    /// Address of the server.
    pub url: String,
}

impl VictoriaLogsSettings {
    /// The key and the reason of the first invalid value; none if all are valid.
    pub fn error(&self) -> Option<(&'static str, String)> {
        None
    }
}

/// Reads lines until `stop` is set.
///
/// # Errors
/// What needs a new start, which the caller makes after a wait.
pub fn run(
    settings: &VictoriaLogsSettings,
    stream: &Arc<LogStream>,
    positions: &LogPositions,
    stop: &StopFlag,
) -> Result<(), LogSourceError> {
    let _ = (settings, stream, positions, stop);
    Err(LogSourceError::new("this program cannot read from VictoriaLogs"))
}
