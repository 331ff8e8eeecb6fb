//! Keeps counters from falling: the one place that decides what a counter gained that fell, came back or jumped.
//!
//! A counter that counts since boot never falls at its origin, but what the kernel shows of it does: a driver resets its
//! statistics, a file shows zeros for one reading, the time a CPU waited is corrected, a CPU or an interface is replaced.
//! What is shown is the sum of the gains that are known. A reading whose gain is unknown lacks the value, so that no rate is
//! taken across it. Nothing is adjusted as long as a counter rises by what it can.

use std::collections::BTreeMap;

use crate::metric::{CounterOrigin, GAIN_MAX, Metric, MetricType};
use crate::reading::{Labels, Reading, Sample, Subject, Values};

/// Share of the value up to which a counter that fell was corrected rather than reset.
const CORRECTION_SHARE: f64 = 1e-3;
/// The same for seconds, as the time that a CPU waited; a small number of events restarts.
const CORRECTION_MIN: f64 = 3.0;

/// Times the elapsed time, and seconds on top, that a counter may gain at its limit: readings are late, and devices update
/// their statistics every few seconds.
const GAIN_TIMES: f64 = 2.0;
const GAIN_SECONDS: f64 = 5.0;

/// Readings after a fall in which a large step counts as a return, and how much larger it is than the largest gain so far.
const RETURN_READINGS: u64 = 100;
const SURGE_TIMES: f64 = 10.0;
/// Largest number of such steps after a fall: more of them are traffic after a reset, which must not stay hidden.
const SURGES_MAX: u32 = 3;

/// Largest fall of a counter, unless of seconds, after which a return is not looked for.
const SMALL_FALL_MAX: f64 = 1000.0;

/// Largest number of series of one subject, and of subjects, that are remembered while they are not read.
const ABSENT_MAX: usize = 1024;

/// The counters of all subjects.
#[derive(Debug, Default)]
pub struct CounterResets {
    subjects: BTreeMap<Subject, SubjectCounters>,
    /// Number of the reading.
    reading: u64,
}

/// The counters of one subject, in the order in which they are read.
#[derive(Debug, Default)]
struct SubjectCounters {
    series: Vec<Counter>,
    /// The last reading with the subject.
    seen: u64,
}

/// One series.
#[derive(Debug)]
struct Counter {
    metric: &'static Metric,
    labels: Labels,
    /// The last reading that had it, and its time.
    seen: u64,
    at: f64,
    /// Its last value as read.
    raw: f64,
    /// Its last value as shown, and what is added to values as read: 0 until one falls or jumps.
    shown: f64,
    offset: f64,
    /// Largest gain so far, below which limits need not be looked up.
    gain_max: f64,
    /// The fall after which it may come back.
    fall: Option<Fall>,
    /// A value that was too high to be true, unless the next one confirms it.
    jump: Option<f64>,
}

/// A fall of a counter.
#[derive(Debug, Clone, Copy)]
struct Fall {
    /// The highest value before.
    raw: f64,
    /// The offset then.
    offset: f64,
    /// The value that it fell to.
    low: f64,
    /// The reading of the first fall.
    reading: u64,
    /// Number of large steps since then.
    surges: u32,
}

impl CounterResets {
    /// Adjusts the counters of a reading. After a boot, `booted` is true, and all counters start anew.
    pub fn settle(&mut self, now: &mut Reading, booted: bool) {
        if booted {
            self.subjects.clear();
        }
        self.reading += 1;
        let (at, reading) = (now.at.0, self.reading);
        for (subject, values) in &mut now.subjects {
            if !self.subjects.contains_key(subject) {
                self.subjects.insert(subject.clone(), SubjectCounters::default());
            }
            if let Some(counters) = self.subjects.get_mut(subject) {
                counters.settle(values, at, reading);
            }
        }
        if now.subjects.len() + ABSENT_MAX < self.subjects.len() {
            self.subjects.retain(|_, it| it.seen == reading);
        }
    }
}

impl SubjectCounters {
    fn settle(&mut self, values: &mut Values, at: f64, reading: u64) {
        self.seen = reading;
        let mut changes = Vec::new();
        let (mut place, mut present) = (0, 0);
        for (idx, sample) in values.iter().enumerate() {
            if sample.metric.ty != MetricType::Counter || sample.metric.origin == CounterOrigin::Process {
                continue;
            }
            present += 1;
            match self.find(place, sample) {
                Some(found) => {
                    place = found + 1;
                    let Some(counter) = self.series.get_mut(found) else { continue };
                    let value = counter.settle(sample.value, at, reading, values);
                    if value != Some(sample.value) {
                        changes.push((idx, value));
                    }
                }
                None => {
                    self.series.insert(place.min(self.series.len()), Counter::new(sample, at, reading));
                    place += 1;
                }
            }
        }
        values.replace(changes);
        if present + ABSENT_MAX < self.series.len() {
            self.series.retain(|it| it.seen == reading);
        }
    }

    /// The place of a series: sources list them in a stable order, so it is usually the next one.
    fn find(&self, next: usize, sample: &Sample) -> Option<usize> {
        let is_same = |it: &Counter| it.metric == sample.metric && it.labels == sample.labels;
        let (before, after) = self.series.split_at(next.min(self.series.len()));
        let later = after.iter().position(is_same).map(|it| it + before.len());
        later.or_else(|| before.iter().position(is_same))
    }
}

impl Counter {
    fn new(sample: &Sample, at: f64, reading: u64) -> Self {
        Self {
            metric: sample.metric,
            labels: sample.labels.clone(),
            seen: reading,
            at,
            raw: sample.value,
            shown: sample.value,
            offset: 0.0,
            gain_max: 0.0,
            fall: None,
            jump: None,
        }
    }

    /// What is shown for this value; `None` if the gain is unknown.
    fn settle(&mut self, raw: f64, at: f64, reading: u64, values: &Values) -> Option<f64> {
        let elapsed = (at - self.at).max(0.0);
        let was_read = self.seen + 1 == reading;
        (self.seen, self.at) = (reading, at);
        let step = raw - self.raw;
        if step < 0.0 {
            return self.note_fall(raw, step, reading);
        }
        let (offset, fall) = self.offset(raw, step, reading);
        let gain = raw + offset - self.shown;
        if gain > self.gain_max {
            let limit = self.gain_limit(values) * (GAIN_TIMES * elapsed + GAIN_SECONDS);
            if gain > limit {
                return self.note_jump(raw, limit, was_read);
            }
            self.gain_max = gain;
        }
        // The gain since the last believed value spans the reading whose value was too high.
        let was_jump = self.jump.take().is_some();
        self.fall = fall;
        self.show(raw, offset);
        (!was_jump).then_some(self.shown)
    }

    /// Shows a value with an offset; rounding must not make it fall.
    fn show(&mut self, raw: f64, offset: f64) {
        (self.raw, self.offset) = (raw, offset);
        self.shown = self.shown.max(raw + offset);
    }

    /// The offset after a step up, and the fall that is still open then.
    ///
    /// A step over more than half of a fall, or a large one soon after it, is a return: only what exceeds the value before
    /// the fall was gained. After a reset that is no more wrong than what is left out once.
    fn offset(&self, raw: f64, step: f64, reading: u64) -> (f64, Option<Fall>) {
        let Some(fall) = self.fall else { return (self.offset, None) };
        let is_recent = reading - fall.reading <= RETURN_READINGS;
        let is_surge = is_recent && fall.surges < SURGES_MAX && step > SURGE_TIMES * self.gain_max;
        let is_return = step > (fall.raw - fall.low) / 2.0 || is_surge;
        let open = |fall: Fall| (raw < fall.raw).then_some(fall);
        // Few events more or less are no spike, and each kill after a restart counts.
        let is_small = !self.metric.name.ends_with("_seconds_total") && fall.raw - fall.low <= SMALL_FALL_MAX;
        if !is_return || is_small || self.offset <= fall.offset {
            return (self.offset, open(fall));
        }
        // What was counted since the fall stays counted, but a counter that comes back a little lower is held.
        let offset = match fall.raw - raw <= fall.raw * CORRECTION_SHARE {
            true => fall.offset,
            false => fall.offset.max(self.shown - raw),
        };
        (offset, open(Fall { low: raw, surges: fall.surges + 1, ..fall }))
    }

    /// The value is held; from the next one on, gains are added to it.
    fn note_fall(&mut self, raw: f64, step: f64, reading: u64) -> Option<f64> {
        let is_seconds = self.metric.name.ends_with("_seconds_total");
        if -step <= self.raw * CORRECTION_SHARE || (is_seconds && -step <= CORRECTION_MIN) {
            // The highest value is held until it is passed.
            (self.raw, self.jump) = (raw, None);
            return Some(self.shown);
        }
        let is_restart = -step <= CORRECTION_MIN;
        let fall = match self.fall {
            Some(fall) if reading - fall.reading <= RETURN_READINGS => Fall { low: raw, surges: 0, ..fall },
            _ => Fall { raw: self.raw, offset: self.offset, low: raw, reading, surges: 0 },
        };
        (self.fall, self.jump) = (Some(fall), None);
        self.show(raw, self.shown - raw);
        is_restart.then_some(self.shown)
    }

    /// A jump is real if the next value goes on from it. What was gained by it stays unknown.
    fn note_jump(&mut self, raw: f64, limit: f64, was_read: bool) -> Option<f64> {
        let is_confirmed = self.jump.is_some_and(|it| (0.0..=limit).contains(&(raw - it)));
        if is_confirmed || !was_read {
            (self.fall, self.jump) = (None, None);
            self.show(raw, self.shown - raw);
            // Where the last reading lacks it, no rate is taken anyway.
            return (!was_read).then_some(self.shown);
        }
        self.jump = Some(raw);
        None
    }

    fn gain_limit(&self, values: &Values) -> f64 {
        let limit = self.metric.gain;
        let Some(of) = limit.of else { return limit.per_second };
        let units = if of.labels.is_empty() { values.get(of) } else { values.get_by(of, &self.labels) };
        units.map_or(GAIN_MAX, |it| it * limit.per_second)
    }
}

#[cfg(test)]
mod tests;
