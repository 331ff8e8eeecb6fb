//! CPU, memory and file descriptors of hostnorm, under the standard names of Prometheus.
//!
//! They come from the real `/proc/self`, because process IDs differ below another procfs.
#![cfg_attr(
    target_os = "linux",
    expect(clippy::disallowed_methods, reason = "counts the files in a directory")
)]

use std::path::{Path, PathBuf};

use super::kernel_file::{KernelFile, KernelText, number};
use super::{Source, SourceError, SourceSettings};
use crate::cost_limit::CostSample;
use crate::metric::Metric;
use crate::reading::{Reading, SubjectValues};
use crate::signal::Signal;

static CPU: Metric =
    Metric::counter("process_cpu_seconds_total", "User and system CPU time of hostnorm in seconds")
        .of_process();
static RESIDENT: Metric =
    Metric::gauge("process_resident_memory_bytes", "Resident memory of hostnorm in bytes");
static VIRTUAL: Metric = Metric::gauge("process_virtual_memory_bytes", "Virtual memory of hostnorm in bytes");
static OPEN_FDS: Metric = Metric::gauge("process_open_fds", "Open file descriptors of hostnorm");
static MAX_FDS: Metric =
    Metric::gauge("process_max_fds", "Maximum number of open file descriptors of hostnorm");
static START: Metric =
    Metric::gauge("process_start_time_seconds", "Start time of hostnorm as Unix time, in seconds");

pub(super) static METRICS: &[&Metric] = &[&CPU, &RESIDENT, &VIRTUAL, &OPEN_FDS, &MAX_FDS, &START];
/// What hostnorm itself costs at a reading.
pub fn own_cost(reading: &Reading) -> CostSample {
    let get = |metric| reading.host_values().and_then(|it| it.get(metric));
    CostSample { memory_bytes: get(&RESIDENT), cpu_seconds: get(&CPU) }
}

/// hostnorm does not score itself.
pub(super) static SIGNALS: &[Signal] = &[];

/// `USER_HZ`, as in the source `cpu`.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn open(_: &SourceSettings) -> Box<dyn Source> {
    Box::new(ProcessSelf {
        stat: KernelFile::new("/proc/self/stat".into()),
        boot: KernelFile::new("/proc/stat".into()),
        booted: None,
        fds: "/proc/self/fd".into(),
    })
}

#[derive(Debug)]
struct ProcessSelf {
    stat: KernelFile,
    /// Contains the boot time, which is read once.
    boot: KernelFile,
    booted: Option<f64>,
    fds: PathBuf,
}

impl Source for ProcessSelf {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let host = into.host();
        if self.booted.is_none() {
            self.booted = parse_boot_time(self.boot.read()?);
        }
        let text = self.stat.read()?;
        let stat = parse(text.text).ok_or_else(|| text.error())?;
        host.set(&CPU, stat.cpu_ticks / TICKS_PER_SECOND);
        host.set(&VIRTUAL, stat.virtual_bytes);
        if let Some(booted) = self.booted {
            host.set(&START, booted + stat.start_ticks / TICKS_PER_SECOND);
        }
        set_limits(&stat, host);
        match count_files(&self.fds) {
            Ok(count) => host.set(&OPEN_FDS, count),
            Err(source) => return Err(SourceError::Read { path: self.fds.clone(), source }),
        }
        Ok(())
    }
}

#[cfg(unix)]
fn set_limits(stat: &ProcessStat, into: &mut SubjectValues) {
    into.set(&RESIDENT, stat.resident_pages * rustix::param::page_size() as f64);
    // No limit is a missing value.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    into.set(&MAX_FDS, limit.map_or(f64::NAN, |it| it as f64));
}

#[cfg(not(unix))]
fn set_limits(_: &ProcessStat, _: &mut SubjectValues) {}

/// Since Linux 6.2, the size of the directory is the number of descriptors; before, entries are counted, minus the one
/// of the listing itself.
fn count_files(fds: &Path) -> std::io::Result<f64> {
    match std::fs::metadata(fds)?.len() {
        0 => Ok(std::fs::read_dir(fds)?.count().saturating_sub(1) as f64),
        count => Ok(count as f64),
    }
}

pub(super) fn parse_boot_time(text: KernelText<'_>) -> Option<f64> {
    let mut lines = text.lines().filter_map(|it| it.text.strip_prefix("btime "));
    // An impossible boot time is not kept: the file is read again.
    lines.find_map(|it| number(&mut it.split_ascii_whitespace()).filter(|it| it.is_finite()))
}

/// The used fields of `/proc/[pid]/stat`.
#[derive(Debug, PartialEq)]
pub(super) struct ProcessStat {
    cpu_ticks: f64,
    pub(super) start_ticks: f64,
    virtual_bytes: f64,
    resident_pages: f64,
}

/// Parses fields by their numbers in proc(5). They are counted from the end of the program name, the second field,
/// which may contain anything.
pub(super) fn parse(text: &str) -> Option<ProcessStat> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = [0.0; 25];
    // The state is a letter and some fields are negative; none of them is used.
    for (field, text) in fields.get_mut(3..)?.iter_mut().zip(rest.split_ascii_whitespace()) {
        *field = text.parse::<u64>().map_or(f64::NAN, |it| it as f64);
    }
    let [utime, stime, start_ticks, virtual_bytes, resident_pages] =
        [14, 15, 22, 23, 24].map(|it| fields[it]);
    let stat = ProcessStat { cpu_ticks: utime + stime, start_ticks, virtual_bytes, resident_pages };
    (virtual_bytes > 0.0 && stat.cpu_ticks.is_finite() && start_ticks.is_finite()).then_some(stat)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_name_of_the_program_may_contain_anything() {
        let text =
            "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 25 5 0 0 20 0 3 0 1234 5678000 90 18446744073709551615";
        let stat = ProcessStat {
            cpu_ticks: 30.0,
            start_ticks: 1234.0,
            virtual_bytes: 5_678_000.0,
            resident_pages: 90.0,
        };
        assert_eq!(parse(text), Some(stat));
    }

    #[test]
    fn a_boot_time_below_zero_is_not_kept() {
        let boot_time = |text| parse_boot_time(KernelText::of(Path::new("stat"), text));
        assert_eq!(boot_time("cpu 1\nbtime 1795255200\n"), Some(1_795_255_200.0));
        assert_eq!(boot_time("btime -5\n"), None);
        assert_eq!(boot_time("btime 18446744073709551615\nbtime 7\n"), Some(7.0));
    }

    #[test]
    fn refuses_what_the_kernel_does_not_write() {
        for text in ["", "7 (a", "7 (a) S 1 2 3", ") x x x x x x x x x x x x x x x x x x x x x x x x"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*[)]?.*") {
            let _ = parse(&text);
        }
    }
}
