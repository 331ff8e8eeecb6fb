//! Tasks, context switches, interrupts and open files, from `/proc/stat` (`Documentation/filesystems/proc.rst`, §1.7) and
//! `/proc/sys/fs/file-nr` (`Documentation/admin-guide/sysctl/fs.rst`).
//!
//! The source `cpu` reads `/proc/stat` too; sources are independent.

use super::best_line::best_values;
use super::cpu::{self, EVENTS_MAX, EVENTS_PER_CPU, count_cpus};
use super::kernel_file::{BELOW_ZERO, IMPOSSIBLE, KernelFile, KernelText, SkippedLines, number};
use super::several_files::{note_files, set_if_there};
use super::{Source, SourceError, SourceSettings};
use crate::metric::Metric;
use crate::reading::{Reading, SubjectKind, SubjectValues};
use crate::signal::{Signal, SignalUnit};

/// Largest number of tasks: the limit of their identifiers (`include/linux/threads.h`, `PID_MAX_LIMIT`).
pub(super) const TASKS_MAX: f64 = 4_194_304.0;

/// More tasks than a CPU can start per second: each takes some microseconds.
const FORKS_PER_CPU: f64 = 1e6;

pub(super) static RUNNING: Metric =
    Metric::gauge("hostnorm_tasks_running", "Tasks running or ready to run").within(0.0, TASKS_MAX);
static RUNNING_PER_CPU: Metric = Metric::gauge(
    "hostnorm_tasks_running_per_cpu",
    "Tasks running or ready to run, divided by the CPUs online",
)
.within(0.0, TASKS_MAX);
static BLOCKED: Metric =
    Metric::gauge("hostnorm_tasks_blocked", "Tasks waiting for I/O").within(0.0, TASKS_MAX);
static FORKS: Metric = Metric::counter("hostnorm_forks_total", "Tasks started").gains_at_most_per(
    FORKS_PER_CPU,
    &cpu::COUNT,
    EVENTS_MAX,
);
static SWITCHES: Metric = Metric::counter("hostnorm_context_switches_total", "Context switches")
    .gains_at_most_per(EVENTS_PER_CPU, &cpu::COUNT, EVENTS_MAX);
static INTERRUPTS: Metric = Metric::counter("hostnorm_interrupts_total", "Interrupts served")
    .gains_at_most_per(EVENTS_PER_CPU, &cpu::COUNT, EVENTS_MAX);
static FILES_OPEN: Metric = Metric::gauge("hostnorm_file_handles_open", "Open file handles");
static FILES_LIMIT: Metric =
    Metric::gauge("hostnorm_file_handles_limit", "Maximum number of open file handles");

pub(super) static METRICS: &[&Metric] =
    &[&RUNNING, &RUNNING_PER_CPU, &BLOCKED, &FORKS, &SWITCHES, &INTERRUPTS, &FILES_OPEN, &FILES_LIMIT];

pub(super) static SIGNALS: &[Signal] = &[
    Signal {
        kind: SubjectKind::Host,
        name: "tasks_running_per_cpu",
        title: "runnable tasks per CPU",
        help: "Tasks running or ready to run, divided by the CPUs online",
        unit: SignalUnit::Count,
        // Per CPU, so that it fits 2 and 64 of them: half of the CPUs, for a whole window.
        floor: 0.5,
        device: None,
        formula: |it| it.level(&RUNNING_PER_CPU),
    },
    Signal {
        kind: SubjectKind::Host,
        name: "tasks_blocked",
        title: "blocked tasks",
        help: "Tasks waiting for I/O",
        unit: SignalUnit::Count,
        // One permanently waiting writer is a normal copy.
        floor: 1.0,
        device: None,
        formula: |it| it.level(&BLOCKED),
    },
    Signal {
        kind: SubjectKind::Host,
        name: "forks_per_second",
        title: "forks",
        help: "Tasks started per second",
        unit: SignalUnit::PerSecond,
        // A cron job or a git command starts some hundred tasks; this is 1,500 within a window.
        floor: 50.0,
        device: None,
        formula: |it| it.rate(&FORKS),
    },
    Signal {
        kind: SubjectKind::Host,
        name: "context_switches_per_second",
        title: "context switches",
        help: "Context switches per second",
        unit: SignalUnit::PerSecond,
        // An idle machine has 200 per second and CPU, or 13,000 on 64 CPUs; a storm on 2 CPUs has some 100,000.
        floor: 20_000.0,
        device: None,
        formula: |it| it.rate(&SWITCHES),
    },
];

/// Lines `key value …` of `/proc/stat`, each with its metric.
static STAT: [(&str, &Metric); 5] = [
    ("intr", &INTERRUPTS),
    ("ctxt", &SWITCHES),
    ("processes", &FORKS),
    ("procs_running", &RUNNING),
    ("procs_blocked", &BLOCKED),
];

pub(super) fn open(settings: &SourceSettings) -> Box<dyn Source> {
    let procfs = &settings.roots.procfs;
    Box::new(TaskSource {
        stat: KernelFile::new(procfs.join("stat")),
        file_nr: KernelFile::new(procfs.join("sys/fs/file-nr")),
    })
}

#[derive(Debug)]
struct TaskSource {
    stat: KernelFile,
    file_nr: KernelFile,
}

impl Source for TaskSource {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let host = into.host();
        let stat = self.stat.read().and_then(|text| set_stat(text, host));
        let files = set_if_there(&mut self.file_nr, set_files, host);
        note_files([stat, files], into)
    }
}

pub(super) fn set_stat(text: KernelText<'_>, into: &mut SubjectValues) -> Result<SkippedLines, SourceError> {
    let mut missing = STAT.map(Some);
    let mut skipped = SkippedLines::default();
    let cpus = count_cpus(text) as f64;
    for line in text.lines() {
        // The line of interrupts has thousands of columns on large machines; only the first is used.
        let mut fields = line.text.split_ascii_whitespace();
        let Some(key) = fields.next() else { continue };
        let Some(row) = missing.iter_mut().find(|row| row.is_some_and(|(name, _)| name == key)) else {
            continue;
        };
        let Some(value) = skipped.take(number(&mut fields).ok_or_else(|| line.error())) else { continue };
        if let Some((_, metric)) = row.take() {
            into.set(metric, value);
            if *metric == RUNNING && cpus > 0.0 && metric.is_possible(value) {
                into.set(&RUNNING_PER_CPU, value / cpus);
            }
        }
    }
    if missing.iter().all(Option::is_some) {
        return Err(skipped.fail(text.error()));
    }
    if cpus == 0.0 {
        skipped.lacks(text, "cpuN");
    }
    // A key whose only line is malformed is there.
    let has = |name: &str| text.lines().any(|it| it.text.split_ascii_whitespace().next() == Some(name));
    for (name, _) in missing.into_iter().flatten().filter(|it| !has(it.0)) {
        skipped.lacks(text, name);
    }
    Ok(skipped)
}

/// Allocated handles, allocated but unused handles (always 0 since 2.6), and the maximum.
pub(super) fn set_files(text: KernelText<'_>, into: &mut SubjectValues) -> Result<SkippedLines, SourceError> {
    let ([allocated, unused, limit], skipped) = best_values(text, parse_files)?;
    let open = if allocated.is_finite() && allocated < unused { BELOW_ZERO } else { allocated - unused };
    into.set(&FILES_OPEN, open);
    // The largest number of the kernel is no limit.
    into.set(&FILES_LIMIT, if limit < IMPOSSIBLE { limit } else { f64::NAN });
    Ok(skipped)
}

/// The three fields; NaN for one that is missing or no number.
fn parse_files(text: &str) -> [f64; 3] {
    let mut fields = text.split_ascii_whitespace();
    std::array::from_fn(|_| number(&mut fields).unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Each text with the open handles, the limit, and the number of malformed lines.
    #[test]
    fn an_odd_field_or_line_of_file_handles_costs_itself() {
        for (text, open, limit, malformed) in [
            ("1024\t0\t2000\n", Some(1024.0), Some(2000.0), 0),
            ("\0\0\n1024\t0\t2000\n", Some(1024.0), Some(2000.0), 1),
            ("1024\t0\n", Some(1024.0), None, 1),
            ("1024\t0\t18446744073709551615\n", Some(1024.0), None, 0),
            ("1024\tx\t2000\n", None, Some(2000.0), 1),
        ] {
            let (mut values, mut reading) = (SubjectValues::default(), Reading::default());
            set_files(KernelText::of(Path::new("file-nr"), text), &mut values).unwrap().add_to(&mut reading);
            assert_eq!((values.get(&FILES_OPEN), values.get(&FILES_LIMIT)), (open, limit), "{text:?}");
            assert_eq!(values.take_refused(), [], "{text:?}");
            assert_eq!(reading.omissions.iter().map(|it| it.count).sum::<usize>(), malformed, "{text:?}");
        }
        for text in ["", "\0", "x"] {
            set_files(KernelText::of(Path::new("file-nr"), text), &mut SubjectValues::default()).unwrap_err();
        }
    }
}
