//! Signals: the numbers that detectors watch, as formulas over two readings.
//!
//! A signal is a ratio or a rate, never a lagging average, which would prolong episodes. Each has a noise floor; a smaller
//! change is never an anomaly.

use crate::metric::Metric;
use crate::reading::{MetricLabels, SubjectKind, SubjectValues};

/// Unit of a signal, for descriptions and documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalUnit {
    /// A share between 0 and 1.
    Ratio,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// Events per second.
    PerSecond,
    /// A count.
    Count,
    /// Seconds.
    Seconds,
    /// Bits of information.
    Bits,
}

/// The devices, by their label value, each with its value.
pub type DeviceValues = for<'a> fn(&ReadingPair<'a>) -> Vec<(&'a str, f64)>;

/// A formula over two readings.
#[derive(Debug)]
pub struct Signal {
    /// The kind of subjects that have it.
    pub kind: SubjectKind,
    /// The value of the label `signal`.
    pub name: &'static str,
    /// Words for descriptions, such as "memory used".
    pub title: &'static str,
    /// One sentence without the final full stop.
    pub help: &'static str,
    /// Unit of its values.
    pub unit: SignalUnit,
    /// Noise floor: a smaller distance from the expected value is never an anomaly; in the unit of the signal.
    pub floor: f64,
    /// The devices with their values, if the signal is the highest of them: mount points with the share in use.
    pub device: Option<DeviceValues>,
    /// The formula; `None` if a value is missing or a counter was reset.
    pub formula: fn(&ReadingPair<'_>) -> Option<f64>,
}

impl Signal {
    /// Largest possible value, or infinity.
    pub fn max(&self) -> f64 {
        match self.unit {
            SignalUnit::Ratio => 1.0,
            SignalUnit::Bytes
            | SignalUnit::BytesPerSecond
            | SignalUnit::PerSecond
            | SignalUnit::Count
            | SignalUnit::Seconds
            | SignalUnit::Bits => f64::INFINITY,
        }
    }

    /// The devices with their values; empty if the signal is not of one device.
    pub fn devices<'a>(&self, change: &ReadingPair<'a>) -> Vec<(&'a str, f64)> {
        self.device.map_or_else(Vec::new, |it| it(change))
    }

    /// The device whose value this is: the mount point of the fullest filesystem.
    pub fn highest_device<'a>(&self, change: &ReadingPair<'a>) -> Option<&'a str> {
        device_with_highest(self.devices(change).into_iter()).map(|it| it.0)
    }
}

/// Two consecutive readings of one subject.
#[derive(Debug, Clone, Copy)]
pub struct ReadingPair<'a> {
    /// The older values.
    pub previous: &'a SubjectValues,
    /// The newer values.
    pub current: &'a SubjectValues,
    /// Seconds between them, more than 0.
    pub elapsed: f64,
}

impl<'a> ReadingPair<'a> {
    /// Pairs two readings; `None` if no time passed or the clock stepped back.
    pub fn new(previous: &'a SubjectValues, current: &'a SubjectValues, elapsed: f64) -> Option<Self> {
        (elapsed > 0.0).then_some(Self { previous, current, elapsed })
    }

    /// The newest value of a gauge.
    pub fn level(&self, gauge: &'static Metric) -> Option<f64> {
        self.current.get(gauge)
    }

    /// Rate of a counter per second; `None` after a reset.
    pub fn rate(&self, counter: &'static Metric) -> Option<f64> {
        self.rate_by(counter, &MetricLabels::NONE)
    }

    /// Rate of one series of a counter per second; `None` after a reset.
    pub fn rate_by(&self, counter: &'static Metric, labels: &MetricLabels) -> Option<f64> {
        let gained = self.current.get_by(counter, labels)? - self.previous.get_by(counter, labels)?;
        (gained >= 0.0).then_some(gained / self.elapsed)
    }

    /// Rate of each series of a counter that is in both readings and was not reset.
    pub fn rates(&self, counter: &'static Metric) -> impl Iterator<Item = (&'a MetricLabels, f64)> + use<'a> {
        let Self { previous, current, elapsed } = *self;
        // Sources list their series in a stable order, so a cursor finds each partner at once.
        let mut partners = previous.each(counter).peekable();
        current.each(counter).filter_map(move |new| {
            let old = match partners.peek() {
                Some(old) if old.labels == new.labels => partners.next()?.value,
                _ => previous.get_by(counter, &new.labels)?,
            };
            let gained = new.value - old;
            (gained >= 0.0).then_some((&new.labels, gained / elapsed))
        })
    }

    /// Sum of the rates of all series of a counter; `None` if no series is in both readings.
    pub fn rate_sum(&self, counter: &'static Metric) -> Option<f64> {
        self.rates(counter).map(|(_, rate)| rate).reduce(|sum, rate| sum + rate)
    }

    /// Highest rate among the series of a counter.
    pub fn rate_max(&self, counter: &'static Metric) -> Option<f64> {
        self.rates(counter).map(|(_, rate)| rate).reduce(f64::max)
    }
}

/// The device with the highest value, the first of equal ones.
pub fn device_with_highest<'a>(values: impl Iterator<Item = (&'a str, f64)>) -> Option<(&'a str, f64)> {
    values.reduce(|highest, it| if it.1 > highest.1 { it } else { highest })
}

/// Largest rate of a counter of time that is taken for rounding and late readings, in seconds per second.
const TIME_RATE_MAX: f64 = 2.0;

/// A rate of a counter of time as a share, at most 1; `None` if it is larger by more than rounding and late readings.
pub fn share_of_time(rate: f64) -> Option<f64> {
    (rate <= TIME_RATE_MAX).then(|| rate.min(1.0))
}

/// Largest share by which a part may exceed its whole: both are rounded.
const ROUNDING_MAX: f64 = 0.01;

/// `part / whole`, clamped to 0 and 1; `None` if the whole is 0, or if the part is outside it by more than rounding.
pub fn share(part: f64, whole: f64) -> Option<f64> {
    let share = (whole > 0.0).then(|| part / whole)?;
    (-ROUNDING_MAX..=1.0 + ROUNDING_MAX).contains(&share).then(|| share.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    static BYTES: Metric = Metric::counter("bytes_total", "Bytes").by(&["device"]);

    fn values(of: &[(&str, f64)]) -> SubjectValues {
        let mut values = SubjectValues::default();
        for (device, value) in of {
            values.set_by(&BYTES, &MetricLabels::new([*device]), *value);
        }
        values
    }

    fn check(previous: &[(&str, f64)], current: &[(&str, f64)], sum: Option<f64>, max: Option<f64>) {
        let (previous, current) = (values(previous), values(current));
        let change = ReadingPair::new(&previous, &current, 2.0).unwrap();
        assert_eq!(change.rate_sum(&BYTES), sum);
        assert_eq!(change.rate_max(&BYTES), max);
    }

    #[test]
    fn rates_are_per_second_and_by_series() {
        check(&[("a", 10.0), ("b", 0.0)], &[("a", 20.0), ("b", 40.0)], Some(25.0), Some(20.0));
    }

    #[test]
    fn a_reset_counter_has_no_rate() {
        check(&[("a", 10.0), ("b", 7.0)], &[("a", 0.0), ("b", 9.0)], Some(1.0), Some(1.0));
        check(&[("a", 10.0)], &[("a", 0.0)], None, None);
    }

    #[test]
    fn devices_may_come_go_and_change_places() {
        check(&[("a", 1.0), ("b", 2.0)], &[("c", 9.0), ("b", 4.0), ("a", 3.0)], Some(2.0), Some(1.0));
    }

    #[test]
    fn shares_are_between_0_and_1_or_unknown() {
        for (part, whole, expect) in [
            (1.0, 4.0, Some(0.25)),
            (4.02, 4.0, Some(1.0)),
            (-0.01, 4.0, Some(0.0)),
            (5.0, 4.0, None),
            (-1.0, 4.0, None),
            (1.0, 0.0, None),
        ] {
            assert_eq!(share(part, whole), expect, "{part} of {whole}");
        }
        assert_eq!([0.3, 1.2, 3.0].map(share_of_time), [Some(0.3), Some(1.0), None]);
    }

    #[test]
    fn without_elapsed_time_there_is_no_pair() {
        let none = SubjectValues::default();
        assert!(ReadingPair::new(&none, &none, 0.0).is_none());
        assert!(ReadingPair::new(&none, &none, -1.0).is_none());
    }
}
