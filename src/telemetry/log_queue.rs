//! The queue of log lines and the thread that writes them: a full pipe that nobody reads must not stop readings and
//! requests.

use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::metric::Metric;
use crate::reading::SubjectValues;

/// Most lines that wait to be written; further ones are dropped.
pub const LOG_LINES_MAX: usize = 1_000;
/// Longest time for writing the last lines at the end.
const END_TIME_MAX: Duration = Duration::from_secs(1);

static DROPPED: Metric = Metric::counter(
    "hostnorm_own_log_lines_dropped_total",
    "Lines of hostnorm's own log dropped because standard error was blocked, such as a full pipe that nobody reads",
);

/// Metrics of the log.
pub static METRICS: &[&Metric] = &[&DROPPED];

/// The queue. When it is dropped, it writes its lines for at most a second.
#[derive(Debug)]
pub struct LogQueue {
    dropped: ErrorCounter,
    writer: Option<WorkerGuard>,
}

impl Drop for LogQueue {
    fn drop(&mut self) {
        let Some(writer) = self.writer.take() else { return };
        // On a separate thread, because writing the last lines may block.
        let (done, ended) = mpsc::channel();
        let end = move || {
            drop(writer);
            let _ = done.send(());
        };
        // If the thread cannot start, the last lines are lost.
        if std::thread::Builder::new().name("log end".to_owned()).spawn(end).is_ok() {
            let _ = ended.recv_timeout(END_TIME_MAX);
        }
    }
}

impl LogQueue {
    /// Starts the thread that writes to `stream`; the result takes lines and never waits.
    pub(super) fn to(stream: impl Write + Send + 'static) -> (NonBlocking, Self) {
        let (lines, writer) = NonBlockingBuilder::default()
            .buffered_lines_limit(LOG_LINES_MAX)
            .lossy(true)
            .thread_name("log")
            .finish(stream);
        let dropped = lines.error_counter();
        (lines, Self { dropped, writer: Some(writer) })
    }

    /// The number of lines that this queue dropped.
    pub fn dropped(&self) -> DroppedLogLines {
        DroppedLogLines(self.dropped.clone())
    }
}

/// The number of lines that were dropped.
#[derive(Debug, Clone)]
pub struct DroppedLogLines(ErrorCounter);

impl DroppedLogLines {
    /// Adds it to hostnorm's metrics about itself.
    pub fn values(&self, values: &mut SubjectValues) {
        values.set(&DROPPED, self.0.dropped_lines() as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that accepts nothing until the other end is gone.
    struct Full(mpsc::Receiver<()>);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_pipe_drops_lines_and_stops_nobody() {
        let (reader, full) = mpsc::channel();
        let (mut lines, queue) = LogQueue::to(Full(full));
        for _ in 0..3 * LOG_LINES_MAX {
            lines.write_all(b"a line\n").unwrap();
        }
        let dropped = queue.dropped.dropped_lines();
        // One line or a few are in the hands of the thread.
        assert!((LOG_LINES_MAX..=2 * LOG_LINES_MAX).contains(&dropped), "{dropped}");
        drop(reader);
    }
}
