//! Memory, swap and page faults, from `/proc/meminfo` and `/proc/vmstat`
//! (`Documentation/filesystems/proc.rst`, §1.3; `mm/vmstat.c`).

use super::file::{KernelFile, lines};
use super::{Error, Settings, Source, parse_error};
use crate::metric::Metric;
use crate::reading::{Kind, Reading, Values};
use crate::signal::{Change, Signal, Unit, share};

static TOTAL: Metric = Metric::gauge("hostnorm_memory_size_bytes", "Memory that the kernel manages");
static USED: Metric =
    Metric::gauge("hostnorm_memory_used_bytes", "Memory that is not available to new programs");
static AVAILABLE: Metric =
    Metric::gauge("hostnorm_memory_available_bytes", "Memory that new programs can have without swapping");
static FREE: Metric = Metric::gauge("hostnorm_memory_free_bytes", "Memory that holds nothing");
static CACHED: Metric = Metric::gauge("hostnorm_memory_cached_bytes", "Page cache, with shared memory");
static BUFFERS: Metric = Metric::gauge("hostnorm_memory_buffers_bytes", "Buffers of block devices");
static DIRTY: Metric = Metric::gauge("hostnorm_memory_dirty_bytes", "Pages that wait to be written to disk");
static SLAB: Metric = Metric::gauge("hostnorm_memory_slab_bytes", "Data structures of the kernel");
static SWAP_SIZE: Metric = Metric::gauge("hostnorm_swap_size_bytes", "Swap space");
static SWAP_FREE: Metric = Metric::gauge("hostnorm_swap_free_bytes", "Swap space that is unused");
static FAULTS: Metric = Metric::counter("hostnorm_page_faults_total", "Page faults, minor ones included");
static MAJOR_FAULTS: Metric =
    Metric::counter("hostnorm_page_major_faults_total", "Page faults that had to read from disk");
static SWAP_IN: Metric = Metric::counter("hostnorm_swap_in_pages_total", "Pages read back from swap");
static SWAP_OUT: Metric = Metric::counter("hostnorm_swap_out_pages_total", "Pages written to swap");

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
];

pub(super) static SIGNALS: &[Signal] = &[
    Signal {
        kind: Kind::Host,
        name: "memory_used_ratio",
        title: "memory used",
        help: "Share of memory that is not available to new programs",
        unit: Unit::Ratio,
        floor: 0.05,
        of: |it| share(it.level(&USED)?, it.level(&TOTAL)?),
    },
    Signal {
        kind: Kind::Host,
        name: "swap_used_ratio",
        title: "swap used",
        help: "Share of swap space in use",
        unit: Unit::Ratio,
        floor: 0.05,
        of: |it| share(it.level(&SWAP_SIZE)? - it.level(&SWAP_FREE)?, it.level(&SWAP_SIZE)?),
    },
    Signal {
        kind: Kind::Host,
        name: "page_faults_per_second",
        title: "page faults",
        help: "Page faults in a second, minor ones included",
        unit: Unit::PerSecond,
        floor: 20_000.0,
        of: |it| it.rate(&FAULTS),
    },
    Signal {
        kind: Kind::Host,
        name: "page_major_faults_per_second",
        title: "major page faults",
        help: "Page faults in a second that had to read from disk",
        unit: Unit::PerSecond,
        floor: 200.0,
        of: |it| it.rate(&MAJOR_FAULTS),
    },
    Signal {
        kind: Kind::Host,
        name: "swap_pages_per_second",
        title: "swapping",
        help: "Pages read from and written to swap in a second",
        unit: Unit::PerSecond,
        floor: 200.0,
        of: |it: &Change<'_>| Some(it.rate(&SWAP_IN)? + it.rate(&SWAP_OUT)?),
    },
];

/// Lines of `/proc/meminfo` in kilobytes that are exposed as they are.
const MEMINFO: [(&str, &Metric); 9] = [
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

/// Lines of `/proc/vmstat`, counters since boot.
const VMSTAT: [(&str, &Metric); 4] =
    [("pgfault", &FAULTS), ("pgmajfault", &MAJOR_FAULTS), ("pswpin", &SWAP_IN), ("pswpout", &SWAP_OUT)];

pub(super) fn open(settings: &Settings) -> Box<dyn Source> {
    let procfs = &settings.roots.procfs;
    Box::new(Memory {
        meminfo: KernelFile::new(procfs.join("meminfo")),
        vmstat: KernelFile::new(procfs.join("vmstat")),
    })
}

#[derive(Debug)]
struct Memory {
    meminfo: KernelFile,
    vmstat: KernelFile,
}

impl Source for Memory {
    fn read(&mut self, into: &mut Reading) -> Result<(), Error> {
        let host = into.host();
        read_table(&mut self.meminfo, &MEMINFO, 1024.0, host)?;
        if let (Some(total), Some(available)) = (host.get(&TOTAL), host.get(&AVAILABLE)) {
            host.set(&USED, total - available);
        }
        read_table(&mut self.vmstat, &VMSTAT, 1.0, host)
    }
}

/// Sets the metric of each line `key value` or `key: value kB` that the table names; a key that this kernel
/// does not have stays missing, a file with none of the keys is not the file that was meant.
fn read_table(
    file: &mut KernelFile,
    table: &[(&str, &'static Metric)],
    factor: f64,
    into: &mut Values,
) -> Result<(), Error> {
    let path = file.path().to_owned();
    let text = file.read()?;
    let mut found = 0;
    for line in lines(&path, text) {
        let mut fields = line.text.split_ascii_whitespace();
        let Some(key) = fields.next().map(|it| it.trim_end_matches(':')) else { continue };
        let Some((_, metric)) = table.iter().find(|(name, _)| *name == key) else { continue };
        let value: u64 = fields.next().and_then(|it| it.parse().ok()).ok_or_else(|| line.error())?;
        into.set(metric, value as f64 * factor);
        found += 1;
        if found == table.len() {
            break;
        }
    }
    match found {
        0 => Err(parse_error(&path, 1, text.lines().next().unwrap_or_default())),
        _ => Ok(()),
    }
}
