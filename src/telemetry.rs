//! The log on standard error.

use std::sync::Arc;

use otlp_traces::SpanCounts;
use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer as _, filter, fmt, registry};

use crate::clock;
use crate::reading::{SubjectValues, Timestamp};

mod event_log;
mod log_format;
mod log_queue;
pub mod otlp_traces;

pub use event_log::{EventLogger, PROBLEMS_MAX};
pub use log_queue::{DroppedLogLines, LOG_LINES_MAX, LogQueue, METRICS};

/// Counts of lines and spans, for hostnorm's metrics about itself.
#[derive(Debug, Clone)]
pub struct TelemetryCounts {
    /// Of the log.
    pub log: DroppedLogLines,
    /// Of the spans; `None` if traces are not exported.
    pub spans: Option<Arc<SpanCounts>>,
}

impl TelemetryCounts {
    /// Adds the counts.
    pub fn values(&self, values: &mut SubjectValues) {
        self.log.values(values);
        if let Some(spans) = &self.spans {
            spans.values(values);
        }
    }
}

/// Settings of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogOutputSettings {
    /// Lowest level that is logged.
    pub level: LogLevel,
    /// Format of the log.
    pub format: LogFormat,
}

/// Level of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// The user must act, or hostnorm is useless.
    Error,
    /// The user should look at it.
    Warn,
    /// Useful for an operator to read later.
    #[default]
    Info,
    /// Details for debugging.
    Debug,
    /// Everything.
    Trace,
}

/// Format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// `key=value`, as in the log of Prometheus.
    #[default]
    Logfmt,
    /// One JSON object per line.
    Json,
}

/// Writes all events of this process to standard error, and its spans to `traces` if given. The last lines are written
/// when the result is dropped.
///
/// # Errors
/// If called twice.
pub fn init(
    settings: LogOutputSettings,
    traces: Option<&otlp_traces::TracePipeline>,
) -> Result<LogQueue, tracing::subscriber::SetGlobalDefaultError> {
    let (lines, queue) = LogQueue::to(std::io::stderr());
    let log = subscriber(settings, clock::now, lines);
    match traces {
        // Without this layer, spans are disabled and cost a nanosecond each.
        None => tracing::subscriber::set_global_default(log)?,
        Some(traces) => tracing::subscriber::set_global_default(traced(log, traces))?,
    }
    Ok(queue)
}

/// Sends spans to `traces`, and to `log` what it accepts.
pub fn traced<S>(log: S, traces: &otlp_traces::TracePipeline) -> impl Subscriber + Send + Sync + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    // Libraries create spans, too, such as HTTP/2 for the export itself.
    let own = filter::filter_fn(|it| {
        it.target().split("::").next() == Some(env!("CARGO_PKG_NAME")) && *it.level() <= tracing::Level::INFO
    });
    let layer = tracing_opentelemetry::layer()
        .with_tracer(traces.tracer())
        // Parents are looked up on demand, so a stack of contexts would be redundant.
        .with_context_activation(false)
        .with_tracked_inactivity(false)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false);
    log.with(layer.with_filter(own.with_max_level_hint(LevelFilter::INFO)))
}

fn subscriber<W>(
    settings: LogOutputSettings,
    now: fn() -> Timestamp,
    to: W,
) -> impl Subscriber + for<'a> LookupSpan<'a> + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let events = filter::filter_fn(move |it| it.is_event() && *it.level() <= level);
    let lines =
        fmt::layer().event_format(log_format::LineFormatter { format: settings.format, now }).with_writer(to);
    registry().with(lines.with_filter(events.with_max_level_hint(level)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The log output while `act` runs; it is always second 100.
    pub(super) fn logged(settings: LogOutputSettings, act: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = subscriber(settings, || Timestamp(100.0), move || writer.clone());
        tracing::subscriber::with_default(subscriber, act);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn check(level: LogLevel, format: LogFormat, expect: &str) {
        let found = logged(LogOutputSettings { level, format }, || {
            tracing::info!(path = "/proc/stat", ratio = 0.5, on = true, count = 3_u64, "read a file");
            tracing::debug!(target: "hyper::server", odd = f64::NAN, left_out = Option::<u64>::None, "new peer");
        });
        assert_eq!(found, expect);
    }

    #[test]
    fn both_formats_have_the_same_fields() {
        check(
            LogLevel::Debug,
            LogFormat::Logfmt,
            "ts=1970-01-01T00:01:40.000Z level=info msg=\"read a file\" path=/proc/stat ratio=0.5 on=true count=3\n\
             ts=1970-01-01T00:01:40.000Z level=debug msg=\"new peer\" target=hyper::server odd=NaN\n",
        );
        check(
            LogLevel::Info,
            LogFormat::Json,
            "{\"ts\":\"1970-01-01T00:01:40.000Z\",\"level\":\"info\",\"msg\":\"read a file\",\
             \"path\":\"/proc/stat\",\"ratio\":0.5,\"on\":true,\"count\":3}\n",
        );
    }

    #[test]
    fn lower_levels_are_not_logged() {
        check(LogLevel::Warn, LogFormat::Logfmt, "");
    }
}
