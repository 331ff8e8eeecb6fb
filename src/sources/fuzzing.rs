//! The fuzzer's way to the parsers of kernel files.

use std::path::Path;

use super::context::set_uptime;
use super::device_filter::IncludedDevices;
use super::file_locks::locks;
use super::kernel_file::{KernelText, SkippedLines};
use super::mounts::{self, MOUNTS_MAX, MountFilter};
use super::{
    FilesystemSettings, SOURCES, SourceError, SourceSettings, cpu, disk, load, memory, network, pressure,
    process_self, stat, tcp,
};
use crate::reading::{MetricLabels, SubjectValues};
use crate::signal::ReadingPair;

/// Longest message; a line of the file is shortened to 80 characters.
const MESSAGE_CHARS_MAX: usize = 600;

pub use super::cgroup::fuzzing::parse as parse_cgroup;

type Parser = fn(KernelText<'_>, &mut SubjectValues) -> Result<SkippedLines, SourceError>;

/// The parsers of text, chosen by the first byte.
const PARSERS: [Parser; 14] = [
    |text, into| cpu::set(text, &cpu::MODES.map(|mode| MetricLabels::new([mode])), into),
    load::set,
    |text, into| memory::set(text, &memory::MEMINFO, Some(memory::KILOBYTES), into),
    |text, into| memory::set(text, &memory::VMSTAT, None, into),
    |text, into| pressure::set(text, &pressure::FILES[0].1, into),
    |text, into| {
        let exclude = SourceSettings::default().disk.device_exclude;
        disk::set(text, &mut disk::DiskList::new(exclude, "/nonexistent".into()), into)
    },
    |text, into| {
        let mut devices = IncludedDevices::new(SourceSettings::default().network.device_exclude);
        network::set(text, &mut devices, true, str::len, into)
    },
    tcp::set_snmp,
    tcp::set_sockstat,
    stat::set_stat,
    stat::set_files,
    |text, _| whole(locks(text).try_for_each(|it| it.map(|_| ()))),
    |text, into| {
        let _ = set_uptime(text, into);
        assert!(process_self::parse_boot_time(text).is_none_or(f64::is_finite));
        whole(process_self::parse(text.text).map(|_| ()).ok_or_else(|| text.error()))
    },
    tcp::set_netstat,
];

/// The result of a parser of a whole file.
fn whole(outcome: Result<(), SourceError>) -> Result<SkippedLines, SourceError> {
    outcome.map(|()| SkippedLines::default())
}

/// Parses a kernel file. The first byte chooses the parser; a NUL separates two successive contents of the file.
///
/// # Panics
/// If the parser fails, or returns what no content may cause.
pub fn parse(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let Some(parser) = PARSERS.get(usize::from(*choice) % (PARSERS.len() + 1)) else {
        return parse_mounts(bytes);
    };
    let mut readings =
        bytes.splitn(2, |it| *it == 0).filter_map(|it| std::str::from_utf8(it).ok()).map(|text| {
            let mut values = SubjectValues::default();
            if let Err(error) = parser(KernelText::of(Path::new("/proc/file"), text), &mut values) {
                let message = error.to_string();
                assert!(
                    message.contains("/proc/file") && message.chars().count() <= MESSAGE_CHARS_MAX,
                    "{message}"
                );
            }
            check(&values);
            values
        });
    let (Some(before), Some(now)) = (readings.next(), readings.next()) else { return };
    let Some(pair) = ReadingPair::new(&before, &now, 1.0) else { return };
    for signal in SOURCES.iter().flat_map(|it| it.signals) {
        let value = (signal.formula)(&pair);
        assert!(value.is_none_or(|it| it.is_finite() && it >= 0.0), "{} is {value:?}", signal.name);
    }
}

/// Each series has one value, finite and not negative.
fn check(values: &SubjectValues) {
    let mut series: Vec<_> = values.iter().map(|it| (it.metric.name, &it.labels)).collect();
    series.sort();
    assert!(series.windows(2).all(|it| it[0] != it[1]), "a series comes twice: {series:?}");
    assert!(values.iter().all(|it| it.value.is_finite() && it.value >= 0.0), "{values:?}");
}

fn parse_mounts(bytes: &[u8]) {
    let FilesystemSettings { mount_exclude, fstype_exclude } = FilesystemSettings::default();
    for rootfs in ["/", "/host"] {
        let (points, fstypes) = (mount_exclude.clone(), fstype_exclude.clone());
        let filter = MountFilter { points, fstypes, rootfs: rootfs.into() };
        let Ok(mounts) = mounts::parse(bytes, &filter) else { continue };
        assert!(
            mounts.shown.len() <= MOUNTS_MAX && (mounts.dropped == 0 || mounts.shown.len() == MOUNTS_MAX)
        );
        let mut points: Vec<_> = mounts.shown.iter().map(|it| &it.point).collect();
        points.sort();
        assert!(points.windows(2).all(|it| it[0] != it[1]), "a mount point comes twice: {points:?}");
        assert!(points.iter().all(|it| it.is_absolute()), "{points:?}");
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests read files")]

    #[test]
    fn the_corpus_is_parsed() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/proc_files");
        for file in std::fs::read_dir(corpus).unwrap() {
            super::parse(&std::fs::read(file.unwrap().path()).unwrap());
        }
    }
}
