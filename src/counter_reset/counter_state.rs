//! One counter: what it gained from value to value, and what is shown of it.

use crate::metric::{GAIN_MAX, Metric};
use crate::reading::{MetricLabels, MetricSample, SubjectValues};

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

/// How many times the largest gain per second so far makes a leap.
const LEAP_TIMES: f64 = 10.0;
/// Largest gains that are no leap, however little was gained before: of seconds, of bytes, and of events.
const LEAP_SECONDS_MIN: f64 = 10.0;
const LEAP_BYTES_MIN: f64 = 1e6;
const LEAP_EVENTS_MIN: f64 = 1000.0;
/// Number of values of a counter that was just found after which a leap is no more taken for the end of a fault; and the share
/// of the value that such a leap has at least.
const START_READINGS: u32 = 5;
const START_SHARE: f64 = 0.1;

/// One series.
#[derive(Debug)]
pub(super) struct CounterState {
    pub(super) metric: &'static Metric,
    pub(super) labels: MetricLabels,
    /// The last reading that had it, and its time.
    pub(super) seen: u64,
    at: f64,
    /// When its value last changed.
    changed: f64,
    /// Its last value as read.
    raw: f64,
    /// Its last value as shown, and what is added to values as read: 0 until one falls or jumps.
    shown: f64,
    pub(super) offset: f64,
    /// The offset that the store has.
    pub(super) stored_offset: f64,
    /// Largest gain so far, below which limits need not be looked up.
    gain_max: f64,
    /// The fall after which it may come back.
    fall: Option<CounterFall>,
    /// A value that was too high to be true, unless the next one confirms it.
    jump: Option<Jump>,
    /// A gain far above those before, until the next value shows whether it was one.
    leap: Option<Leap>,
    /// Largest gain per second so far.
    rate_max: f64,
    /// Number of its values, and whether it continues from a stored one.
    values: u32,
    is_resumed: bool,
    /// Gain per second that proved the declared limit wrong; 0 as long as it holds.
    pub(super) proven: f64,
}

/// Where limits are from: the values of the subject, and those of the host for other subjects.
#[derive(Debug, Clone, Copy)]
pub(super) struct LimitValues<'a> {
    pub(super) own: &'a SubjectValues,
    pub(super) host: Option<&'a SubjectValues>,
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

/// A gain within the limit, but far above those before.
#[derive(Debug, Clone, Copy)]
struct Leap {
    /// The value after it.
    raw: f64,
    /// Its size per second.
    rate: f64,
    /// Whether the counter was just found, so that the values before it may have been wrong.
    is_start: bool,
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
struct CounterFall {
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

impl CounterState {
    pub(super) fn new(sample: &MetricSample, at: f64, reading: u64) -> Self {
        Self {
            metric: sample.metric,
            labels: sample.labels.clone(),
            seen: reading,
            at,
            changed: at,
            raw: sample.value,
            shown: sample.value,
            offset: 0.0,
            stored_offset: 0.0,
            gain_max: 0.0,
            fall: None,
            jump: None,
            leap: None,
            rate_max: 0.0,
            values: 1,
            is_resumed: false,
            proven: 0.0,
        }
    }

    /// Continues from a value that was shown.
    pub(super) fn resume(&mut self, shown: f64, at: f64, reading: u64) {
        let elapsed = (at - self.at).max(0.0);
        let gain = (shown - self.shown).max(0.0);
        if gain > 0.0 {
            self.changed = at;
            self.note_gain(gain, elapsed);
        }
        self.values = self.values.saturating_add(1);
        (self.seen, self.at, self.is_resumed) = (reading, at, true);
        (self.raw, self.shown, self.offset) = (shown, shown, 0.0);
        (self.fall, self.jump, self.leap) = (None, None, None);
    }

    /// Sets what was added to the last value before it was shown.
    pub(super) fn resume_offset(&mut self, offset: f64) {
        (self.raw, self.offset) = (self.shown - offset, offset);
    }

    /// What is shown for this value; `None` if the gain is unknown.
    pub(super) fn settle(&mut self, raw: f64, at: f64, reading: u64, limits: LimitValues<'_>) -> Option<f64> {
        let elapsed = (at - self.at).max(0.0);
        let span = (at - self.changed).clamp(elapsed, TURN_READINGS * elapsed);
        let was_read = self.seen + 1 == reading;
        (self.seen, self.at) = (reading, at);
        self.values = self.values.saturating_add(1);
        let step = raw - self.raw;
        let changed = self.changed;
        if step.abs() > 0.0 {
            self.changed = at;
        }
        if step < 0.0 {
            return self.note_fall(raw, step, reading);
        }
        let (offset, fall) = self.offset(raw, step, reading);
        let gain = raw + offset - self.shown;
        let now = Step { raw, offset, elapsed, span, was_read };
        let leap = self.leap.take();
        if gain > self.gain_max {
            let limit = self.declared_limit(limits).max(self.proven);
            if gain > limit * (GAIN_TIMES * span + GAIN_SECONDS) {
                return self.note_jump(now, limit);
            }
        }
        match leap.filter(|it| it.raw <= raw) {
            Some(leap) if leap.is_start && raw - leap.raw < leap.rate * elapsed / LEAP_TIMES => {
                self.note_gain(raw - leap.raw, elapsed);
                (self.fall, self.jump) = (None, None);
                self.show(raw, self.shown - raw);
                return Some(self.shown);
            }
            None if self.is_leap(gain, now) => {
                let is_start = self.is_start(gain, raw);
                self.leap = Some(Leap { raw, rate: gain / elapsed, is_start });
                self.changed = changed;
                return None;
            }
            Some(_) | None => self.note_gain(gain, elapsed),
        }
        // The gain since the last believed value spans the reading whose value was too high.
        let was_jump = self.jump.take().is_some();
        self.fall = fall;
        self.show(raw, offset);
        (!was_jump).then_some(self.shown)
    }

    /// Whether a gain is far above those before.
    fn is_leap(&self, gain: f64, now: Step) -> bool {
        // Without gains before, those of a counter that was just found are not unusual.
        let is_comparable = self.rate_max > 0.0 || self.values > START_READINGS;
        let is_limited = self.metric.gain.per_second < f64::INFINITY;
        let is_high =
            is_limited && gain > LEAP_TIMES * self.rate_max * now.span && gain > self.small_gain_max();
        is_high && now.elapsed > 0.0 && (is_comparable || self.is_start(gain, now.raw))
    }

    /// The largest gain that is no leap, however little was gained before.
    fn small_gain_max(&self) -> f64 {
        if self.is_of_seconds() {
            LEAP_SECONDS_MIN
        } else if self.metric.name.ends_with("_bytes_total") {
            LEAP_BYTES_MIN
        } else {
            LEAP_EVENTS_MIN
        }
    }

    fn is_of_seconds(&self) -> bool {
        self.metric.name.ends_with("_seconds_total")
    }

    /// Whether a gain may be due to values that were too low since the counter was found.
    fn is_start(&self, gain: f64, raw: f64) -> bool {
        !self.is_resumed && self.values <= START_READINGS && gain > raw * START_SHARE
    }

    fn note_gain(&mut self, gain: f64, elapsed: f64) {
        self.gain_max = self.gain_max.max(gain);
        if elapsed > 0.0 {
            self.rate_max = self.rate_max.max(gain / elapsed);
        }
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
    fn offset(&self, raw: f64, step: f64, reading: u64) -> (f64, Option<CounterFall>) {
        let Some(fall) = self.fall else { return (self.offset, None) };
        let is_recent = reading - fall.reading <= RETURN_READINGS;
        let is_surge = is_recent && fall.surges < SURGES_MAX && step > SURGE_TIMES * self.gain_max;
        let is_return = step > (fall.raw - fall.low) / 2.0 || is_surge;
        let open = |fall: CounterFall| (raw < fall.raw).then_some(fall);
        // Few events more or less are no spike, and each kill after a restart counts.
        let is_small = !self.is_of_seconds() && fall.raw - fall.low <= SMALL_FALL_MAX;
        if !is_return || is_small || self.offset <= fall.offset {
            return (self.offset, open(fall));
        }
        // What was counted since the fall stays counted, but a counter that comes back a little lower is held.
        let offset = match fall.raw - raw <= fall.raw * CORRECTION_SHARE {
            true => fall.offset,
            false => fall.offset.max(self.shown - raw),
        };
        (offset, open(CounterFall { low: raw, surges: fall.surges + 1, ..fall }))
    }

    /// The value is held; from the next one on, gains are added to it.
    fn note_fall(&mut self, raw: f64, step: f64, reading: u64) -> Option<f64> {
        self.leap = None;
        if -step <= self.raw * CORRECTION_SHARE || (self.is_of_seconds() && -step <= CORRECTION_MIN) {
            // The highest value is held until it is passed.
            (self.raw, self.jump) = (raw, None);
            return Some(self.shown);
        }
        let is_restart = -step <= CORRECTION_MIN;
        let fall = match self.fall {
            Some(fall) if reading - fall.reading <= RETURN_READINGS => {
                CounterFall { low: raw, surges: 0, ..fall }
            }
            _ => CounterFall { raw: self.raw, offset: self.offset, low: raw, reading, surges: 0 },
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
            self.rate_max = self.rate_max.max(self.proven);
            (self.fall, self.jump) = (None, None);
            self.show(raw, now.offset);
            return Some(self.shown);
        }
        self.jump = Some(Jump { raw, rate, limit });
        None
    }

    pub(super) fn declared_limit(&self, LimitValues { own, host }: LimitValues<'_>) -> f64 {
        let limit = self.metric.gain;
        let Some((of, otherwise)) = limit.of else { return limit.per_second };
        let units = match of.labels {
            [] => own.get(of).or_else(|| host?.get(of)),
            _ => own.get_by(of, &self.labels),
        };
        units.map_or(otherwise, |it| it * limit.per_second)
    }
}
