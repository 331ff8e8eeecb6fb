//! The series of a reading, cached because they rarely change.

use std::sync::Arc;

use crate::metric::Metric;
use crate::reading::{MetricLabels, MetricSample, Reading, Subject, SubjectTurnover};

/// The series of a reading, in its order. Cheap to clone; consecutive readings share them.
#[derive(Debug, Clone, Default)]
pub(super) struct SeriesList {
    series: Arc<[MetricSeriesKey]>,
    /// Whether subjects that come and go are left out.
    permanent_only: bool,
}

/// One series.
#[derive(Debug)]
pub(super) struct MetricSeriesKey {
    pub(super) subject: Subject,
    pub(super) metric: &'static Metric,
    pub(super) labels: MetricLabels,
}

impl SeriesList {
    /// A list without subjects that come and go.
    pub(super) fn permanent_only() -> Self {
        Self { permanent_only: true, ..Self::default() }
    }

    /// Updates the list to that of this reading.
    pub(super) fn follow(&mut self, reading: &Reading) {
        let mut known = self.series.iter();
        let same = self.samples(reading).all(|(subject, sample)| {
            known.next().is_some_and(|it| {
                it.metric == sample.metric && it.labels == sample.labels && it.subject == *subject
            })
        });
        if same && known.next().is_none() {
            return;
        }
        let series = |(subject, sample): (&Subject, &MetricSample)| MetricSeriesKey {
            subject: subject.clone(),
            metric: sample.metric,
            labels: sample.labels.clone(),
        };
        self.series = self.samples(reading).map(series).collect();
    }

    /// The values of a reading with these series.
    pub(super) fn values(&self, reading: &Reading) -> Arc<[f64]> {
        let mut values = Vec::with_capacity(self.series.len());
        values.extend(self.samples(reading).map(|(_, it)| it.value));
        values.into()
    }

    /// Whether both are one list, shared by consecutive readings.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.series, &other.series)
    }

    /// Whether readings of this subject are stored.
    pub(super) fn lists(&self, subject: &Subject) -> bool {
        is_listed(self.permanent_only, subject)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &MetricSeriesKey> {
        self.series.iter()
    }

    fn samples<'a>(
        &self,
        reading: &'a Reading,
    ) -> impl Iterator<Item = (&'a Subject, &'a MetricSample)> + use<'a> {
        let permanent_only = self.permanent_only;
        let subjects = reading.subjects.iter().filter(move |(subject, _)| is_listed(permanent_only, subject));
        subjects.flat_map(|(subject, values)| values.iter().map(move |it| (subject, it)))
    }
}

fn is_listed(permanent_only: bool, subject: &Subject) -> bool {
    !permanent_only || subject.kind().turnover() == SubjectTurnover::Permanent
}
