//! Reads logs and hands their lines over, each log on a thread of its own.
//!
//! A log is a subject with the name from the settings. Its thread reads a file, the journal, a socket or a server, and
//! calls [`LogStream::line`](crate::log_stream::LogStream::line) with each line. No line is kept or logged here.

use std::fmt;

use serde::{Deserialize, Serialize};

mod positions;
mod stop_flag;
pub mod loki;
pub mod victorialogs;

pub use loki::LokiSettings;
pub use positions::{LogPosition, LogPositions, POSITION_BYTES_MAX, POSITIONS_MAX, PositionChange};
pub use stop_flag::StopFlag;
pub use victorialogs::VictoriaLogsSettings;

/// Why a log cannot be read at the moment. It is logged, and the source is started again after a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSourceError(String);

impl LogSourceError {
    /// With a sentence: what failed, on which input, why, what to do. It contains no line of a log.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for LogSourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LogSourceError {}

/// One log of the settings: a name, and exactly one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// Its name: the subject.
    pub name: String,
    /// A Loki server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loki: Option<LokiSettings>,
    /// A VictoriaLogs server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub victorialogs: Option<VictoriaLogsSettings>,
}

/// The source of a log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LogSource<'a> {
    /// A Loki server.
    Loki(&'a LokiSettings),
    /// A VictoriaLogs server.
    VictoriaLogs(&'a VictoriaLogsSettings),
}
