//! The way from the threads that read logs to the sampling loop.
//!
//! A thread hands over line by line; the loop takes the figures once a reading. No line is kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::reading::Timestamp;

/// How serious a line is, by the transport or by its text; the eight of syslog in three steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogSeverity {
    /// Anything below a warning.
    Info,
    /// A warning.
    Warning,
    /// An error or worse.
    Error,
}

impl LogSeverity {
    /// From the number of syslog and journald, 0 (emergency) to 7 (debug).
    pub fn of_syslog(priority: u8) -> Self {
        match priority {
            0..=3 => Self::Error,
            4 => Self::Warning,
            _ => Self::Info,
        }
    }
}

/// One log, shared by the thread that reads it and the loop.
#[derive(Debug)]
pub struct LogStream {
    name: Arc<str>,
    figures: Mutex<LogFigures>,
}

/// Totals since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogFigures {
    /// Complete lines.
    pub lines: u64,
    /// Bytes of them, without their ends.
    pub bytes: u64,
    /// Lines that were read but not looked at, or could not be read.
    pub dropped: u64,
}

/// Largest number of templates that [`LogStream::notable_templates`] names.
pub const NOTABLE_MAX: usize = 5;

/// Largest number of bytes of a template.
pub const TEMPLATE_BYTES_MAX: usize = 200;

/// A kind of line that explains an anomaly of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotableTemplate {
    /// The masked text, at most [`TEMPLATE_BYTES_MAX`] bytes.
    pub text: String,
    /// Whether it was never seen before the last minute.
    pub is_new: bool,
}

impl LogStream {
    /// A log of this name.
    pub fn new(name: &str) -> Arc<Self> {
        Arc::new(Self { name: name.into(), figures: Mutex::default() })
    }

    /// The name from the settings: the subject.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Takes a line without its end, in any encoding, and the severity if the transport has one.
    pub fn line(&self, line: &[u8], severity: Option<LogSeverity>, at: Timestamp) {
        let _ = (severity, at);
        let mut figures = self.figures();
        figures.lines += 1;
        figures.bytes += line.len() as u64;
    }

    /// Counts lines that were lost to a bound.
    pub fn drop_lines(&self, lines: u64) {
        self.figures().dropped += lines;
    }

    /// The totals so far.
    pub fn totals(&self) -> LogFigures {
        *self.figures()
    }

    /// At most [`NOTABLE_MAX`]: those that are new within the last minute, else those that came more often than usual.
    pub fn notable_templates(&self) -> Vec<NotableTemplate> {
        Vec::new()
    }

    /// A thread that panicked leaves complete numbers.
    fn figures(&self) -> MutexGuard<'_, LogFigures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
