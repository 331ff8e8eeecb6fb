//! The mapping file from hostnorm's metrics to a server's names. Users may edit a copy of it.

use std::fmt;
use std::path::Path;

use super::ServerKind;
use crate::metric::Metric;
use crate::whole_file;

mod mapping_file;
mod resolve;

/// The built-in mapping.
pub const SHIPPED: &str = include_str!("../../docs/mapping.yaml");
/// Name of the built-in mapping in messages.
const SHIPPED_NAME: &str = "the names that hostnorm brings along";
/// Largest mapping file, in bytes; the built-in one has 12 kB.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Largest number of sources in one set; each costs a query per chunk.
pub(super) const ENTRIES_MAX: usize = 512;

/// Names for both kinds of servers.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricNameMapping {
    prometheus: Vec<ExporterMapping>,
    influx: Vec<ExporterMapping>,
}

/// The names of one program.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ExporterMapping {
    /// Name of the program.
    pub(super) name: String,
    /// A series that exists whenever the host was monitored.
    pub(super) anchor: SeriesSelector,
    /// The series of hostnorm's own signals, if any.
    pub(super) signals: Option<SignalSelector>,
    /// The series of raw metrics.
    pub(super) entries: Vec<MetricMapping>,
}

/// Selects series of a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeriesSelector {
    /// A metric of Prometheus, or `measurement.field`.
    pub(super) from: String,
    /// Further conditions in the server's language; may be empty.
    pub(super) filter: String,
}

/// The series of signals by name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SignalSelector {
    /// Selects them.
    pub(super) choice: SeriesSelector,
    /// The label with the name of the signal.
    pub(super) name: String,
}

/// The series of one raw metric, or of one of its label sets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MetricMapping {
    /// hostnorm's metric.
    pub(super) metric: &'static Metric,
    /// The server's series.
    pub(super) choice: SeriesSelector,
    /// Series to add.
    pub(super) plus: Option<String>,
    /// Series to subtract.
    pub(super) minus: Option<String>,
    /// The value of each label, in the order of the metric's labels.
    pub(super) labels: Vec<LabelSource>,
    /// A factor.
    pub(super) times: f64,
    /// Whether the value is a rate per second, to be summed to a counter.
    pub(super) rate: bool,
    /// A divisor.
    pub(super) per: Option<&'static Metric>,
    /// How several series are combined.
    pub(super) by: Aggregation,
}

/// The value of a label.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum LabelSource {
    /// The value of this label of the server.
    Of(String),
    /// A constant.
    Fixed(String),
}

/// How several series are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Aggregation {
    /// Their sum.
    #[default]
    Sum,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// Their mean.
    Avg,
    /// Their number.
    Count,
}

impl Aggregation {
    /// Name of the PromQL operator.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Max => "max",
            Self::Min => "min",
            Self::Avg => "avg",
            Self::Count => "count",
        }
    }
}

/// An error in a mapping file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingError {
    /// The file.
    pub file: String,
    /// Its line, from 1, if known.
    pub line: Option<usize>,
    /// The problem.
    pub what: String,
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}, line {line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

impl std::error::Error for MappingError {}

impl MetricNameMapping {
    /// Parses the built-in mapping.
    ///
    /// # Errors
    /// Never; a test proves that it is valid.
    pub fn shipped(metrics: &[&'static Metric]) -> Result<Self, MappingError> {
        Self::of(SHIPPED_NAME, SHIPPED, metrics)
    }

    /// Reads a mapping file.
    ///
    /// # Errors
    /// The first problem of the file.
    pub fn read(path: &Path, metrics: &[&'static Metric]) -> Result<Self, MappingError> {
        Self::of(&path.display().to_string(), &text(path)?, metrics)
    }

    fn of(file: &str, text: &str, metrics: &[&'static Metric]) -> Result<Self, MappingError> {
        let raw = mapping_file::parse(file, text)?;
        let resolver = resolve::MetricNameResolver { file, text, metrics };
        Ok(Self {
            prometheus: resolver.sets(ServerKind::Prometheus, raw.prometheus)?,
            influx: resolver.sets(ServerKind::Influx, raw.influxdb)?,
        })
    }

    /// The sets of names for a kind of server.
    pub(super) fn sets(&self, kind: ServerKind) -> &[ExporterMapping] {
        match kind {
            ServerKind::Prometheus => &self.prometheus,
            ServerKind::Influx => &self.influx,
        }
    }
}

fn text(path: &Path) -> Result<String, MappingError> {
    let wrong = |what| MappingError { file: path.display().to_string(), line: None, what };
    whole_file::text(path, FILE_BYTES_MAX).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    static SECONDS: Metric =
        Metric::counter("hostnorm_cpu_seconds_total", "CPU time of all CPUs in seconds, by mode")
            .by(&["mode"]);
    static CPUS: Metric = Metric::gauge("hostnorm_cpus_online", "CPUs online");
    static METRICS: &[&Metric] = &[&SECONDS, &CPUS];

    fn check(text: &str, expect: &str) {
        let found = MetricNameMapping::of("m.yaml", text, METRICS)
            .map_or_else(|it| it.to_string(), |_| String::new());
        assert_eq!(found, expect, "{text}");
    }

    /// A set of node_exporter with this metric.
    fn with(metric: &str) -> String {
        format!("prometheus:\n  node:\n    anchor: {{from: up}}\n    metrics:\n      {metric}\n")
    }

    #[test]
    fn sources_are_understood() {
        let text = with("hostnorm_cpu_seconds_total: {from: node_cpu_seconds_total, times: 0.5}");
        let mapping = MetricNameMapping::of("m.yaml", &text, METRICS).unwrap();
        let [set] = mapping.sets(ServerKind::Prometheus) else { panic!("{mapping:?}") };
        let [entry] = &set.entries[..] else { panic!("{set:?}") };
        assert_eq!((entry.labels.as_slice(), entry.times), (&[LabelSource::Of("mode".into())][..], 0.5));
        assert!(mapping.sets(ServerKind::Influx).is_empty());
        check(
            &with(
                "hostnorm_cpu_seconds_total: [{from: a, fixed: {mode: user}}, {from: b, fixed: {mode: idle}}]",
            ),
            "",
        );
    }

    /// Checks the reported line, and words of the message.
    fn check_wrong(text: &str, line: usize, words: &str) {
        let error = MetricNameMapping::of("m.yaml", text, METRICS).unwrap_err();
        assert_eq!(error.line, Some(line), "{error}");
        assert!(error.what.contains(words), "{error}");
    }

    #[test]
    fn errors_have_a_line() {
        check_wrong("prometheus: [", 1, "expected");
        check_wrong("graphite: {}\n", 1, "unknown field `graphite`, expected `prometheus` or `influxdb`");
        let metric = |line: &str, words: &str| check_wrong(&with(line), 5, words);
        metric("hostnorm_cpus: {from: x}", "no metric \"hostnorm_cpus\"; did you mean hostnorm_cpus_online?");
        metric("hostnorm_cpus_online: {form: x}", "unknown field `form`");
        metric("hostnorm_cpus_online: {from: 'a b'}", "\"a b\" is not the name of a metric of Prometheus");
        metric("hostnorm_cpus_online: {from: a, times: .nan}", "times must be a finite number");
        metric("hostnorm_cpus_online: {from: a, per: hostnorm_cpu_seconds_total}", "a metric without labels");
        metric("hostnorm_cpus_online: {from: a, labels: {mode: x}}", "has no label \"mode\"");
        metric("hostnorm_cpus_online: 7", "expected a source such as {from: name}, or a list of them");
        check_wrong(
            "influxdb:\n  t:\n    anchor: {from: cpu}\n",
            3,
            "\"cpu\" is not a measurement.field of InfluxDB",
        );
        let tagless = "influxdb:\n  t:\n    anchor: {from: a.b}\n    metrics:\n      hostnorm_cpu_seconds_total: {from: a.b}\n";
        check_wrong(tagless, 5, "no source for the label \"mode\" of hostnorm_cpu_seconds_total");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "([a-z_:{}\\[\\],]|prometheus:|metrics:|hostnorm_cpus_online:|from:|  |\n|\\PC){0,40}") {
            let _ = MetricNameMapping::of("m.yaml", &text, METRICS);
        }
    }
}
