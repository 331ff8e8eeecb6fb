//! What is known of the reading of each log, for `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::metric::Metric;
use crate::reading::{MetricLabels, SubjectKind, SubjectValues, Timestamp};

static SUCCESS: Metric = Metric::gauge(
    "hostnorm_log_source_success",
    "Whether the source of the log can be read (1) or failed (0); hostnorm tries a failed source again",
)
.by(&["kind", "subject"]);
static FILES: Metric =
    Metric::gauge("hostnorm_log_files", "Files of the log that are read; absent for sources without files")
        .by(&["kind", "subject"]);
static OPEN: Metric = Metric::gauge("hostnorm_log_files_open", "Files of the log that are open, at most 256")
    .by(&["kind", "subject"]);
static UNREADABLE: Metric = Metric::gauge(
    "hostnorm_log_files_unreadable",
    "Files of the log that match its paths and cannot be read: pipes, missing permissions, and files beyond 10,000",
)
.by(&["kind", "subject"]);
static LAG: Metric =
    Metric::gauge("hostnorm_log_lag_bytes", "Bytes in the files of the log that were found and not read yet")
        .by(&["kind", "subject"]);
static READ_AT: Metric = Metric::gauge(
    "hostnorm_log_last_line_timestamp_seconds",
    "Unix time when the last line of the log was read, in seconds; absent before the first",
)
.by(&["kind", "subject"]);

/// Metrics of the reading of logs.
pub static METRICS: &[&Metric] = &[&SUCCESS, &FILES, &OPEN, &UNREADABLE, &LAG, &READ_AT];

/// Counts of one log, shared with its thread.
#[derive(Debug, Clone, Default)]
pub struct LogReadState(Arc<LogReadCounts>);

#[derive(Debug, Default)]
struct LogReadCounts {
    has_failed: AtomicBool,
    has_files: AtomicBool,
    files: AtomicU64,
    open: AtomicU64,
    unreadable: AtomicU64,
    lag_bytes: AtomicU64,
    /// Bits of the time; 0 before the first line.
    read_at: AtomicU64,
}

impl LogReadState {
    /// Notes whether the source works.
    pub(super) fn set_success(&self, success: bool) {
        self.0.has_failed.store(!success, Ordering::Relaxed);
    }

    /// Notes that a line was read.
    pub(super) fn note_line(&self, at: Timestamp) {
        self.0.read_at.store(at.0.to_bits(), Ordering::Relaxed);
    }

    /// Notes the state of the files.
    pub(super) fn set_files(&self, files: usize, open: usize, unreadable: usize, lag_bytes: u64) {
        self.0.has_files.store(true, Ordering::Relaxed);
        self.0.files.store(files as u64, Ordering::Relaxed);
        self.0.open.store(open as u64, Ordering::Relaxed);
        self.0.unreadable.store(unreadable as u64, Ordering::Relaxed);
        self.0.lag_bytes.store(lag_bytes, Ordering::Relaxed);
    }

    /// Adds the values of a log of this name.
    pub(super) fn values(&self, name: &str, values: &mut SubjectValues) {
        let labels = MetricLabels::new([SubjectKind::Log.name(), name]);
        let counts = &self.0;
        let success = !counts.has_failed.load(Ordering::Relaxed);
        values.set_by(&SUCCESS, &labels, f64::from(u8::from(success)));
        if counts.has_files.load(Ordering::Relaxed) {
            for (metric, count) in [
                (&FILES, &counts.files),
                (&OPEN, &counts.open),
                (&UNREADABLE, &counts.unreadable),
                (&LAG, &counts.lag_bytes),
            ] {
                values.set_by(metric, &labels, count.load(Ordering::Relaxed) as f64);
            }
        }
        let read_at = f64::from_bits(counts.read_at.load(Ordering::Relaxed));
        if read_at > 0.0 {
            values.set_by(&READ_AT, &labels, read_at);
        }
    }
}
