//! Keeps counters from falling: the one place that decides what a counter gained that fell, came back or jumped.
//!
//! A counter that counts since boot never falls at its origin, but what the kernel shows of it does: a driver resets its
//! statistics, a file shows zeros for one reading, the time a CPU waited is corrected, a CPU or an interface is replaced.
//! What is shown is the sum of the gains that are known. A reading whose gain is unknown lacks the value, so that no rate is
//! taken across it. Nothing is adjusted as long as a counter rises by what it can. A counter that keeps rising by more proves
//! that its limit is wrong.

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
/// Largest number of readings for which a counter that is read in turn with others shows its last value.
const TURN_READINGS: f64 = 5.0;
/// How much faster one of two gains above the limit may be, so that they prove the limit wrong.
const SIMILAR_TIMES: f64 = 3.0;

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
    /// When its value last changed.
    changed: f64,
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
    jump: Option<Jump>,
    /// Gain per second that proved the declared limit wrong; 0 as long as it holds.
    proven: f64,
}

/// A limit that a counter exceeds for longer than a fault lasts, so it is not one.
#[derive(Debug, Clone, PartialEq)]
pub struct WrongLimit {
    /// Whose counter it is.
    pub subject: Subject,
    /// The metric.
    pub metric: &'static Metric,
    /// The label values.
    pub labels: Labels,
    /// The limit, per second.
    pub limit: f64,
    /// The gain, per second.
    pub gain: f64,
}

/// Where limits are from: the values of the subject, and those of the host for other subjects.
#[derive(Debug, Clone, Copy)]
struct LimitValues<'a> {
    own: &'a Values,
    host: Option<&'a Values>,
}

/// A gain above the limit.
#[derive(Debug, Clone, Copy)]
struct Jump {
    /// The value after it.
    raw: f64,
    /// Its size per second.
    rate: f64,
    /// The limit per second.
    limit: f64,
}

/// A value whose gain is compared with the limit.
#[derive(Debug, Clone, Copy)]
struct Step {
    raw: f64,
    offset: f64,
    /// Seconds since the last reading, and those in which the counter may have gained.
    elapsed: f64,
    span: f64,
    /// Whether the last reading had the counter.
    was_read: bool,
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
    /// Adjusts the counters of a reading. After a boot, `booted` is true, and all counters start anew. Returns the limits that
    /// turned out to be wrong, each once.
    pub fn settle(&mut self, now: &mut Reading, booted: bool) -> Vec<WrongLimit> {
        if booted {
            self.subjects.clear();
        }
        self.reading += 1;
        let at = now.at.0;
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

    fn settle_subject(
        &mut self,
        subject: &Subject,
        values: &mut Values,
        host: Option<&Values>,
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
type ExceededLimit = (&'static Metric, Labels, f64, f64);

impl SubjectCounters {
    fn settle(
        &mut self,
        values: &mut Values,
        host: Option<&Values>,
        at: f64,
        reading: u64,
    ) -> Vec<ExceededLimit> {
        self.seen = reading;
        let (mut changes, mut exceeded) = (Vec::new(), Vec::new());
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
                    self.series.insert(place.min(self.series.len()), Counter::new(sample, at, reading));
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
            changed: at,
            raw: sample.value,
            shown: sample.value,
            offset: 0.0,
            gain_max: 0.0,
            fall: None,
            jump: None,
            proven: 0.0,
        }
    }

    /// What is shown for this value; `None` if the gain is unknown.
    fn settle(&mut self, raw: f64, at: f64, reading: u64, limits: LimitValues<'_>) -> Option<f64> {
        let elapsed = (at - self.at).max(0.0);
        let span = (at - self.changed).clamp(elapsed, TURN_READINGS * elapsed);
        let was_read = self.seen + 1 == reading;
        (self.seen, self.at) = (reading, at);
        let step = raw - self.raw;
        if step.abs() > 0.0 {
            self.changed = at;
        }
        if step < 0.0 {
            return self.note_fall(raw, step, reading);
        }
        let (offset, fall) = self.offset(raw, step, reading);
        let gain = raw + offset - self.shown;
        if gain > self.gain_max {
            let limit = self.declared_limit(limits).max(self.proven);
            if gain > limit * (GAIN_TIMES * span + GAIN_SECONDS) {
                return self.note_jump(Step { raw, offset, elapsed, span, was_read }, limit);
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
    ///
    /// If the next value is another such jump, the limit is wrong: drivers state speeds that are none. A limit that changes
    /// meanwhile, as that of CPUs which are plugged in one by one, was not wrong.
    fn note_jump(&mut self, now: Step, limit: f64) -> Option<f64> {
        let (raw, most) = (now.raw, limit * (GAIN_TIMES * now.span + GAIN_SECONDS));
        let from = self.jump.map_or(self.raw, |it| if it.raw <= raw { it.raw } else { self.raw });
        let is_confirmed = self.jump.is_some_and(|it| (0.0..=most).contains(&(raw - it.raw)));
        if is_confirmed || !now.was_read {
            (self.fall, self.jump) = (None, None);
            self.show(raw, self.shown - raw);
            // Where the last reading lacks it, no rate is taken anyway.
            return (!now.was_read).then_some(self.shown);
        }
        let rate = if now.elapsed > 0.0 { (raw - from) / now.elapsed } else { f64::NAN };
        let is_similar = |it: &Jump| {
            let (slow, fast) = (rate.min(it.rate), rate.max(it.rate));
            it.limit.to_bits() == limit.to_bits() && fast <= SIMILAR_TIMES * slow && fast <= GAIN_MAX
        };
        if let Some(jump) = self.jump.filter(is_similar) {
            self.proven = rate.max(jump.rate);
            (self.fall, self.jump) = (None, None);
            self.show(raw, now.offset);
            return Some(self.shown);
        }
        self.jump = Some(Jump { raw, rate, limit });
        None
    }

    fn declared_limit(&self, LimitValues { own, host }: LimitValues<'_>) -> f64 {
        let limit = self.metric.gain;
        let Some(of) = limit.of else { return limit.per_second };
        let units = match of.labels {
            [] => own.get(of).or_else(|| host?.get(of)),
            _ => own.get_by(of, &self.labels),
        };
        units.map_or(GAIN_MAX, |it| it * limit.per_second)
    }
}

#[cfg(test)]
mod tests;
