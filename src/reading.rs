//! Readings: the raw values of all subjects at one instant.
//!
//! A reading is data: it can be stored, attached to a bug report and replayed. Missing values are absent, never 0 or NaN.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::metric::Metric;

/// Seconds since the Unix epoch, by the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
pub struct Timestamp(pub f64);

/// The entity that a value describes, with an identity that survives restarts of hostnorm and of the entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Subject {
    /// The machine as a whole.
    Host,
    /// One container, by workload and container name, never by its ID.
    Container(Arc<str>),
    /// One log, by its configured name.
    Log(Arc<str>),
    /// One pod of Kubernetes, by namespace and workload.
    Pod(Arc<str>),
    /// One systemd service, by its unit.
    Service(Arc<str>),
}

/// The class of a subject; subjects of one kind share signals and models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SubjectKind {
    /// The machine as a whole.
    Host,
    /// A container.
    Container,
    /// A log.
    Log,
    /// A pod of Kubernetes.
    Pod,
    /// A systemd service.
    Service,
}

/// How many subjects a kind has, and how long they exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectTurnover {
    /// One, for as long as hostnorm runs; it is never evicted and keeps a long history.
    Permanent,
    /// Many, which come and go; absent ones are evicted, and new ones borrow statistics from the others.
    Changing,
}

impl Subject {
    /// The subject of this kind and name; `None` if a host has another name than the fixed one.
    pub fn read(kind: SubjectKind, name: &str) -> Option<Self> {
        match kind {
            SubjectKind::Host => (name == Self::Host.name()).then_some(Self::Host),
            SubjectKind::Container => Some(Self::Container(name.into())),
            SubjectKind::Log => Some(Self::Log(name.into())),
            SubjectKind::Pod => Some(Self::Pod(name.into())),
            SubjectKind::Service => Some(Self::Service(name.into())),
        }
    }

    /// The kind of the subject.
    pub fn kind(&self) -> SubjectKind {
        match self {
            Self::Host => SubjectKind::Host,
            Self::Container(_) => SubjectKind::Container,
            Self::Log(_) => SubjectKind::Log,
            Self::Pod(_) => SubjectKind::Pod,
            Self::Service(_) => SubjectKind::Service,
        }
    }

    /// The value of the label `subject`. The host has a fixed name, because target labels already identify it.
    pub fn name(&self) -> &str {
        match self {
            Self::Host => "host",
            Self::Container(name) | Self::Log(name) | Self::Pod(name) | Self::Service(name) => name,
        }
    }
}

impl SubjectKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Host, Self::Container, Self::Log, Self::Pod, Self::Service];

    /// Parses the name of a kind.
    pub fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// How many subjects the kind has.
    pub fn turnover(self) -> SubjectTurnover {
        match self {
            Self::Host => SubjectTurnover::Permanent,
            Self::Container | Self::Log | Self::Pod | Self::Service => SubjectTurnover::Changing,
        }
    }

    /// The value of the label `kind`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Container => "container",
            Self::Log => "log",
            Self::Pod => "pod",
            Self::Service => "service",
        }
    }
}

/// Longest label value, in bytes; longer ones are truncated at a character boundary.
pub const LABEL_BYTES_MAX: usize = 128;

/// The label values of one series, in the order of [`Metric::labels`]; cheap to clone.
#[derive(Debug, Clone, Eq, PartialOrd, Ord, Default)]
pub struct Labels(Option<Arc<[Box<str>]>>);

/// Sources share labels between readings, so comparing pointers first usually suffices.
impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
            (None, None) => true,
            _ => false,
        }
    }
}

impl Labels {
    /// No labels.
    pub const NONE: Self = Self(None);

    /// One value for each label name of the metric.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Some(values.into_iter().map(|it| Box::from(cut(it))).collect()))
    }

    /// The values, in order.
    pub fn values(&self) -> &[Box<str>] {
        self.0.as_deref().unwrap_or_default()
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LABEL_BYTES_MAX)]
}

/// One value of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric.
    pub metric: &'static Metric,
    /// The label values, such as device and mode.
    pub labels: Labels,
    /// Finite, in the unit of the metric.
    pub value: f64,
}

/// All values of one subject at one instant, in the order of the sources.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values(Vec<Sample>);

impl Values {
    /// Adds the value of a metric without labels; a value that is not finite is skipped.
    pub fn set(&mut self, metric: &'static Metric, value: f64) {
        self.set_by(metric, &Labels::NONE, value);
    }

    /// Adds the value of one series of a metric; a value that is not finite is skipped.
    pub fn set_by(&mut self, metric: &'static Metric, labels: &Labels, value: f64) {
        debug_assert_eq!(metric.labels.len(), labels.values().len(), "labels of {metric}");
        if value.is_finite() {
            self.0.push(Sample { metric, labels: labels.clone(), value });
        }
    }

    /// The value of a metric without labels.
    pub fn get(&self, metric: &'static Metric) -> Option<f64> {
        self.each(metric).next().map(|it| it.value)
    }

    /// The value of one series.
    pub fn get_by(&self, metric: &'static Metric, labels: &Labels) -> Option<f64> {
        self.each(metric).find(|it| it.labels == *labels).map(|it| it.value)
    }

    /// All series of a metric.
    pub fn each(&self, metric: &'static Metric) -> impl Iterator<Item = &Sample> {
        self.0.iter().filter(move |it| it.metric == metric)
    }

    /// Every value.
    pub fn iter(&self) -> impl Iterator<Item = &Sample> {
        self.0.iter()
    }
}

/// Why a source failed in this reading; other sources are unaffected.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadProblem {
    /// Name of the source.
    pub source: &'static str,
    /// What failed, with path and line.
    pub what: String,
}

/// The result of one source in one reading.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectorResult {
    /// Name of the source.
    pub source: &'static str,
    /// Whether the source read everything.
    pub success: bool,
    /// Duration, in seconds.
    pub seconds: f64,
}

/// All values read at one instant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// Time of the reading.
    pub at: Timestamp,
    /// Values by subject. Grouping by metric first would be quadratic in the number of subjects.
    pub subjects: BTreeMap<Subject, Values>,
    /// Failures, by source.
    pub problems: Vec<ReadProblem>,
    /// One row for each source that was read.
    pub collections: Vec<CollectorResult>,
}

impl Reading {
    /// An empty reading.
    pub fn new(at: Timestamp) -> Self {
        Self { at, ..Self::default() }
    }

    /// The values of the host, if any.
    pub fn host_values(&self) -> Option<&Values> {
        self.subjects.get(&Subject::Host)
    }

    /// The values of the host, to add to them.
    pub fn host(&mut self) -> &mut Values {
        self.subjects.entry(Subject::Host).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SHARE: Metric = Metric::gauge("share_ratio", "A share");

    #[test]
    fn a_value_that_is_not_finite_is_missing() {
        let mut values = Values::default();
        values.set(&SHARE, f64::NAN);
        values.set(&SHARE, f64::INFINITY);
        assert_eq!(values.get(&SHARE), None);
    }

    #[test]
    fn a_long_label_is_cut_between_characters() {
        let labels = Labels::new(["é".repeat(LABEL_BYTES_MAX).as_str()]);
        assert_eq!(labels.values()[0].len(), LABEL_BYTES_MAX);
        let labels = Labels::new([format!("x{}", "é".repeat(LABEL_BYTES_MAX)).as_str()]);
        assert_eq!(labels.values()[0].len(), LABEL_BYTES_MAX - 1);
    }
}
