//! CPU time by mode, from `/proc/stat` (`Documentation/filesystems/proc.rst`, §1.7).

use super::kernel_file::{KernelFile, KernelText};
use super::{Source, SourceError, SourceSettings};
use crate::metric::Metric;
use crate::reading::{Labels, Reading, SubjectKind, Values};
use crate::signal::{ReadingPair, Signal, SignalUnit, share};

pub(super) static SECONDS: Metric =
    Metric::counter("hostnorm_cpu_seconds_total", "CPU time of all CPUs in seconds, by mode").by(&["mode"]);
pub(super) static COUNT: Metric = Metric::gauge("hostnorm_cpus_online", "CPUs online");

pub(super) static METRICS: &[&Metric] = &[&SECONDS, &COUNT];

/// Modes in the order of the columns; `guest` and `guest_nice` are contained in `user` and `nice`.
pub(super) const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];

/// The kernel reports ticks of `USER_HZ`, which is 100 on every architecture supported by Linux.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) static SIGNALS: &[Signal] = &[
    ratio("cpu_busy_ratio", "CPU usage", "Share of CPU time neither idle nor waiting for I/O", |it| {
        let idle = ratio_of(it, &["idle", "iowait"])?;
        Some(1.0 - idle)
    }),
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

/// Share of these modes in the elapsed time; `None` if the system reports none of them.
fn ratio_of(change: &ReadingPair<'_>, modes: &[&str]) -> Option<f64> {
    let (mut part, mut whole) = (None, 0.0);
    for (labels, rate) in change.rates(&SECONDS) {
        whole += rate;
        if modes.contains(&&*labels.values()[0]) {
            part = Some(part.unwrap_or(0.0) + rate);
        }
    }
    share(part?, whole)
}

pub(super) fn open(settings: &SourceSettings) -> Box<dyn Source> {
    Box::new(Cpu {
        stat: KernelFile::new(settings.roots.procfs.join("stat")),
        labels: MODES.map(|mode| Labels::new([mode])),
    })
}

#[derive(Debug)]
struct Cpu {
    stat: KernelFile,
    labels: [Labels; MODES.len()],
}

impl Source for Cpu {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        set(self.stat.read()?, &self.labels, into.host())
    }
}

/// Sets the time of each mode and the number of CPUs.
pub(super) fn set(
    text: KernelText<'_>,
    labels: &[Labels; MODES.len()],
    into: &mut Values,
) -> Result<(), SourceError> {
    let total = text.lines().find(|it| it.text.starts_with("cpu ")).ok_or_else(|| text.error())?;
    let ticks = parse_total(total.text).ok_or_else(|| total.error())?;
    let count = text.lines().take_while(|it| it.text.starts_with("cpu")).count().saturating_sub(1);
    for (labels, ticks) in labels.iter().zip(ticks) {
        into.set_by(&SECONDS, labels, ticks / TICKS_PER_SECOND);
    }
    into.set(&COUNT, count as f64);
    Ok(())
}

/// The columns of the line `cpu  …`; kernels before 2.6.11 have fewer.
fn parse_total(line: &str) -> Option<[f64; MODES.len()]> {
    let mut ticks = [0.0; MODES.len()];
    let mut columns = line.split_ascii_whitespace().skip(1);
    for value in &mut ticks {
        *value = columns.next()?.parse::<u64>().ok()? as f64;
    }
    Some(ticks)
}

#[cfg(test)]
mod tests {
    use super::parse_total;

    #[test]
    fn reads_eight_modes() {
        assert_eq!(
            parse_total("cpu  10 20 30 40 50 60 70 80 90 100"),
            Some([10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0])
        );
    }

    #[test]
    fn refuses_what_the_kernel_does_not_write() {
        for line in ["cpu ", "cpu 1 2 3", "cpu a b c d e f g h", "cpu 1 2 3 4 5 6 7 -8"] {
            assert_eq!(parse_total(line), None, "{line}");
        }
    }
}
