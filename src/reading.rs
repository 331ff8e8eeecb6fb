//! Readings: the raw values of all subjects at one instant.
//!
//! A reading is data: it can be stored, attached to a bug report and replayed. Missing values are absent, never 0 or NaN.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::metric::{COUNT_MAX, Metric};

/// Seconds since the Unix epoch, by the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
pub struct Timestamp(pub f64);

/// How far the wall clock ran ahead of the monotonic one between two readings of one run. It is part of readings, so that a
/// replay finds the same rates.
pub static CLOCK_STEP: Metric = Metric::gauge(
    "hostnorm_clock_step_seconds",
    "Step of the wall clock since the previous reading, in seconds: its elapsed time minus that of the monotonic clock",
)
.within(-COUNT_MAX, COUNT_MAX);

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

/// Longest label value, in bytes. A longer one is cut at a character boundary and ends with a hash of the whole, so that two
/// that begin alike stay distinct.
pub const LABEL_BYTES_MAX: usize = 128;

/// The label values of one series, in the order of [`Metric::labels`]; cheap to clone.
#[derive(Debug, Clone, Eq, PartialOrd, Ord, Default)]
pub struct MetricLabels(Option<Arc<[Box<str>]>>);

/// Sources share labels between readings, so comparing pointers first usually suffices.
impl PartialEq for MetricLabels {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
            (None, None) => true,
            _ => false,
        }
    }
}

impl MetricLabels {
    /// No labels.
    pub const NONE: Self = Self(None);

    /// One value for each label name of the metric.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Some(values.into_iter().map(|it| cut(it).into()).collect()))
    }

    /// The values, in order.
    pub fn values(&self) -> &[Box<str>] {
        self.0.as_deref().unwrap_or_default()
    }
}

fn cut(text: &str) -> Cow<'_, str> {
    /// Bytes of the mark that follows what is left: a tilde and 12 digits.
    const MARK_BYTES: usize = 13;
    if text.len() <= LABEL_BYTES_MAX {
        return text.into();
    }
    let kept = &text[..text.floor_char_boundary(LABEL_BYTES_MAX - MARK_BYTES)];
    with_name_hash(kept, text.as_bytes()).into()
}

/// The visible part of a name, and twelve hexadecimal digits that tell names with the same visible part apart; the same in
/// every run (FNV-1a).
pub fn with_name_hash(visible: &str, name: &[u8]) -> String {
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{visible}~{:012x}", hash >> 16)
}

/// One value of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSample {
    /// The metric.
    pub metric: &'static Metric,
    /// The label values, such as device and mode.
    pub labels: MetricLabels,
    /// Finite, in the unit of the metric.
    pub value: f64,
}

/// All values of one subject at one instant, in the order of the sources.
#[derive(Debug, Clone, Default)]
pub struct SubjectValues(Vec<MetricSample>, Vec<MetricSample>);

/// Largest number of refused values that are noted.
const REFUSED_MAX: usize = 1024;

impl PartialEq for SubjectValues {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl SubjectValues {
    /// Adds the value of a metric without labels; a value that is not finite is skipped.
    pub fn set(&mut self, metric: &'static Metric, value: f64) {
        self.set_by(metric, &MetricLabels::NONE, value);
    }

    /// Adds the value of one series of a metric; NaN is skipped. An infinite value is kept aside in
    /// [`refused`](Self::take_refused).
    pub fn set_by(&mut self, metric: &'static Metric, labels: &MetricLabels, value: f64) {
        debug_assert_eq!(metric.labels.len(), labels.values().len(), "labels of {metric}");
        if value.is_infinite() && self.1.len() < REFUSED_MAX {
            self.1.push(MetricSample { metric, labels: labels.clone(), value });
        }
        if value.is_finite() {
            self.0.push(MetricSample { metric, labels: labels.clone(), value });
        }
    }

    /// The value of a metric without labels.
    pub fn get(&self, metric: &'static Metric) -> Option<f64> {
        self.each(metric).next().map(|it| it.value)
    }

    /// The value of one series.
    pub fn get_by(&self, metric: &'static Metric, labels: &MetricLabels) -> Option<f64> {
        self.each(metric).find(|it| it.labels == *labels).map(|it| it.value)
    }

    /// All series of a metric.
    pub fn each<'a>(&'a self, metric: &'static Metric) -> impl Iterator<Item = &'a MetricSample> + use<'a> {
        self.0.iter().filter(move |it| it.metric == metric)
    }

    /// Every value.
    pub fn iter(&self) -> impl Iterator<Item = &MetricSample> {
        self.0.iter()
    }

    /// The values that were infinite, because they cannot be; the list is empty afterwards.
    pub fn take_refused(&mut self) -> Vec<MetricSample> {
        std::mem::take(&mut self.1)
    }

    /// Makes room for this many further values.
    pub fn reserve(&mut self, count: usize) {
        self.0.reserve(count);
    }

    /// Number of values.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Drops each value from the `from`th on for which `holds` returns false; it gets the values as they were.
    pub fn keep(&mut self, from: usize, mut holds: impl FnMut(&Self, &MetricSample) -> bool) {
        let wrong: Vec<usize> =
            (from..self.0.len()).filter(|idx| !self.0.get(*idx).is_none_or(|it| holds(self, it))).collect();
        for idx in wrong.into_iter().rev() {
            self.0.remove(idx);
        }
    }

    /// Replaces values by those that `change` returns for their index; `None` drops one.
    pub fn replace(&mut self, changes: Vec<(usize, Option<f64>)>) {
        for (idx, value) in changes.into_iter().rev() {
            match (value, self.0.get_mut(idx)) {
                (Some(value), Some(sample)) => sample.value = value,
                (None, Some(_)) => drop(self.0.remove(idx)),
                (_, None) => {}
            }
        }
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
    /// Number of lines, names and values that are not shown: malformed, impossible, missing in their file, or over a bound.
    pub omitted: usize,
}

/// What a source does not show.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadingOmission {
    /// What is omitted, the same each time, so that it is said once.
    pub key: String,
    /// Why, in words, with path and line.
    pub what: String,
    /// Number of lines, names or values.
    pub count: usize,
}

/// All values read at one instant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// Time of the reading.
    pub at: Timestamp,
    /// Values by subject. Grouping by metric first would be quadratic in the number of subjects.
    pub subjects: BTreeMap<Subject, SubjectValues>,
    /// Failures, by source.
    pub problems: Vec<ReadProblem>,
    /// One row for each source that was read.
    pub collections: Vec<CollectorResult>,
    /// What the source being read does not show; the list is empty once all sources were read.
    pub omissions: Vec<ReadingOmission>,
}

impl Reading {
    /// An empty reading.
    pub fn new(at: Timestamp) -> Self {
        Self { at, ..Self::default() }
    }

    /// Seconds since the reading before: by the monotonic clock within a run, which does not count suspension, and by the wall
    /// clock from one run to the next.
    pub fn seconds_since(&self, before: Timestamp) -> f64 {
        let stepped = self.host_values().and_then(|it| it.get(&CLOCK_STEP));
        self.at.0 - before.0 - stepped.unwrap_or(0.0)
    }

    /// Notes that a source does not show something.
    pub fn note_omission(&mut self, count: usize, key: impl Into<String>, what: impl Into<String>) {
        self.omissions.push(ReadingOmission { key: key.into(), what: what.into(), count });
    }

    /// The values of the host, if any.
    pub fn host_values(&self) -> Option<&SubjectValues> {
        self.subjects.get(&Subject::Host)
    }

    /// The values of the host, to add to them.
    pub fn host(&mut self) -> &mut SubjectValues {
        self.subjects.entry(Subject::Host).or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    static SHARE: Metric = Metric::gauge("share_ratio", "A share");

    #[test]
    fn a_value_that_is_not_finite_is_missing() {
        let mut values = SubjectValues::default();
        values.set(&SHARE, f64::NAN);
        values.set(&SHARE, f64::INFINITY);
        assert_eq!(values.get(&SHARE), None);
    }

    #[test]
    fn a_long_label_is_cut_between_characters() {
        let labels = MetricLabels::new(["é".repeat(LABEL_BYTES_MAX).as_str()]);
        assert_eq!(labels.values()[0].len(), LABEL_BYTES_MAX - 1);
        let labels = MetricLabels::new([format!("x{}", "é".repeat(LABEL_BYTES_MAX)).as_str()]);
        assert_eq!(labels.values()[0].len(), LABEL_BYTES_MAX);
    }

    #[test]
    fn values_are_dropped_and_replaced_by_their_place() {
        let mut values = SubjectValues::default();
        (0..5).for_each(|it| values.set(&SHARE, f64::from(it)));
        values.keep(1, |_, it| (it.value - 2.0).abs() > 0.5);
        values.replace(vec![(0, Some(9.0)), (2, None)]);
        assert_eq!(values.iter().map(|it| it.value).collect::<Vec<_>>(), [9.0, 1.0, 4.0]);
    }

    proptest! {
        #[test]
        fn labels_that_begin_alike_stay_distinct(
            start in "[a-zé]{100,200}",
            one in "[a-zé]{0,40}",
            other in "[a-zé]{0,40}",
        ) {
            let labels = [&one, &other].map(|end| MetricLabels::new([format!("{start}{end}").as_str()]));
            prop_assert_eq!(labels[0] == labels[1], one == other);
            prop_assert!(labels.iter().all(|it| it.values()[0].len() <= LABEL_BYTES_MAX));
        }
    }
}
