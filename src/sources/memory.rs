//! Memory, swap and page faults, from `/proc/meminfo` and `/proc/vmstat`
//! (`Documentation/filesystems/proc.rst`, §1.3; `mm/vmstat.c`).

use super::cpu::{self, EVENTS_MAX, EVENTS_PER_CPU};
use super::disk::{BYTES_MAX, OPERATIONS_MAX};
use super::kernel_file::{KernelFile, KernelText, SkippedLines, count};
use super::several_files::{note_files, set_if_there};
use super::{Source, SourceError, SourceSettings};
use crate::culprit::Resource;
use crate::impact::ImpactFormula;
use crate::metric::{COUNT_MAX, Metric, fits};
use crate::reading::{Reading, SubjectKind, SubjectValues};
use crate::signal::{ReadingPair, Signal, SignalUnit, share};

pub(super) static TOTAL: Metric =
    Metric::gauge("hostnorm_memory_size_bytes", "Total memory in bytes").within(1.0, COUNT_MAX);
pub(super) static USED: Metric =
    Metric::gauge("hostnorm_memory_used_bytes", "Memory not available to new programs, in bytes")
        .part_of(&TOTAL);
pub(super) static AVAILABLE: Metric = Metric::gauge(
    "hostnorm_memory_available_bytes",
    "Memory available to new programs without swapping, in bytes; estimated on kernels that do not say",
)
.part_of(&TOTAL);
pub(super) static FREE: Metric =
    Metric::gauge("hostnorm_memory_free_bytes", "Unused memory in bytes").part_of(&TOTAL);
static CACHED: Metric =
    Metric::gauge("hostnorm_memory_cached_bytes", "Page cache in bytes, including shared memory")
        .part_of(&TOTAL);
static BUFFERS: Metric =
    Metric::gauge("hostnorm_memory_buffers_bytes", "Buffers of block devices in bytes").part_of(&TOTAL);
static DIRTY: Metric =
    Metric::gauge("hostnorm_memory_dirty_bytes", "Memory waiting to be written to disk, in bytes")
        .part_of(&TOTAL);
static SLAB: Metric =
    Metric::gauge("hostnorm_memory_slab_bytes", "Memory for data structures of the kernel, in bytes")
        .part_of(&TOTAL);
pub(super) static SWAP_SIZE: Metric = Metric::gauge("hostnorm_swap_size_bytes", "Total swap space in bytes");
pub(super) static SWAP_FREE: Metric =
    Metric::gauge("hostnorm_swap_free_bytes", "Unused swap space in bytes").part_of(&SWAP_SIZE);
static FAULTS: Metric = Metric::counter("hostnorm_page_faults_total", "Page faults, minor and major")
    .gains_at_most_per(EVENTS_PER_CPU, &cpu::COUNT, EVENTS_MAX);
static MAJOR_FAULTS: Metric =
    Metric::counter("hostnorm_major_page_faults_total", "Major page faults, which read from disk")
        // They are a part of all, but that counter wraps on a kernel with 32 bits.
        .gains_at_most(OPERATIONS_MAX);
static SWAP_IN: Metric = Metric::counter("hostnorm_swap_in_pages_total", "Pages read from swap")
    .gains_at_most(BYTES_MAX / PAGE_BYTES_MIN);
static SWAP_OUT: Metric = Metric::counter("hostnorm_swap_out_pages_total", "Pages written to swap")
    .gains_at_most(BYTES_MAX / PAGE_BYTES_MIN);
static OOM_KILLS: Metric = Metric::counter("hostnorm_oom_kills_total", "Processes killed for lack of memory")
    .gains_at_most(KILLS_MAX);

/// Size of the smallest pages of any architecture, in bytes.
const PAGE_BYTES_MIN: f64 = 4_096.0;
/// More processes per second than the kernel kills: it looks at all of them each time.
pub(super) const KILLS_MAX: f64 = 1e4;

pub(super) static METRICS: &[&Metric] = &[
    &TOTAL,
    &USED,
    &AVAILABLE,
    &FREE,
    &CACHED,
    &BUFFERS,
    &DIRTY,
    &SLAB,
    &SWAP_SIZE,
    &SWAP_FREE,
    &FAULTS,
    &MAJOR_FAULTS,
    &SWAP_IN,
    &SWAP_OUT,
    &OOM_KILLS,
];

pub(super) static SIGNALS: &[Signal] = &[
    Signal {
        kind: SubjectKind::Host,
        name: "memory_used_ratio",
        title: "memory used",
        help: "Share of memory not available to new programs",
        unit: SignalUnit::Ratio,
        floor: 0.05,
        device: None,
        formula: |it| share(it.level(&USED)?, it.level(&TOTAL)?),
    },
    Signal {
        kind: SubjectKind::Host,
        name: "page_faults_per_second",
        title: "page faults",
        help: "Page faults per second, minor and major",
        unit: SignalUnit::PerSecond,
        floor: 20_000.0,
        device: None,
        formula: |it| it.rate(&FAULTS),
    },
    Signal {
        kind: SubjectKind::Host,
        name: "major_page_faults_per_second",
        title: "major page faults",
        help: "Major page faults per second, which read from disk",
        unit: SignalUnit::PerSecond,
        floor: 200.0,
        device: None,
        formula: |it| it.rate(&MAJOR_FAULTS),
    },
    Signal {
        kind: SubjectKind::Host,
        name: "swap_pages_per_second",
        title: "swap rate",
        help: "Pages read from and written to swap per second",
        unit: SignalUnit::PerSecond,
        floor: 200.0,
        device: None,
        formula: |it: &ReadingPair<'_>| Some(it.rate(&SWAP_IN)? + it.rate(&SWAP_OUT)?),
    },
];

/// Pages read from swap per second at which work stands still: 40 MB per second.
const SWAP_IN_MAX: f64 = 10_000.0;
/// Seconds for which work stands still when a process is killed.
pub(super) const OOM_KILL_SECONDS: f64 = 10.0;

pub(super) static IMPACTS: &[ImpactFormula] = &[
    ImpactFormula {
        kind: SubjectKind::Host,
        resource: Resource::Memory,
        formula: |it| Some(it.rate(&SWAP_IN)? / SWAP_IN_MAX),
    },
    ImpactFormula {
        kind: SubjectKind::Host,
        resource: Resource::Memory,
        formula: |it| Some(it.rate(&OOM_KILLS)? * OOM_KILL_SECONDS),
    },
];

/// Lines of `/proc/meminfo` in kilobytes, each with its metric.
pub(super) static MEMINFO: [(&str, &Metric); 9] = [
    ("MemTotal", &TOTAL),
    ("MemAvailable", &AVAILABLE),
    ("MemFree", &FREE),
    ("Cached", &CACHED),
    ("Buffers", &BUFFERS),
    ("Dirty", &DIRTY),
    ("Slab", &SLAB),
    ("SwapTotal", &SWAP_SIZE),
    ("SwapFree", &SWAP_FREE),
];

/// The unit of `/proc/meminfo`; it means 1,024 bytes.
pub(super) const KILOBYTES: &str = "kB";

/// Lines of `/proc/vmstat`, counters since boot.
pub(super) static VMSTAT: [(&str, &Metric); 5] = [
    ("pgfault", &FAULTS),
    ("pgmajfault", &MAJOR_FAULTS),
    ("pswpin", &SWAP_IN),
    ("pswpout", &SWAP_OUT),
    ("oom_kill", &OOM_KILLS),
];

pub(super) fn open(settings: &SourceSettings) -> Box<dyn Source> {
    let procfs = &settings.roots.procfs;
    Box::new(MemorySource {
        meminfo: KernelFile::new(procfs.join("meminfo")),
        vmstat: KernelFile::new(procfs.join("vmstat")),
    })
}

#[derive(Debug)]
struct MemorySource {
    meminfo: KernelFile,
    vmstat: KernelFile,
}

impl Source for MemorySource {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let host = into.host();
        let memory = self.meminfo.read().and_then(|text| {
            let skipped = set(text, &MEMINFO, Some(KILOBYTES), host)?;
            Ok((skipped, set_available(text, host)))
        });
        if let (Some(total), Some(available)) = (host.get(&TOTAL), host.get(&AVAILABLE))
            && fits(available, total)
        {
            host.set(&USED, (total - available).max(0.0));
        }
        let events = set_if_there(&mut self.vmstat, |text, host| set(text, &VMSTAT, None, host), host);
        let memory = memory.map(|(mut skipped, available)| {
            if available == Availability::Estimated
                && let Some(what) = skipped.take_lacking("MemAvailable")
            {
                let what = format!("{what}; available memory is estimated from free and cached memory");
                into.note_omission(1, what.clone(), what);
            }
            skipped
        });
        note_files([memory, events], into)
    }
}

/// Where the available memory is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Availability {
    /// The kernel, or nobody; the fields that are lacking are named.
    GivenOrUnknown,
    /// An estimate, because kernels before 3.14, and some containers, do not say.
    Estimated,
}

/// Estimates the available memory if the file lacks it: what is free, and the page cache without shared memory, which cannot
/// be dropped.
fn set_available(text: KernelText<'_>, into: &mut SubjectValues) -> Availability {
    let value = |key: &str| {
        let mut lines = text.lines().filter(|it| it.text.split(':').next() == Some(key));
        lines.find_map(|line| {
            let mut fields = line.text.split_ascii_whitespace().skip(1);
            let kilobytes = count(fields.next()?)?;
            (kilobytes.is_finite() && fields.next() == Some(KILOBYTES)).then_some(kilobytes * 1024.0)
        })
    };
    if text.lines().any(|it| it.text.starts_with("MemAvailable:")) {
        return Availability::GivenOrUnknown;
    }
    let (Some(free), Some(cached)) = (into.get(&FREE), into.get(&CACHED)) else {
        return Availability::GivenOrUnknown;
    };
    let shared = value("Shmem").unwrap_or(0.0);
    into.set(&AVAILABLE, free + into.get(&BUFFERS).unwrap_or(0.0) + (cached - shared).max(0.0));
    Availability::Estimated
}

/// Sets the metric of each line `key value` or `key: value kB` in the table; `unit` is what follows the number. A key that
/// this kernel lacks stays missing; a file without any of the keys is an error.
pub(super) fn set<const N: usize>(
    text: KernelText<'_>,
    table: &[(&'static str, &'static Metric); N],
    unit: Option<&str>,
    into: &mut SubjectValues,
) -> Result<SkippedLines, SourceError> {
    let factor = if unit == Some(KILOBYTES) { 1024.0 } else { 1.0 };
    let mut skipped = SkippedLines::default();
    // Found rows are removed: a duplicate key counts once, and parsing ends early.
    let mut missing = table.map(Some);
    let mut left = N;
    for line in text.lines() {
        // A key without a value is malformed.
        let end = line.text.bytes().position(|it| it == b':' || it == b' ').unwrap_or(line.text.len());
        let (key, rest) = line.text.split_at(end);
        let Some(row) = missing.iter_mut().find(|row| row.is_some_and(|(name, _)| name == key)) else {
            continue;
        };
        let mut fields = rest.trim_start_matches(':').split_ascii_whitespace();
        let value = fields.next().and_then(count);
        // Another unit would be taken for this one.
        let value = value.filter(|_| fields.next() == unit);
        let Some(value) = skipped.take(value.ok_or_else(|| line.error())) else { continue };
        if let Some((_, metric)) = row.take() {
            into.set(metric, value * factor);
        }
        left -= 1;
        if left == 0 {
            break;
        }
    }
    if left == N {
        return Err(skipped.fail(text.error()));
    }
    // A key whose only line is malformed is there.
    let lines = |name: &str| text.lines().any(|it| it.text.split([':', ' ']).next() == Some(name));
    for (name, _) in missing.into_iter().flatten().filter(|it| !lines(it.0)) {
        skipped.lacks(text, name);
    }
    Ok(skipped)
}
