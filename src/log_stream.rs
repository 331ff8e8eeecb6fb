//! The way from the threads that read logs to the sampling loop.
//!
//! A thread hands over line by line; the loop takes the figures once a reading. No line is kept.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(any(test, fuzzing))]
pub mod fuzzing;

use crate::reading::Timestamp;
use crate::{log_line, log_mask};

pub use crate::log_line::LogSeverity;
pub use crate::log_mask::MASKED_BYTES_MAX as TEMPLATE_BYTES_MAX;
pub use crate::log_stats::{LogTotals, NOTABLE_MAX, NotableTemplate, RecentLogFigures};

use crate::log_stats::{LineAnalysis, LogStats};

/// One log, shared by the thread that reads it and the loop.
pub struct LogStream {
    name: Arc<str>,
    stats: Mutex<LogStats>,
}

impl LogStream {
    /// A log of this name.
    pub fn new(name: &str) -> Arc<Self> {
        Arc::new(Self { name: name.into(), stats: Mutex::default() })
    }

    /// The name from the settings: the subject.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Takes a line without its end, in any encoding, and the severity if the transport has one.
    pub fn line(&self, line: &[u8], severity: Option<LogSeverity>, at: Timestamp) {
        let weight = self.stats().count(line.len(), at.0);
        // Without the lock, because the loop waits for it.
        if let Some(weight) = weight {
            let text = log_line::text(line);
            let parsed = log_line::parse(&text);
            let masked = log_mask::mask(&parsed.message);
            let mut hasher = DefaultHasher::new();
            parsed.message.hash(&mut hasher);
            let found = LineAnalysis {
                severity: parsed.severity.max(severity),
                message: hasher.finish(),
                masked: &masked,
                weight,
            };
            self.stats().look(found, at.0);
        }
    }

    /// What the log taught, without text, for [`LogStream::resume_from`]; `None` while the first templates are learned.
    pub fn learned(&self) -> Option<Vec<u8>> {
        self.stats().learned()
    }

    /// Continues from what an earlier run taught; returns whether that was possible. To be called before the first line.
    pub fn resume_from(&self, learned: &[u8]) -> bool {
        self.stats().resume_from(learned)
    }

    /// Counts lines that were not read because of a bound.
    pub fn drop_lines(&self, lines: u64) {
        self.stats().drop_lines(lines);
    }

    /// Notes that the last line was longer than a line may be.
    pub fn note_truncated_line(&self) {
        self.stats().note_truncated_line();
    }

    /// The totals so far.
    pub fn totals(&self) -> LogTotals {
        self.stats().totals()
    }

    /// The figures of the last lines at the time of a reading.
    pub fn recent(&self, at: Timestamp) -> RecentLogFigures {
        self.stats().recent(at.0)
    }

    /// At most [`NOTABLE_MAX`]: those that are new within the last minute, then those that came more often than usual.
    pub fn notable_templates(&self) -> Vec<NotableTemplate> {
        self.stats().notable()
    }

    /// A thread that panicked leaves complete numbers.
    fn stats(&self) -> MutexGuard<'_, LogStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the figures, so that settings that are logged name the log only.
impl fmt::Debug for LogStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogStream").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The address of a log is its identity.
impl PartialEq for LogStream {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}
