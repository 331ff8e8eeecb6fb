//! Lines of logs of three formats, and how many come: for tests that judge logs.

use hostnorm::log_stream::LogSeverity;

const DAY: f64 = 86_400.0;

/// Format of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SimulatedLogFormat {
    Nginx,
    Journald,
    Klog,
}

pub(crate) const FORMATS: [SimulatedLogFormat; 3] =
    [SimulatedLogFormat::Nginx, SimulatedLogFormat::Journald, SimulatedLogFormat::Klog];

impl SimulatedLogFormat {
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Nginx => "nginx_access.log",
            Self::Journald => "journald.json",
            Self::Klog => "klog.log",
        }
    }

    /// By the fields of the format, not by the program under test.
    pub(crate) fn severity(self, line: &str) -> LogSeverity {
        let is = |error: bool, warning: bool| match (error, warning) {
            (true, _) => LogSeverity::Error,
            (_, true) => LogSeverity::Warning,
            _ => LogSeverity::Info,
        };
        match self {
            Self::Nginx => is(line.contains("\" 50"), line.contains("\" 40")),
            Self::Journald => is(line.contains("\"PRIORITY\":\"3\""), line.contains("\"PRIORITY\":\"4\"")),
            Self::Klog => is(line.starts_with('E'), line.starts_with('W')),
        }
    }

    /// A kind of line that the samples do not have.
    pub(crate) fn unknown(self) -> &'static str {
        match self {
            Self::Nginx => {
                r#"203.0.113.5 - - [29/Nov/2026:06:25:31 +0000] "PROPFIND /dav/files/7 HTTP/1.1" 207 153 "-" "davfs2/1.6""#
            }
            Self::Journald => {
                r#"{"PRIORITY":"6","SYSLOG_IDENTIFIER":"app","_PID":"709","MESSAGE":"retrying upstream connection, attempt 3 of 5"}"#
            }
            Self::Klog => {
                "I1129 06:25:30.120943       1 eviction.go:21] Eviction of pods begins, 12 candidates ranked"
            }
        }
    }

    /// An error of a kind that the samples do not have.
    pub(crate) fn unknown_error(self) -> &'static str {
        match self {
            Self::Nginx => {
                r#"203.0.113.5 - - [29/Nov/2026:06:25:31 +0000] "LOCK /dav/files/7 HTTP/1.1" 507 153 "-" "davfs2/1.6""#
            }
            Self::Journald => {
                r#"{"PRIORITY":"3","SYSLOG_IDENTIFIER":"app","_PID":"709","MESSAGE":"license server refuses, attempt 3 of 5"}"#
            }
            Self::Klog => {
                "E1129 06:25:30.120943       1 eviction.go:35] Pods cannot be ranked, 12 candidates"
            }
        }
    }

    /// What a job writes once a week.
    pub(crate) fn batch(self) -> &'static str {
        match self {
            Self::Nginx => {
                r#"192.0.2.7 - - [29/Nov/2026:06:25:31 +0000] "PUT /export/part/17 HTTP/1.1" 201 153 "-" "export/2.1""#
            }
            Self::Journald => {
                r#"{"PRIORITY":"6","SYSLOG_IDENTIFIER":"backup","_PID":"709","MESSAGE":"copied 17 of 412 files to the archive"}"#
            }
            Self::Klog => "I1129 06:25:30.120943       1 compaction.go:21] Compacted revision 1208 in 31 ms",
        }
    }
}

/// The same numbers for the same seed (xorshift).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number of events, of which there are `mean` on average (Knuth's method).
    pub(crate) fn events(&mut self, mean: f64) -> usize {
        let (mut left, mut count) = (mean, 0);
        while left > 0.0 {
            // In parts, because the exponential of a large number is 0.
            let part = left.min(20.0);
            left -= part;
            let (limit, mut product) = ((-part).exp(), self.share());
            while product > limit {
                product *= self.share();
                count += 1;
            }
        }
        count
    }
}

/// Lines a second of each severity, and of the extra line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    pub(crate) info: f64,
    pub(crate) warning: f64,
    pub(crate) error: f64,
    pub(crate) unknown: f64,
    pub(crate) unknown_error: f64,
    pub(crate) batch: f64,
}

pub(crate) const USUAL: Rates =
    Rates { info: 2.0, warning: 0.08, error: 0.04, unknown: 0.0, unknown_error: 0.0, batch: 0.0 };
pub(crate) const NOTHING: Rates = Rates { info: 0.0, warning: 0.0, error: 0.0, ..USUAL };

impl Rates {
    /// More by day than by night.
    pub(crate) fn at(self, at: f64) -> Self {
        let factor = 1.0 + 0.6 * ((at / DAY).fract() * std::f64::consts::TAU).sin();
        Self { info: self.info * factor, warning: self.warning * factor, error: self.error * factor, ..self }
    }
}
