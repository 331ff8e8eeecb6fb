//! Reads logs and hands their lines over, each log on a thread of its own.
//!
//! A log is a subject with the name from the settings. Its thread reads a file, the journal, a socket or a server, and
//! calls [`LogStream::line`](crate::log_stream::LogStream::line) with each line. No line is kept or logged here.

use std::fmt;

mod settings;
mod line_filter;
mod positions;
mod stop_flag;
mod log_read_state;
mod framing;
mod file;
mod syslog;
mod journald;
mod remote_log;
mod loki;
mod victorialogs;
mod readers;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;

pub use file::{FileSettings, StartFrom};
pub use framing::FileFormat;
pub use journald::JournaldSettings;
pub use log_read_state::{LogReadState, METRICS};
pub use loki::LokiSettings;
pub use positions::{LogPosition, LogPositions, POSITION_BYTES_MAX, POSITIONS_MAX, PositionChange};
pub use readers::{LogReadStates, LogReaders};
pub use settings::{LOGS_MAX, LogInput, NAME_BYTES_MAX, WatchedLogSettings, logs_error};
pub use stop_flag::StopFlag;
pub use syslog::SyslogSettings;
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
