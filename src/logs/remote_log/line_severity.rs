//! The severity of a line from its labels.

use crate::log_stream::LogSeverity;

/// Names of labels and fields with a level, the most certain first.
const NAMES: [&str; 8] =
    ["level", "severity", "severity_text", "detected_level", "log.level", "lvl", "PRIORITY", "priority"];

/// Looks for a level among labels in any order.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::logs) struct SeverityLabels {
    /// The rank of the name and the severity.
    best: Option<(usize, LogSeverity)>,
}

impl SeverityLabels {
    /// Looks at a label.
    pub(in crate::logs) fn see(&mut self, name: &str, value: &str) {
        let Some(rank) = NAMES.iter().position(|it| *it == name) else { return };
        let is_better = self.best.is_none_or(|(best, _)| rank < best);
        if let Some(severity) = severity_of_level(value).filter(|_| is_better) {
            self.best = Some((rank, severity));
        }
    }

    /// The severity of the best label, if there was one.
    pub(in crate::logs) fn severity(&self) -> Option<LogSeverity> {
        self.best.map(|(_, severity)| severity)
    }
}

/// The severity of a level as libraries, Loki and syslog name it; none for `unknown` and anything else.
fn severity_of_level(level: &str) -> Option<LogSeverity> {
    let level = level.trim().to_ascii_lowercase();
    match level.as_str() {
        "emerg" | "emergency" | "alert" | "crit" | "critical" | "fatal" | "panic" | "err" | "error"
        | "severe" | "dpanic" => Some(LogSeverity::Error),
        "warn" | "warning" => Some(LogSeverity::Warning),
        "notice" | "info" | "information" | "informational" | "debug" | "trace" | "verbose" => {
            Some(LogSeverity::Info)
        }
        _ => level.parse().ok().filter(|it| *it < 8).map(LogSeverity::from_syslog_priority),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_certain_label_counts() {
        let check = |labels: &[(&str, &str)], expect: Option<LogSeverity>| {
            let mut names = SeverityLabels::default();
            labels.iter().for_each(|(name, value)| names.see(name, value));
            assert_eq!(names.severity(), expect, "{labels:?}");
        };
        use LogSeverity::{Error, Info, Warning};
        check(&[], None);
        check(&[("app", "error")], None);
        check(&[("detected_level", "unknown")], None);
        check(&[("detected_level", "error"), ("level", "WARN")], Some(Warning));
        check(&[("level", "?"), ("detected_level", "error")], Some(Error));
        check(&[("PRIORITY", "3")], Some(Error));
        check(&[("priority", "6")], Some(Info));
        check(&[("severity", "17")], None);
    }
}
