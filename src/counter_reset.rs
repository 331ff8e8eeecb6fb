//! Keeps counters from falling: the one place that decides what a counter gained that fell, came back or jumped.
//!
//! A counter that counts since boot never falls at its origin, but what the kernel shows of it does: a driver resets its
//! statistics, a file shows zeros for one reading, the time a CPU waited is corrected, a CPU or an interface is replaced.
//! What is shown is the sum of the gains that are known. A reading whose gain is unknown lacks the value, so that no rate is
//! taken across it. Nothing is adjusted as long as a counter rises by what it can. A counter that keeps rising by more proves
//! that its limit is wrong. A leap far above all gains before is unknown for one reading: it counts if the next value goes on
//! from it, and does not if that returns. The first gain of a counter that was just found has nothing to be compared with but
//! the gain that follows, because the first value may have been 0 or incomplete.

use std::collections::BTreeMap;

use crate::metric::{CounterResetCause, Metric, MetricType};
use crate::reading::{MetricLabels, MetricSample, Reading, Subject, SubjectValues, Timestamp};

mod counter_state;

use counter_state::{CounterState, LimitValues};

/// Largest number of series of one subject, and of subjects, that are remembered while they are not read.
const ABSENT_MAX: usize = 1024;

/// The counters of all subjects.
#[derive(Debug, Default)]
pub struct MonotonicCounters {
    subjects: BTreeMap<Subject, SubjectCounters>,
    /// Number of the reading.
    reading: u64,
    /// Number of offsets that the store has, if that is known.
    stored: Option<usize>,
    /// Time of the reading, and the sum of the seconds between readings, which does not step with the clock.
    at: Timestamp,
    clock: f64,
}

/// The counters of one subject, in the order in which they are read.
#[derive(Debug, Default)]
struct SubjectCounters {
    series: Vec<CounterState>,
    /// The last reading with the subject.
    seen: u64,
}

/// A limit that a counter exceeds for longer than a fault lasts, so it is not one.
#[derive(Debug, Clone, PartialEq)]
pub struct WrongLimit {
    /// Whose counter it is.
    pub subject: Subject,
    /// The metric.
    pub metric: &'static Metric,
    /// The label values.
    pub labels: MetricLabels,
    /// The limit, per second.
    pub limit: f64,
    /// The gain, per second.
    pub gain: f64,
}

/// What is added to a counter as the kernel shows it. It outlives a restart of hostnorm, because what the kernel shows does.
#[derive(Debug, Clone, PartialEq)]
pub struct CounterOffset {
    /// Whose counter it is.
    pub subject: Subject,
    /// The metric.
    pub metric: &'static Metric,
    /// The label values.
    pub labels: MetricLabels,
    /// The difference between the shown and the read value.
    pub offset: f64,
}

/// Offsets to store.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetChanges {
    /// Whether they replace all stored ones, because counters are gone or began anew.
    pub is_whole: bool,
    /// The offsets.
    pub offsets: Vec<CounterOffset>,
}

impl MonotonicCounters {
    /// Adjusts the counters of a reading. After a boot, `booted` is true, and all counters start anew. Returns the limits that
    /// turned out to be wrong, each once.
    pub fn settle(&mut self, now: &mut Reading, booted: bool) -> Vec<WrongLimit> {
        if booted {
            self.subjects.clear();
        }
        let at = self.begin(now);
        let mut wrong = Vec::new();
        // The values of the host are limits of all subjects.
        let mut host = now.subjects.get_mut(&Subject::Host).map(std::mem::take);
        if let Some(values) = &mut host {
            self.settle_subject(&Subject::Host, values, None, at, &mut wrong);
        }
        for (subject, values) in now.subjects.iter_mut().filter(|it| *it.0 != Subject::Host) {
            self.settle_subject(subject, values, host.as_ref(), at, &mut wrong);
        }
        if let Some(values) = host {
            *now.host() = values;
        }
        if now.subjects.len() + ABSENT_MAX < self.subjects.len() {
            self.subjects.retain(|_, it| it.seen == self.reading);
        }
        wrong
    }

    /// Continues from a reading that was settled before it was stored: its counters are shown as they are.
    pub fn resume(&mut self, settled: &Reading) {
        let at = self.begin(settled);
        for (subject, values) in &settled.subjects {
            self.subjects.entry(subject.clone()).or_default().resume(values, at, self.reading);
        }
    }

    /// Continues with offsets that were stored with the last reading.
    pub fn resume_offsets(&mut self, offsets: &[CounterOffset]) {
        for it in offsets {
            let of_subject = self.subjects.get_mut(&it.subject).into_iter().flat_map(|it| &mut it.series);
            of_subject
                .filter(|counter| counter.metric == it.metric && counter.labels == it.labels)
                .for_each(|counter| counter.resume_offset(it.offset));
        }
    }

    /// The offsets that the store lacks, if any; the call marks them as stored.
    pub fn take_offset_changes(&mut self) -> Option<OffsetChanges> {
        let has_offset = |offset: f64| offset.abs() > 0.0;
        let counters = || self.subjects.values().flat_map(|it| &it.series);
        let is_whole = self.stored != Some(counters().filter(|it| has_offset(it.stored_offset)).count());
        let (mut offsets, mut stored) = (Vec::new(), 0);
        for (subject, of_subject) in &mut self.subjects {
            for it in &mut of_subject.series {
                let changed = has_offset(it.offset - it.stored_offset);
                stored += usize::from(has_offset(it.offset));
                it.stored_offset = it.offset;
                if changed || (is_whole && has_offset(it.offset)) {
                    let (subject, labels) = (subject.clone(), it.labels.clone());
                    offsets.push(CounterOffset { subject, metric: it.metric, labels, offset: it.offset });
                }
            }
        }
        self.stored = Some(stored);
        (is_whole || !offsets.is_empty()).then_some(OffsetChanges { is_whole, offsets })
    }

    /// States that the store may lack any offset.
    pub fn store_all_offsets(&mut self) {
        self.stored = None;
    }

    /// Counts a reading; returns its time on the clock that does not step.
    fn begin(&mut self, now: &Reading) -> f64 {
        self.reading += 1;
        self.clock += now.seconds_since(self.at).max(0.0);
        self.at = now.at;
        self.clock
    }

    fn settle_subject(
        &mut self,
        subject: &Subject,
        values: &mut SubjectValues,
        host: Option<&SubjectValues>,
        at: f64,
        wrong: &mut Vec<WrongLimit>,
    ) {
        if !self.subjects.contains_key(subject) {
            self.subjects.insert(subject.clone(), SubjectCounters::default());
        }
        let Some(counters) = self.subjects.get_mut(subject) else { return };
        for (metric, labels, limit, gain) in counters.settle(values, host, at, self.reading) {
            wrong.push(WrongLimit { subject: subject.clone(), metric, labels, limit, gain });
        }
    }
}

/// Metric, labels, limit and gain of a counter whose limit is wrong.
type ExceededLimit = (&'static Metric, MetricLabels, f64, f64);

impl SubjectCounters {
    fn settle(
        &mut self,
        values: &mut SubjectValues,
        host: Option<&SubjectValues>,
        at: f64,
        reading: u64,
    ) -> Vec<ExceededLimit> {
        self.seen = reading;
        let (mut changes, mut exceeded) = (Vec::new(), Vec::new());
        let (mut place, mut present) = (0, 0);
        for (idx, sample) in values.iter().enumerate() {
            if !is_settled(sample.metric) {
                continue;
            }
            present += 1;
            match self.find(place, sample) {
                Some(found) => {
                    place = found + 1;
                    let Some(counter) = self.series.get_mut(found) else { continue };
                    let limits = LimitValues { own: &*values, host };
                    let before = counter.proven;
                    let value = counter.settle(sample.value, at, reading, limits);
                    if before <= 0.0 && counter.proven > 0.0 {
                        let limit = counter.declared_limit(limits);
                        exceeded.push((counter.metric, counter.labels.clone(), limit, counter.proven));
                    }
                    if value != Some(sample.value) {
                        changes.push((idx, value));
                    }
                }
                None => {
                    self.series.insert(place.min(self.series.len()), CounterState::new(sample, at, reading));
                    place += 1;
                }
            }
        }
        values.replace(changes);
        if present + ABSENT_MAX < self.series.len() {
            self.series.retain(|it| it.seen == reading);
        }
        exceeded
    }

    fn resume(&mut self, values: &SubjectValues, at: f64, reading: u64) {
        self.seen = reading;
        let mut place = 0;
        for sample in values.iter().filter(|it| is_settled(it.metric)) {
            match self.find(place, sample) {
                Some(found) => {
                    place = found;
                    let counter = self.series.get_mut(found);
                    counter.into_iter().for_each(|it| it.resume(sample.value, at, reading));
                }
                None => {
                    let mut counter = CounterState::new(sample, at, reading);
                    counter.resume(sample.value, at, reading);
                    place = place.min(self.series.len());
                    self.series.insert(place, counter);
                }
            }
            place += 1;
        }
    }

    /// The place of a series: sources list them in a stable order, so it is usually the next one.
    fn find(&self, next: usize, sample: &MetricSample) -> Option<usize> {
        let is_same = |it: &CounterState| it.metric == sample.metric && it.labels == sample.labels;
        let (before, after) = self.series.split_at(next.min(self.series.len()));
        let later = after.iter().position(is_same).map(|it| it + before.len());
        later.or_else(|| before.iter().position(is_same))
    }
}

/// Whether a metric is a counter of the kernel.
fn is_settled(metric: &Metric) -> bool {
    metric.ty == MetricType::Counter && metric.origin == CounterResetCause::Boot
}

#[cfg(test)]
mod tests;
