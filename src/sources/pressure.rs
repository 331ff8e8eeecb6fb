//! Pressure stall information: time that tasks waited for CPU, memory and I/O, from `/proc/pressure`
//! (`Documentation/accounting/psi.rst`; Linux 4.20 and newer).
//!
//! Only the totals are read, because the averages lag.

use super::cpu_throttling::{CpuDemand, throttled_rate, wait_beyond_limits};
use super::kernel_file::{KernelFile, KernelText, SkippedLines, count};
use super::{Source, SourceError, SourceSettings};
use crate::culprit::Resource;
use crate::impact::ImpactFormula;
use crate::metric::Metric;
use crate::reading::{Reading, SubjectKind, SubjectValues};
use crate::signal::{ReadingPair, Signal, SignalUnit, share_of_time};

static CPU_WAITING: Metric = Metric::counter(
    "hostnorm_pressure_cpu_waiting_seconds_total",
    "Time in which at least one task waited for CPU, in seconds",
)
.gains_at_most(1.0);
static CPU_STALLED: Metric = Metric::counter(
    "hostnorm_pressure_cpu_stalled_seconds_total",
    "Time in which all tasks waited for CPU, in seconds",
)
.gains_at_most(1.0)
.part_of(&CPU_WAITING);
static MEMORY_WAITING: Metric = Metric::counter(
    "hostnorm_pressure_memory_waiting_seconds_total",
    "Time in which at least one task waited for memory, in seconds",
)
.gains_at_most(1.0);
static MEMORY_STALLED: Metric = Metric::counter(
    "hostnorm_pressure_memory_stalled_seconds_total",
    "Time in which all tasks waited for memory, in seconds",
)
.gains_at_most(1.0)
.part_of(&MEMORY_WAITING);
static IO_WAITING: Metric = Metric::counter(
    "hostnorm_pressure_io_waiting_seconds_total",
    "Time in which at least one task waited for I/O, in seconds",
)
.gains_at_most(1.0);
static IO_STALLED: Metric = Metric::counter(
    "hostnorm_pressure_io_stalled_seconds_total",
    "Time in which all tasks waited for I/O, in seconds",
)
.gains_at_most(1.0)
.part_of(&IO_WAITING);

pub(super) static METRICS: &[&Metric] =
    &[&CPU_WAITING, &CPU_STALLED, &MEMORY_WAITING, &MEMORY_STALLED, &IO_WAITING, &IO_STALLED];

/// Files below `/proc/pressure` with the metrics of their lines `some` and `full`.
pub(super) static FILES: [(&str, [&Metric; 2]); 3] = [
    ("cpu", [&CPU_WAITING, &CPU_STALLED]),
    ("memory", [&MEMORY_WAITING, &MEMORY_STALLED]),
    ("io", [&IO_WAITING, &IO_STALLED]),
];

/// `full` is not scored: it is a part of `some`, and always 0 for CPUs on a whole host.
pub(super) static SIGNALS: &[Signal] = &[
    Signal {
        kind: SubjectKind::Host,
        name: "pressure_cpu_ratio",
        title: "CPU pressure",
        help: "Share of time in which at least one task waited for CPU; waiting for the CPU limit of its own container, pod or service does not count",
        unit: SignalUnit::Ratio,
        // Two jobs that share a CPU for three seconds of a window are normal.
        floor: 0.10,
        device: None,
        formula: cpu_ratio,
    },
    Signal {
        kind: SubjectKind::Host,
        name: "pressure_memory_ratio",
        title: "memory pressure",
        help: "Share of time in which at least one task waited for memory",
        unit: SignalUnit::Ratio,
        // A host with enough memory has no memory pressure.
        floor: 0.05,
        device: None,
        formula: |it| ratio_of(it, &MEMORY_WAITING),
    },
    Signal {
        kind: SubjectKind::Host,
        name: "pressure_io_ratio",
        title: "I/O pressure",
        help: "Share of time in which at least one task waited for I/O",
        unit: SignalUnit::Ratio,
        // A package list update waits for two or three seconds of a window.
        floor: 0.15,
        device: None,
        formula: |it| ratio_of(it, &IO_WAITING),
    },
];

/// While some tasks wait, others work: half of the work is assumed to stand still.
pub(super) static IMPACTS: &[ImpactFormula] = &[
    impact(Resource::Cpu, |it| at_least_half(cpu_ratio(it)?, it, &CPU_STALLED)),
    impact(Resource::Memory, |it| at_least_half(ratio_of(it, &MEMORY_WAITING)?, it, &MEMORY_STALLED)),
    impact(Resource::Io, |it| at_least_half(ratio_of(it, &IO_WAITING)?, it, &IO_STALLED)),
];

const fn impact(resource: Resource, formula: fn(&ReadingPair<'_>) -> Option<f64>) -> ImpactFormula {
    ImpactFormula { kind: SubjectKind::Host, resource, formula }
}

fn at_least_half(some: f64, change: &ReadingPair<'_>, full: &'static Metric) -> Option<f64> {
    let half = some / 2.0;
    Some(ratio_of(change, full).map_or(half, |full| full.max(half)))
}

/// Share of time in which a task waited for CPU, without the time in which groups waited for their own limits alone.
fn cpu_ratio(change: &ReadingPair<'_>) -> Option<f64> {
    let waited = share_of_time(change.rate(&CPU_WAITING)?)?;
    Some(match throttled_rate(change) {
        None => waited,
        Some(throttled) => wait_beyond_limits(waited, throttled, &CpuDemand::of(change)),
    })
}

/// Seconds waited per second.
fn ratio_of(change: &ReadingPair<'_>, total: &'static Metric) -> Option<f64> {
    share_of_time(change.rate(total)?)
}

pub(super) fn open(settings: &SourceSettings) -> Box<dyn Source> {
    let dir = settings.roots.procfs.join("pressure");
    Box::new(PressureSource {
        files: FILES.map(|(name, metrics)| (KernelFile::new(dir.join(name)), metrics)),
    })
}

#[derive(Debug)]
struct PressureSource {
    files: [(KernelFile, [&'static Metric; 2]); FILES.len()],
}

impl Source for PressureSource {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let (mut found, mut outcome) = (false, Ok(()));
        let mut absent = Vec::new();
        for (file, metrics) in &mut self.files {
            let read = match file.read() {
                Err(error @ (SourceError::Unavailable { .. } | SourceError::SwitchedOff { .. })) => {
                    absent.push(error);
                    continue;
                }
                read => read.and_then(|text| set(text, metrics, into.host())),
            };
            found = true;
            outcome = outcome.and(read.map(|it| it.add_to(into)));
        }
        if found {
            absent.iter().for_each(|it| into.note_omission(1, it.to_string(), it.to_string()));
        }
        match absent.into_iter().next() {
            Some(error) if !found => Err(error),
            _ => outcome,
        }
    }
}

/// Sets the totals.
pub(super) fn set(
    text: KernelText<'_>,
    metrics: &[&'static Metric; 2],
    into: &mut SubjectValues,
) -> Result<SkippedLines, SourceError> {
    let (totals, skipped) = totals(text)?;
    for (metric, total) in metrics.iter().zip(totals) {
        if let Some(seconds) = total {
            into.set(metric, seconds);
        }
    }
    Ok(skipped)
}

/// The totals of the lines `some` and `full`, in seconds; kernels before 5.13 have no line `full` for CPUs.
///
/// # Errors
/// Without a line `some`, this is no pressure file.
pub(super) fn totals(text: KernelText<'_>) -> Result<([Option<f64>; 2], SkippedLines), SourceError> {
    let mut totals = [None; 2];
    let mut skipped = SkippedLines::default();
    for line in text.lines() {
        if let Some((which, seconds)) = skipped.take(parse(line.text).ok_or_else(|| line.error())) {
            totals[which as usize].get_or_insert(seconds);
        }
    }
    if totals[PressureLine::Some as usize].is_none() {
        return Err(skipped.fail(text.error()));
    }
    // A line that is malformed is there.
    if totals[PressureLine::Full as usize].is_none() && skipped.is_empty() {
        skipped.lacks(text, "full");
    }
    Ok((totals, skipped))
}

/// A line of a pressure file.
#[derive(Debug, Clone, Copy, PartialEq)]
enum PressureLine {
    /// At least one task waited.
    Some,
    /// All tasks that were not idle waited.
    Full,
}

/// The kind of a line, and its total in seconds; the kernel reports microseconds.
fn parse(line: &str) -> Option<(PressureLine, f64)> {
    let mut fields = line.split_ascii_whitespace();
    let which = match fields.next()? {
        "some" => PressureLine::Some,
        "full" => PressureLine::Full,
        _ => return None,
    };
    let total = count(fields.find_map(|it| it.strip_prefix("total="))?)?;
    Some((which, total / 1e6))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{PressureLine, parse};

    #[test]
    fn reads_the_total_of_a_line() {
        let line = "full avg10=0.12 avg60=0.05 avg300=0.01 total=2500000";
        assert_eq!(parse(line), Some((PressureLine::Full, 2.5)));
    }

    #[test]
    fn refuses_what_the_kernel_does_not_write() {
        for line in ["", "some", "full avg10=0.12", "some total=", "some total=x", "half total=1"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(some|full)?.*(total=)?.*") {
            let _ = parse(&text);
        }
    }
}
