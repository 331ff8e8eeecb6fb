//! The series of a reading, cached because they rarely change.

use std::sync::Arc;

use crate::metric::Metric;
use crate::reading::{Labels, Reading, Sample, Subject};

/// The series of a reading, in its order. Cheap to clone; consecutive readings share them.
#[derive(Debug, Clone, Default)]
pub(super) struct SeriesList(Arc<[MetricSeriesKey]>);

/// One series.
#[derive(Debug)]
pub(super) struct MetricSeriesKey {
    pub(super) subject: Subject,
    pub(super) metric: &'static Metric,
    pub(super) labels: Labels,
}

impl SeriesList {
    /// Updates the list to that of this reading.
    pub(super) fn follow(&mut self, reading: &Reading) {
        let mut known = self.0.iter();
        let same = samples(reading).all(|(subject, sample)| {
            known.next().is_some_and(|it| {
                it.metric == sample.metric && it.labels == sample.labels && it.subject == *subject
            })
        });
        if same && known.next().is_none() {
            return;
        }
        let series = |(subject, sample): (&Subject, &Sample)| MetricSeriesKey {
            subject: subject.clone(),
            metric: sample.metric,
            labels: sample.labels.clone(),
        };
        self.0 = samples(reading).map(series).collect();
    }

    /// The values of a reading with these series.
    pub(super) fn values(&self, reading: &Reading) -> Arc<[f64]> {
        let mut values = Vec::with_capacity(self.0.len());
        values.extend(samples(reading).map(|(_, it)| it.value));
        values.into()
    }

    /// Whether both are one list, shared by consecutive readings.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &MetricSeriesKey> {
        self.0.iter()
    }
}

fn samples(reading: &Reading) -> impl Iterator<Item = (&Subject, &Sample)> {
    reading.subjects.iter().flat_map(|(subject, values)| values.iter().map(move |it| (subject, it)))
}
