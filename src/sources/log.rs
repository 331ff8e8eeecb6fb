//! Logs: each one in the settings is a subject of its own, with the figures of its lines.

use std::sync::Arc;

use super::{Source, SourceError, SourceSettings};
use crate::log_stream::LogStream;
use crate::metric::Metric;
use crate::reading::{Reading, Subject};

mod signals;

pub(super) use signals::SIGNALS;

static LINES: Metric = Metric::counter("hostnorm_log_lines_total", "Lines of the log").of_process();
static BYTES: Metric =
    Metric::counter("hostnorm_log_bytes_total", "Bytes of the lines of the log, without line breaks")
        .of_process();
static ERRORS: Metric =
    Metric::counter("hostnorm_log_error_lines_total", "Lines of the log that are errors or worse")
        .of_process();
static WARNINGS: Metric =
    Metric::counter("hostnorm_log_warning_lines_total", "Lines of the log that are warnings").of_process();
static NEW_TEMPLATES: Metric = Metric::counter(
    "hostnorm_log_new_templates_total",
    "New templates, without those of the first ten minutes and the first 50 lines of a log",
)
.of_process();
static NEW_LINES: Metric = Metric::counter(
    "hostnorm_log_new_template_lines_total",
    "Lines whose template was new within the last ten minutes",
)
.of_process();
static NEW_ERRORS: Metric = Metric::counter(
    "hostnorm_log_new_template_error_lines_total",
    "Errors whose template was new within the last ten minutes",
)
.of_process();
static DROPPED: Metric = Metric::counter(
    "hostnorm_log_lines_lost_total",
    "Lines of the log that were not read: beyond a maximum, or entries of the journal that cannot be decompressed",
)
.of_process();
static TRUNCATED: Metric = Metric::counter(
    "hostnorm_log_lines_truncated_total",
    "Lines of the log longer than 64 KiB, of which only the first 64 KiB were read",
)
.of_process();
static NOT_LOOKED_AT: Metric = Metric::counter(
    "hostnorm_log_lines_unexamined_total",
    "Lines that were counted, but not examined for severity and template, because there were too many within a second",
)
.of_process();
static MEAN_LENGTH: Metric = Metric::gauge(
    "hostnorm_log_line_length_bytes",
    "Mean length of the lines of about the last 30 seconds, in bytes",
);
static ERROR_SHARE: Metric =
    Metric::gauge("hostnorm_log_error_ratio", "Share of errors among the lines of about the last 30 seconds")
        .within(0.0, 1.0);
static WARNING_SHARE: Metric = Metric::gauge(
    "hostnorm_log_warning_ratio",
    "Share of warnings among the lines of about the last 30 seconds",
)
.within(0.0, 1.0);
static UNIQUE_MESSAGES: Metric = Metric::gauge(
    "hostnorm_log_unique_messages",
    "Different messages (lines without time and prefix) within the last minute, at most 2,000",
);
static UNIQUE_TEMPLATES: Metric =
    Metric::gauge("hostnorm_log_unique_templates", "Different templates within the last minute");
static TEMPLATES: Metric = Metric::gauge("hostnorm_log_templates", "Templates that are known, at most 1,000");
static ENTROPY: Metric = Metric::gauge(
    "hostnorm_log_template_entropy_bits",
    "Entropy of the templates of the lines of about the last 30 seconds, in bits",
);
static SILENCE: Metric =
    Metric::gauge("hostnorm_log_silence_seconds", "Time since the last line, in seconds");
static UNUSUAL_SILENCE: Metric = Metric::gauge(
    "hostnorm_log_unusual_silence_seconds",
    "Time since the last line if it is more than 12 times the usual silence and at least 5 s, else 0, in seconds",
);
static ERROR_BURST: Metric = Metric::gauge(
    "hostnorm_log_burst_errors",
    "Errors within the last 30 seconds if they are far more than in the last hours, else 0",
);

static WARNING_RISE: Metric = Metric::gauge(
    "hostnorm_log_rising_warnings",
    "Number of warnings since warnings became far more frequent than in the last hours, else 0",
);

pub(super) static METRICS: &[&Metric] = &[
    &LINES,
    &BYTES,
    &ERRORS,
    &WARNINGS,
    &NEW_TEMPLATES,
    &NEW_LINES,
    &NEW_ERRORS,
    &DROPPED,
    &TRUNCATED,
    &NOT_LOOKED_AT,
    &MEAN_LENGTH,
    &ERROR_SHARE,
    &WARNING_SHARE,
    &UNIQUE_MESSAGES,
    &UNIQUE_TEMPLATES,
    &TEMPLATES,
    &ENTROPY,
    &SILENCE,
    &UNUSUAL_SILENCE,
    &ERROR_BURST,
    &WARNING_RISE,
];

pub(super) fn open(settings: &SourceSettings) -> Box<dyn Source> {
    let subject = |it: &Arc<LogStream>| (Subject::Log(Arc::clone(it.name())), Arc::clone(it));
    Box::new(LogSubjectSource { streams: settings.logs.iter().map(subject).collect() })
}

#[derive(Debug)]
struct LogSubjectSource {
    streams: Vec<(Subject, Arc<LogStream>)>,
}

impl Source for LogSubjectSource {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        for (subject, stream) in &self.streams {
            let recent = stream.recent(into.at);
            // A log without any line has nothing to judge.
            let Some(silence) = recent.silence else { continue };
            let totals = stream.totals();
            let values = into.subjects.entry(subject.clone()).or_default();
            values.set(&LINES, totals.lines as f64);
            values.set(&BYTES, totals.bytes as f64);
            values.set(&ERRORS, totals.errors as f64);
            values.set(&WARNINGS, totals.warnings as f64);
            values.set(&NEW_TEMPLATES, totals.new_templates as f64);
            values.set(&NEW_LINES, totals.new_lines as f64);
            values.set(&NEW_ERRORS, totals.new_errors as f64);
            values.set(&DROPPED, totals.dropped as f64);
            values.set(&TRUNCATED, totals.truncated as f64);
            values.set(&NOT_LOOKED_AT, totals.not_looked_at as f64);
            if let Some(length) = recent.mean_length {
                values.set(&MEAN_LENGTH, length);
            }
            values.set(&ERROR_SHARE, recent.error_share);
            values.set(&WARNING_SHARE, recent.warning_share);
            values.set(&UNIQUE_MESSAGES, recent.unique_messages as f64);
            values.set(&UNIQUE_TEMPLATES, recent.unique_templates as f64);
            values.set(&TEMPLATES, recent.templates as f64);
            values.set(&ENTROPY, recent.entropy);
            values.set(&SILENCE, silence);
            values.set(&UNUSUAL_SILENCE, recent.unusual_silence);
            values.set(&ERROR_BURST, recent.error_burst as f64);
            values.set(&WARNING_RISE, recent.warning_rise as f64);
        }
        Ok(())
    }
}
