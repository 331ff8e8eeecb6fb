//! Writes metric families with the encoder of prometheus-client.
//!
//! The encoder appends `_total` to counters and checks nothing. This module ensures that each family is written once, with
//! its declared labels.

use std::fmt::{self, Write as _};

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabel, EncodeLabelSet, EncodeMetric, LabelSetEncoder, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType as EncodedType;

use crate::metric::{Metric, MetricType};

/// The place of each metric on the page.
pub(super) struct FamilyOrder {
    metrics: Vec<&'static Metric>,
    /// The rank that was asked for last: sources set their metrics about in the order of their tables, so that
    /// the next one is there or shortly behind.
    newest: usize,
}

impl FamilyOrder {
    pub(super) fn new(metrics: &[&'static Metric]) -> Self {
        Self { metrics: metrics.to_vec(), newest: 0 }
    }

    pub(super) fn of(&mut self, metric: &'static Metric) -> usize {
        let (before, after) = self.metrics.split_at(self.newest);
        let found = after.iter().position(|it| *it == metric).map(|it| it + self.newest);
        let found = found.or_else(|| before.iter().position(|it| *it == metric));
        self.newest = found.unwrap_or_else(|| {
            self.metrics.push(metric);
            self.metrics.len() - 1
        });
        self.newest
    }
}

/// Writes families one after the other.
pub(super) struct MetricFamilies<'a> {
    encoder: DescriptorEncoder<'a>,
    /// Where a help text gets its full stop; kept for its memory.
    help: String,
}

impl<'a> MetricFamilies<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self { encoder, help: String::new() }
    }

    /// Writes one family; one without any value is absent altogether.
    pub(super) fn add<L: LabelValues>(
        &mut self,
        metric: &'static Metric,
        samples: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().filter(|(_, value)| value.is_finite()).peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        self.help.clear();
        write!(self.help, "{}.", metric.help)?;
        // The encoder appends the suffix of counters to each sample.
        let (name, ty) = match metric.ty {
            // A single value has no sizes to count by.
            MetricType::Gauge | MetricType::Histogram => (metric.name, EncodedType::Gauge),
            MetricType::Counter => (metric.name.trim_end_matches("_total"), EncodedType::Counter),
        };
        let mut family = self.encoder.encode_descriptor(name, &self.help, None, ty)?;
        for (values, value) in samples {
            if metric.labels.is_empty() && values.subject().is_none() {
                encode(&mut family, metric.ty, value)?;
            } else {
                let labels = EncodedLabels { names: metric.labels, values };
                encode(&mut family.encode_family(&labels)?, metric.ty, value)?;
            }
        }
        Ok(())
    }

    /// Writes one family that encodes itself.
    pub(super) fn add_whole(&mut self, metric: &'static Metric, whole: &impl EncodeMetric) -> fmt::Result {
        self.help.clear();
        write!(self.help, "{}.", metric.help)?;
        let family = self.encoder.encode_descriptor(metric.name, &self.help, None, whole.metric_type())?;
        whole.encode(family)
    }
}

/// Whole numbers are written as such: `1`, not `1.0`. From 2^53 on a float has no fraction anyway.
fn encode(family: &mut MetricEncoder<'_>, ty: MetricType, value: f64) -> fmt::Result {
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    let whole = (value.abs() < WHOLE_MAX && value.fract() == 0.0).then_some(value as i64);
    match (ty, whole) {
        (MetricType::Gauge | MetricType::Histogram, Some(whole)) => family.encode_gauge(&whole),
        (MetricType::Gauge | MetricType::Histogram, None) => family.encode_gauge(&value),
        (MetricType::Counter, whole) => match whole.and_then(|it| u64::try_from(it).ok()) {
            Some(whole) => family.encode_counter::<NoLabelSet, u64, f64>(&whole, None),
            None => family.encode_counter::<NoLabelSet, f64, f64>(&value, None),
        },
    }
}

/// The values of the labels of one series.
pub(super) trait LabelValues {
    /// Kind and name of who the value describes, where the metric's own labels do not tell.
    fn subject(&self) -> Option<[&str; 2]> {
        None
    }

    /// One for each label name of the metric, in order.
    fn values(&self) -> impl Iterator<Item = &str>;
}

impl<const N: usize> LabelValues for [&str; N] {
    fn values(&self) -> impl Iterator<Item = &str> {
        self.iter().copied()
    }
}

/// Labels as a reading has them. The series of subjects other than the host get two more, which tell them apart.
pub(super) struct SubjectLabels<'a> {
    pub(super) subject: Option<[&'a str; 2]>,
    pub(super) values: &'a [Box<str>],
}

impl LabelValues for SubjectLabels<'_> {
    fn subject(&self) -> Option<[&str; 2]> {
        self.subject
    }

    fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|it| &**it)
    }
}

struct EncodedLabels<L> {
    names: &'static [&'static str],
    values: L,
}

/// An empty label value means the same as no label, so it is left out.
impl<L: LabelValues> EncodeLabelSet for EncodedLabels<L> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        if let Some([kind, subject]) = self.values.subject() {
            ("kind", kind).encode(encoder.encode_label())?;
            ("subject", subject).encode(encoder.encode_label())?;
        }
        let labels = self.names.iter().copied().zip(self.values.values());
        for label in labels.filter(|(_, value)| !value.is_empty()) {
            label.encode(encoder.encode_label())?;
        }
        Ok(())
    }
}
