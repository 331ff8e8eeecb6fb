//! The faults to inject, each of a size and duration that an operator would call a fault.
//!
//! Sizes are in units of a signal's own standard deviation, or of its noise floor if that is larger
//! ([`SignalScale::unit`](super::SignalScale::unit)): on an idle host, ten times almost nothing is no fault. They are
//! not tuned to the detectors.

use std::fmt;
use std::str::FromStr;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// A job runs out of control for some minutes.
    Spike,
    /// The level changes suddenly: a deploy, a lost peer.
    LevelShift,
    /// Memory, disk space or connections are allocated and not released, until a restart.
    Leak,
    /// A resource is used up.
    Saturation,
    /// A value oscillates: a crash loop, an autoscaler that overshoots.
    Oscillation,
    /// A collector repeats its last value.
    FlatLine,
    /// A disk or a network device disappears with its values.
    VanishedDevice,
    /// Another guest of the same hardware takes a share of it: many signals change a little, together.
    NoisyNeighbor,
    /// A program writes a log without end.
    LogBurst,
    /// A counter stops counting, so that its rate is 0.
    StoppedCounter,
}

impl FaultKind {
    /// All faults.
    pub const ALL: [Self; 10] = [
        Self::Spike,
        Self::LevelShift,
        Self::Leak,
        Self::Saturation,
        Self::Oscillation,
        Self::FlatLine,
        Self::VanishedDevice,
        Self::NoisyNeighbor,
        Self::LogBurst,
        Self::StoppedCounter,
    ];

    /// Its name on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::LevelShift => "level-shift",
            Self::Leak => "leak",
            Self::Saturation => "saturation",
            Self::Oscillation => "oscillation",
            Self::FlatLine => "flat-line",
            Self::VanishedDevice => "vanished-device",
            Self::NoisyNeighbor => "noisy-neighbor",
            Self::LogBurst => "log-burst",
            Self::StoppedCounter => "stopped-counter",
        }
    }

    /// Shortest and longest duration, in seconds.
    ///
    /// A shorter fault is over before anybody could act; a longer one is noticed by users of the machine. A leak is
    /// slow: at least an hour until it causes trouble.
    pub fn seconds(self) -> [f64; 2] {
        const MINUTE: f64 = 60.0;
        const HOUR: f64 = 3_600.0;
        match self {
            Self::Spike => [3.0 * MINUTE, 8.0 * MINUTE],
            Self::LevelShift => [30.0 * MINUTE, 4.0 * HOUR],
            Self::Leak => [2.0 * HOUR, 8.0 * HOUR],
            Self::Saturation => [15.0 * MINUTE, 2.0 * HOUR],
            Self::Oscillation => [HOUR, 3.0 * HOUR],
            Self::FlatLine => [HOUR, 4.0 * HOUR],
            Self::VanishedDevice => [15.0 * MINUTE, 2.0 * HOUR],
            Self::NoisyNeighbor => [30.0 * MINUTE, 3.0 * HOUR],
            Self::LogBurst => [15.0 * MINUTE, HOUR],
            Self::StoppedCounter => [30.0 * MINUTE, 2.0 * HOUR],
        }
    }

    /// Smallest and largest change of the leading signal, in units of its scale; 0 for faults without a size.
    ///
    /// Level shifts start at four deviations, which a normal minute has once in half a year. A spike is short, so it
    /// must be large to be worth an alert. A leak is measured at its end. A neighbor changes each signal less than any
    /// other fault, but many signals at once.
    pub fn size(self) -> [f64; 2] {
        match self {
            Self::Spike => [6.0, 12.0],
            Self::LevelShift => [4.0, 8.0],
            Self::Leak => [6.0, 10.0],
            Self::Oscillation => [4.0, 8.0],
            Self::NoisyNeighbor => [2.5, 4.0],
            Self::LogBurst => [4.0, 10.0],
            // For a signal without a maximum, saturation is a plateau this far above the usual level.
            Self::Saturation => [8.0, 12.0],
            Self::FlatLine | Self::VanishedDevice | Self::StoppedCounter => [0.0, 0.0],
        }
    }

    /// Share of the change at row `step` of `rows`, between -1 and 1.
    pub(super) fn shape(self, step: usize, rows: usize) -> f64 {
        let ramp = |over: usize| ((step + 1) as f64 / over.max(1) as f64).min(1.0);
        match self {
            Self::Leak => ramp(rows),
            Self::Saturation => ramp(SATURATED_AFTER.min(rows)),
            // Four oscillations of at least four rows each, upwards first.
            Self::Oscillation => super::rng::wave((step as f64 + 0.5) / (rows as f64 / 4.0).max(4.0)),
            _ => 1.0,
        }
    }
}

/// Number of rows in which a resource fills up.
const SATURATED_AFTER: usize = 3;

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The unknown name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownFault(pub String);

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = FaultKind::ALL.iter().map(|it| it.name()).collect();
        write!(f, "unknown fault {}; expected one of {}", self.0, names.join(", "))
    }
}

impl std::error::Error for UnknownFault {}

impl FromStr for FaultKind {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        Self::ALL.into_iter().find(|it| it.name() == text).ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_and_others_are_refused() {
        for fault in FaultKind::ALL {
            assert_eq!(fault.name().parse(), Ok(fault));
            assert!(fault.seconds()[0] < fault.seconds()[1] && fault.size()[0] <= fault.size()[1]);
        }
        let error = "gremlin".parse::<FaultKind>().unwrap_err().to_string();
        assert!(error.starts_with("unknown fault gremlin; expected one of spike, level-shift,"), "{error}");
    }

    #[test]
    fn shapes_stay_within_one() {
        for fault in FaultKind::ALL {
            for rows in [1, 2, 7, 500] {
                let shapes: Vec<f64> = (0..rows).map(|step| fault.shape(step, rows)).collect();
                assert!(shapes.iter().all(|it| it.abs() <= 1.0) && shapes[0] > 0.0, "{fault} {rows}");
                if fault != FaultKind::Oscillation {
                    assert!((shapes[rows - 1] - 1.0).abs() < 1e-9, "{fault} {rows}");
                }
            }
        }
    }
}
