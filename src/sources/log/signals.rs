//! Signals of logs.

use super::{
    BYTES, ENTROPY, ERROR_BURST, ERROR_SHARE, ERRORS, LINES, MEAN_LENGTH, NEW_ERRORS, NEW_LINES,
    NEW_TEMPLATES, UNIQUE_MESSAGES, UNIQUE_TEMPLATES, UNUSUAL_SILENCE, WARNING_RISE, WARNING_SHARE, WARNINGS,
};
use crate::reading::SubjectKind;
use crate::signal::{Signal, SignalUnit};

pub(in crate::sources) static SIGNALS: &[Signal] = &[
    Signal {
        kind: SubjectKind::Log,
        name: "log_lines_per_second",
        title: "lines",
        help: "Lines per second",
        unit: SignalUnit::PerSecond,
        // Fifteen lines of a window are not a different log.
        floor: 0.5,
        device: None,
        formula: |it| it.rate(&LINES),
    },
    Signal {
        kind: SubjectKind::Log,
        name: "log_bytes_per_second",
        title: "bytes of lines",
        help: "Bytes of lines per second",
        unit: SignalUnit::BytesPerSecond,
        // A stack trace or two within a window.
        floor: 500.0,
        device: None,
        formula: |it| it.rate(&BYTES),
    },
    Signal {
        kind: SubjectKind::Log,
        name: "log_line_length_bytes",
        title: "line length",
        help: "Mean length of the lines of about the last 30 seconds",
        unit: SignalUnit::Bytes,
        // Less than a longer path.
        floor: 40.0,
        device: None,
        formula: |it| it.level(&MEAN_LENGTH),
    },
    Signal {
        kind: SubjectKind::Log,
        name: "log_errors_per_second",
        title: "errors",
        help: "Lines per second that are errors or worse",
        unit: SignalUnit::PerSecond,
        // Three errors within a window are few.
        floor: 0.1,
        device: None,
        formula: |it| it.rate(&ERRORS),
    },
    Signal {
        kind: SubjectKind::Log,
        name: "log_error_ratio",
        title: "share of errors",
        help: "Share of errors among the lines of about the last 30 seconds; reduced while there are few lines",
        unit: SignalUnit::Ratio,
        // Below, the rate tells more.
        floor: 0.05,
        device: None,
        formula: |it| it.level(&ERROR_SHARE),
    },
    Signal {
        kind: SubjectKind::Log,
        name: "log_burst_errors",
        title: "burst of errors",
        help: "Errors within the last 30 seconds if they are far more than in the last hours, else 0",
        unit: SignalUnit::Count,
        // It is 0 outside bursts, so a burst of a few seconds is far from normal.
        floor: 0.3,
        device: None,
        formula: |it| it.level(&ERROR_BURST),
    },
    Signal {
        kind: SubjectKind::Log,
        name: "log_warnings_per_second",
        title: "warnings",
        help: "Lines per second that are warnings",
        unit: SignalUnit::PerSecond,
        // Three warnings within a window are few.
        floor: 0.1,
        device: None,
        formula: |it| it.rate(&WARNINGS),
    },
    Signal {
        kind: SubjectKind::Log,
        name: "log_warning_ratio",
        title: "share of warnings",
        help: "Share of warnings among the lines of about the last 30 seconds; reduced while there are few lines",
        unit: SignalUnit::Ratio,
        // Warnings matter less than errors.
        floor: 0.1,
        device: None,
        formula: |it| it.level(&WARNING_SHARE),
    },
    Signal {
        kind: SubjectKind::Log,
        name: "log_rising_warnings",
        title: "rise of warnings",
        help: "Number of warnings since warnings became far more frequent than in the last hours, else 0",
        unit: SignalUnit::Count,
        // It is 0 while the rate is usual, so a rise of a few seconds is far from normal.
        floor: 0.3,
        device: None,
        formula: |it| it.level(&WARNING_RISE),
    },
    Signal {
        kind: SubjectKind::Log,
        name: "log_unique_messages",
        title: "different messages",
        help: "Different messages within the last minute",
        unit: SignalUnit::Count,
        // A message a second: a job of the week before is not missed at the same hour.
        floor: 60.0,
        device: None,
        formula: |it| it.level(&UNIQUE_MESSAGES),
    },
    Signal {
        kind: SubjectKind::Log,
        name: "log_unique_templates",
        title: "different templates",
        help: "Different templates within the last minute",
        unit: SignalUnit::Count,
        // A job that starts writes a few lines of its own.
        floor: 5.0,
        device: None,
        formula: |it| it.level(&UNIQUE_TEMPLATES),
    },
    Signal {
        kind: SubjectKind::Log,
        name: "log_new_templates_per_second",
        title: "new templates",
        help: "Templates per second that the log never had before",
        unit: SignalUnit::PerSecond,
        // It is 0 in a log that was learned: one within a window is little evidence, and two are much.
        floor: 0.02,
        device: None,
        formula: |it| it.rate(&NEW_TEMPLATES),
    },
    Signal {
        kind: SubjectKind::Log,
        name: "log_new_template_lines_per_second",
        title: "lines of new templates",
        help: "Lines per second whose template was new within the last ten minutes",
        unit: SignalUnit::PerSecond,
        // As of new templates: a single odd line is no anomaly, and three within a window may be.
        floor: 0.02,
        device: None,
        formula: |it| it.rate(&NEW_LINES),
    },
    Signal {
        kind: SubjectKind::Log,
        name: "log_new_template_errors_per_second",
        title: "errors of new templates",
        help: "Errors per second whose template was new within the last ten minutes",
        unit: SignalUnit::PerSecond,
        // An error of a kind that was never seen is worth two other lines.
        floor: 0.01,
        device: None,
        formula: |it| it.rate(&NEW_ERRORS),
    },
    Signal {
        kind: SubjectKind::Log,
        name: "log_template_entropy_bits",
        title: "variety of templates",
        help: "Entropy of the templates of the lines of about the last 30 seconds, in bits; reduced while there are few lines",
        unit: SignalUnit::Bits,
        // The mix of lines varies by itself.
        floor: 0.5,
        device: None,
        formula: |it| it.level(&ENTROPY),
    },
    Signal {
        kind: SubjectKind::Log,
        name: "log_unusual_silence_seconds",
        title: "unusual silence",
        help: "Seconds since the last line if that is more than 12 times the usual silence and at least 5 s, else 0",
        unit: SignalUnit::Seconds,
        // It is 0 outside unusual silences.
        floor: 2.0,
        device: None,
        formula: |it| it.level(&UNUSUAL_SILENCE),
    },
];
