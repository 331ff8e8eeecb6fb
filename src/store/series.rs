//! Which series the values of a reading belong to: hardly ever others than those of the reading before.

use std::sync::Arc;

use crate::metric::Metric;
use crate::reading::{Labels, Reading, Sample, Subject};

/// The series of a reading, in its order. Cheap to clone; readings that follow each other share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Series(Arc<[Place]>);

/// One of them.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) subject: Subject,
    pub(super) metric: &'static Metric,
    pub(super) labels: Labels,
}

impl Series {
    /// Becomes those of this reading.
    pub(super) fn follow(&mut self, reading: &Reading) {
        let mut places = self.0.iter();
        let same = samples(reading).all(|(subject, sample)| {
            places.next().is_some_and(|it| {
                it.metric == sample.metric && it.labels == sample.labels && it.subject == *subject
            })
        });
        if same && places.next().is_none() {
            return;
        }
        let place = |(subject, sample): (&Subject, &Sample)| Place {
            subject: subject.clone(),
            metric: sample.metric,
            labels: sample.labels.clone(),
        };
        self.0 = samples(reading).map(place).collect();
    }

    /// The values of a reading that has these series.
    pub(super) fn values(&self, reading: &Reading) -> Arc<[f64]> {
        let mut values = Vec::with_capacity(self.0.len());
        values.extend(samples(reading).map(|(_, it)| it.value));
        values.into()
    }

    /// Whether both are shared: those of readings that followed each other.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Place> {
        self.0.iter()
    }
}

fn samples(reading: &Reading) -> impl Iterator<Item = (&Subject, &Sample)> {
    reading.subjects.iter().flat_map(|(subject, values)| values.iter().map(move |it| (subject, it)))
}
