//! CPU time by mode, from `/proc/stat` (`Documentation/filesystems/proc.rst`, §1.7).

use super::best_line::best_line;
use super::kernel_file::{KernelFile, KernelText, SkippedLines, count};
use super::{Source, SourceError, SourceSettings};
use crate::metric::Metric;
use crate::reading::{MetricLabels, Reading, SubjectKind, SubjectValues};
use crate::signal::{ReadingPair, Signal, SignalUnit, share};

pub(super) static SECONDS: Metric = Metric::counter(
    "hostnorm_cpu_seconds_total",
    "CPU time of all CPUs in seconds, by mode: user, nice, system, idle, iowait, irq, softirq or steal",
)
.by(&["mode"])
.gains_at_most_per(1.0, &COUNT, CPUS_MAX);
pub(super) static COUNT: Metric = Metric::gauge("hostnorm_cpus_online", "CPUs online").within(1.0, CPUS_MAX);

/// More CPUs than any kernel supports.
pub(super) const CPUS_MAX: f64 = 65_536.0;

/// More events than a CPU can count per second: the shortest take about a tenth of a microsecond.
pub(super) const EVENTS_PER_CPU: f64 = 1e7;
/// The same for all CPUs where their number is not known.
pub(super) const EVENTS_MAX: f64 = 1e9;

pub(super) static METRICS: &[&Metric] = &[&SECONDS, &COUNT];

/// Modes in the order of the columns; `guest` and `guest_nice` are contained in `user` and `nice`.
pub(super) const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];

/// The mode of CPUs without a task.
const IDLE: &str = "idle";

/// The kernel reports ticks of `USER_HZ`, which is 100 on every architecture supported by Linux.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) static SIGNALS: &[Signal] = &[
    ratio("cpu_busy_ratio", "CPU usage", "Share of CPU time neither idle nor waiting for I/O", busy_ratio),
    ratio("cpu_user_ratio", "user CPU", "Share of CPU time in user mode", |it| {
        ratio_of(it, &["user", "nice"])
    }),
    ratio("cpu_system_ratio", "system CPU", "Share of CPU time in kernel mode", |it| {
        ratio_of(it, &["system", "irq", "softirq"])
    }),
    ratio("cpu_iowait_ratio", "I/O wait", "Share of CPU time idle while waiting for I/O", |it| {
        ratio_of(it, &["iowait"])
    }),
    ratio(
        "cpu_steal_ratio",
        "CPU steal",
        "Share of CPU time given to other guests by the hypervisor",
        |it| ratio_of(it, &["steal"]),
    ),
];

/// A share of CPU time. The floor tolerates housekeeping that uses one of two CPUs for five seconds of a window; one
/// fully used CPU of four is three times the floor.
const fn ratio(
    name: &'static str,
    title: &'static str,
    help: &'static str,
    of: fn(&ReadingPair<'_>) -> Option<f64>,
) -> Signal {
    Signal {
        kind: SubjectKind::Host,
        name,
        title,
        help,
        unit: SignalUnit::Ratio,
        floor: 0.08,
        device: None,
        formula: of,
    }
}

/// Share of CPU time neither idle nor waiting for I/O.
pub(super) fn busy_ratio(change: &ReadingPair<'_>) -> Option<f64> {
    Some(1.0 - ratio_of(change, &["idle", "iowait"])?)
}

/// Share of these modes in the elapsed time; `None` if the system reports none of them, or the time of any mode is unknown. The
/// idle time is always reported: without it in both readings, the rest would look like the whole.
fn ratio_of(change: &ReadingPair<'_>, modes: &[&str]) -> Option<f64> {
    let (mut part, mut whole, mut known, mut has_idle) = (None, 0.0, 0, false);
    for (labels, rate) in change.rates(&SECONDS) {
        whole += rate;
        known += 1;
        let mode = &*labels.values()[0];
        has_idle |= mode == IDLE;
        if modes.contains(&mode) {
            part = Some(part.unwrap_or(0.0) + rate);
        }
    }
    let modes_of = |values: &SubjectValues| values.each(&SECONDS).count();
    if !has_idle || known < modes_of(change.previous).max(modes_of(change.current)) {
        return None;
    }
    share(part?, whole)
}

pub(super) fn open(settings: &SourceSettings) -> Box<dyn Source> {
    Box::new(Cpu {
        stat: KernelFile::new(settings.roots.procfs.join("stat")),
        labels: MODES.map(|mode| MetricLabels::new([mode])),
    })
}

#[derive(Debug)]
struct Cpu {
    stat: KernelFile,
    labels: [MetricLabels; MODES.len()],
}

impl Source for Cpu {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        set(self.stat.read()?, &self.labels, into.host())?.add_to(into);
        Ok(())
    }
}

/// Sets the time of each mode and the number of CPUs. Of several lines of all CPUs, the one with most columns counts.
pub(super) fn set(
    text: KernelText<'_>,
    labels: &[MetricLabels; MODES.len()],
    into: &mut SubjectValues,
) -> Result<SkippedLines, SourceError> {
    let mut skipped = SkippedLines::default();
    let lines = text.lines().filter(|it| it.text.starts_with("cpu "));
    let parse = |it: &str| parse_total(it).unwrap_or([f64::NAN; MODES.len()]);
    let Some((_, ticks)) = best_line(lines, parse, &mut skipped) else {
        return Err(skipped.fail(text.error()));
    };
    for ((labels, ticks), mode) in labels.iter().zip(ticks).zip(MODES) {
        if ticks.is_nan() {
            skipped.lacks(text, mode);
        }
        into.set_by(&SECONDS, labels, ticks / TICKS_PER_SECOND);
    }
    match count_cpus(text) {
        // Some containers have no line for each CPU.
        0 => skipped.lacks(text, "cpuN"),
        cpus => into.set(&COUNT, cpus as f64),
    }
    Ok(skipped)
}

/// The number of lines `cpuN …`, each CPU once, in any order: a damaged copy of a line may stand before the others.
pub(super) fn count_cpus(text: KernelText<'_>) -> usize {
    let mut seen = [0_u64; CPUS_MAX as usize / 64];
    let cpus =
        text.lines().filter_map(|it| it.text.strip_prefix("cpu")?.split(' ').next()?.parse::<usize>().ok());
    for cpu in cpus {
        if let Some(word) = seen.get_mut(cpu / 64) {
            *word |= 1 << (cpu % 64);
        }
    }
    seen.iter().map(|it| it.count_ones() as usize).sum()
}

/// Modes that every kernel has: user, nice, system and idle. Some containers show no others.
const MODES_MIN: usize = 4;

/// The columns of the line `cpu  …`; NaN for a mode that it lacks.
fn parse_total(line: &str) -> Option<[f64; MODES.len()]> {
    let mut ticks = [f64::NAN; MODES.len()];
    let columns = line.split_ascii_whitespace().skip(1);
    for (value, column) in ticks.iter_mut().zip(columns) {
        *value = count(column)?;
    }
    ticks.iter().take(MODES_MIN).all(|it| !it.is_nan()).then_some(ticks)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::kernel_file::{BELOW_ZERO, IMPOSSIBLE};
    use super::*;

    #[test]
    fn reads_eight_modes() {
        assert_eq!(
            parse_total("cpu  10 20 30 40 50 60 70 80 90 100"),
            Some([10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0])
        );
    }

    #[test]
    fn refuses_what_the_kernel_does_not_write() {
        for line in ["cpu ", "cpu 1 2 3", "cpu a b c d e f g h", "cpu 1 2 3 4 5 6 7 8x"] {
            assert_eq!(parse_total(line), None, "{line}");
        }
    }

    #[test]
    fn a_line_may_be_short_or_have_one_impossible_column() {
        let ticks = parse_total("cpu 1 2 3 4 18446744073709551615 -7").unwrap();
        assert_eq!(ticks[..6], [1.0, 2.0, 3.0, 4.0, IMPOSSIBLE, BELOW_ZERO]);
        assert!(ticks[6..].iter().all(|it| it.is_nan()));
    }

    #[test]
    fn odd_lines_cost_themselves() {
        let text =
            "\0\0\0\ncpu x\ncpu  1 2 3 4 5 6 7 8\ncpu  9 9 9 9 9 9 9 9\ncpu0 1\n\0\ncpu2 1\ncpu0 1\ncpu2 1\n";
        let mut values = SubjectValues::default();
        let labels = MODES.map(|mode| MetricLabels::new([mode]));
        let mut reading = Reading::default();
        set(KernelText::of(Path::new("stat"), text), &labels, &mut values).unwrap().add_to(&mut reading);
        assert_eq!(values.get_by(&SECONDS, &labels[0]), Some(0.01));
        assert_eq!(values.get(&COUNT), Some(2.0));
        assert_eq!(reading.omissions.iter().map(|it| it.count).sum::<usize>(), 2);
    }

    #[test]
    fn a_cut_copy_of_the_line_is_skipped() {
        let labels = MODES.map(|mode| MetricLabels::new([mode]));
        for copy in ["cpu  100000 50 50000 5000000 9", "cpu  100000 50 50000 500", "cpu  10"] {
            let text = format!("{copy}\ncpu  100000 50 50000 5000000 90010 11 22 33 0 0\ncpu0 1\n");
            let (mut values, mut reading) = (SubjectValues::default(), Reading::default());
            set(KernelText::of(Path::new("stat"), &text), &labels, &mut values).unwrap().add_to(&mut reading);
            assert_eq!(values.get_by(&SECONDS, &labels[4]), Some(900.1), "{copy}");
            assert_eq!(values.each(&SECONDS).count(), 8);
            let said: Vec<&str> = reading.omissions.iter().map(|it| &*it.what).collect();
            assert_eq!(said, [format!("stat:1: malformed: {copy:?}")]);
        }
    }

    #[test]
    fn a_mode_of_unknown_time_makes_all_shares_unknown() {
        let read = |modes: &[(&str, f64)]| {
            let mut values = SubjectValues::default();
            modes
                .iter()
                .for_each(|(mode, seconds)| values.set_by(&SECONDS, &MetricLabels::new([*mode]), *seconds));
            values
        };
        let before = read(&[("user", 1.0), ("idle", 1.0), ("iowait", 1.0)]);
        let now = read(&[("user", 2.0), ("iowait", 1.0)]);
        assert_eq!((SIGNALS[0].formula)(&ReadingPair::new(&before, &now, 1.0).unwrap()), None);
        // It stays unknown for several readings.
        let next = read(&[("user", 3.0), ("iowait", 2.0)]);
        assert_eq!((SIGNALS[0].formula)(&ReadingPair::new(&now, &next, 1.0).unwrap()), None);
    }
}
