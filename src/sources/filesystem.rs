//! Filesystems, from `/proc/1/mountinfo` and `statvfs`.
//!
//! They are queried every [`ASK_SECONDS`] on a separate thread (see [`statfs_worker`](super::statfs_worker)); each
//! reading has the newest results. Usage changes slowly, and a query of a network share takes a round trip to its
//! server.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::exclude_pattern::ExcludePattern;
use super::kernel_file::KernelFile;
use super::mounts::{self, MountFilter};
use super::statfs_worker::{ANSWER_SECONDS_MAX, FilesystemUsage, StatfsWorker};
use super::{Source, SourceError, excerpt};
use crate::clock;
use crate::metric::Metric;
use crate::reading::{Labels, Reading, SubjectKind, Values};
use crate::signal::{ReadingPair, Signal, SignalUnit, highest, share};

const LABELS: &[&str] = &["device", "mountpoint", "fstype"];

pub(super) static SIZE: Metric =
    Metric::gauge("hostnorm_filesystem_size_bytes", "Size of the filesystem in bytes").by(LABELS);
pub(super) static FREE: Metric =
    Metric::gauge("hostnorm_filesystem_free_bytes", "Free space in bytes, including space reserved for root")
        .by(LABELS);
pub(super) static AVAILABLE: Metric =
    Metric::gauge("hostnorm_filesystem_available_bytes", "Free space available to non-root users, in bytes")
        .by(LABELS);
static INODES: Metric =
    Metric::gauge("hostnorm_filesystem_inodes", "Total inodes of the filesystem").by(LABELS);
static INODES_FREE: Metric =
    Metric::gauge("hostnorm_filesystem_inodes_free", "Free inodes of the filesystem").by(LABELS);
pub(super) static READ_ONLY: Metric =
    Metric::gauge("hostnorm_filesystem_read_only", "Whether the filesystem is mounted read-only").by(LABELS);
static ERROR: Metric =
    Metric::gauge("hostnorm_filesystem_error", "Whether the filesystem could not be queried").by(LABELS);
static DROPPED: Metric =
    Metric::gauge("hostnorm_filesystem_mounts_dropped", "Filesystems not exposed because there are too many");

pub(super) static METRICS: &[&Metric] =
    &[&SIZE, &FREE, &AVAILABLE, &INODES, &INODES_FREE, &READ_ONLY, &ERROR, &DROPPED];

pub(super) static SIGNALS: &[Signal] = &[
    Signal {
        kind: SubjectKind::Host,
        name: "filesystem_used_ratio",
        title: "fullest filesystem",
        help: "Share of space used on the fullest writable filesystem",
        unit: SignalUnit::Ratio,
        // A package upgrade or a day of logs on a small root.
        floor: 0.05,
        // Blocks reserved for root count as used, as in `df`.
        device: Some(|it| Some(fullest(it, &SIZE, &FREE, Some(&AVAILABLE))?.0)),
        formula: |it| Some(fullest(it, &SIZE, &FREE, Some(&AVAILABLE))?.1),
    },
    Signal {
        kind: SubjectKind::Host,
        name: "filesystem_inodes_used_ratio",
        title: "inodes used",
        help: "Share of inodes used on the filesystem with the fewest left",
        unit: SignalUnit::Ratio,
        // Some 60,000 files on a small root filesystem.
        floor: 0.05,
        device: Some(|it| Some(fullest(it, &INODES, &INODES_FREE, None)?.0)),
        formula: |it| Some(fullest(it, &INODES, &INODES_FREE, None)?.1),
    },
];

/// The mount point and the share in use of the fullest filesystem, without read-only ones, which are full by nature.
fn fullest<'a>(
    change: &ReadingPair<'a>,
    whole: &'static Metric,
    free: &'static Metric,
    available: Option<&'static Metric>,
) -> Option<(&'a str, f64)> {
    let used = change.now.each(whole).filter_map(|it| {
        let value = |metric| change.now.get_by(metric, &it.labels);
        if value(&READ_ONLY)? > 0.0 {
            return None;
        }
        let used = it.value - value(free)?;
        let reachable = match available {
            Some(available) => used + value(available)?,
            None => it.value,
        };
        Some((&**it.labels.values().get(1)?, share(used, reachable)?))
    });
    highest(used)
}

/// Settings of the source `filesystem`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilesystemSettings {
    /// Regular expression of mount points to leave out; by default those of the kernel and of containers.
    pub mount_exclude: ExcludePattern,
    /// Regular expression of filesystem types to leave out; by default those without a disk, and those that are full
    /// by nature.
    pub fstype_exclude: ExcludePattern,
}

impl Default for FilesystemSettings {
    fn default() -> Self {
        Self {
            // The defaults of node_exporter, plus the directories of containerd and kubelet, as in
            // kube-prometheus-stack.
            mount_exclude: ExcludePattern::known(concat!(
                r"^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+",
                r"|run/containerd/.+|var/lib/kubelet/.+)($|/)"
            )),
            fstype_exclude: ExcludePattern::known(concat!(
                "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|",
                "mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|",
                "tracefs)$"
            )),
        }
    }
}

/// Seconds between two rounds of queries.
const ASK_SECONDS: u64 = 5;

/// Longest wait of the first reading for results, so that it is complete on a healthy machine.
const FIRST_WAIT: Duration = Duration::from_millis(250);

pub(super) fn open(settings: &super::SourceSettings) -> Box<dyn Source> {
    let super::RootPaths { procfs, rootfs, .. } = &settings.roots;
    let root: Arc<Path> = rootfs.as_path().into();
    Box::new(Filesystem {
        mountinfo: KernelFile::first_of([procfs.join("1/mountinfo"), procfs.join("self/mountinfo")]),
        filter: MountFilter {
            points: settings.filesystem.mount_exclude.clone(),
            fstypes: settings.filesystem.fstype_exclude.clone(),
            rootfs: rootfs.clone(),
        },
        statfs: StatfsWorker::new(move |point| ask(&root.join(point.strip_prefix("/").unwrap_or(point)))),
        asked: None,
        dropped: 0,
        shown: Vec::new(),
    })
}

#[derive(Debug)]
struct Filesystem {
    mountinfo: KernelFile,
    filter: MountFilter,
    statfs: StatfsWorker,
    /// Start of the last round of queries.
    asked: Option<Instant>,
    /// Mounts beyond the maximum, in the newest list.
    dropped: usize,
    /// The newest results.
    shown: Vec<ShownMount>,
}

/// One filesystem as exposed until the next results.
#[derive(Debug)]
struct ShownMount {
    labels: Labels,
    read_only: bool,
    /// `None` without an answer.
    usage: Option<FilesystemUsage>,
}

impl Source for Filesystem {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let now = clock::instant();
        let due =
            self.asked.is_none_or(|it| Duration::from_secs(ASK_SECONDS) <= now.saturating_duration_since(it));
        self.take_answers(now);
        if due {
            self.start_round()?;
            if self.asked.replace(now).is_none() {
                self.statfs.wait(FIRST_WAIT);
                self.take_answers(now);
            }
        }
        let host = into.host();
        self.shown.iter().for_each(|it| it.set(host));
        host.set(&DROPPED, self.dropped as f64);
        match self.statfs.stuck().into_iter().next() {
            Some(path) => {
                let what = format!("no answer within {ANSWER_SECONDS_MAX} s");
                Err(SourceError::Read { path, source: io::Error::new(io::ErrorKind::TimedOut, what) })
            }
            None => Ok(()),
        }
    }
}

impl Filesystem {
    fn start_round(&mut self) -> Result<(), SourceError> {
        let (path, bytes) = self.mountinfo.read_bytes()?;
        let mounts = mounts::parse(bytes, &self.filter).map_err(|bad| SourceError::Parse {
            path: path.into(),
            line: bad.0,
            text: excerpt(&String::from_utf8_lossy(bad.1.get(..256).unwrap_or(bad.1))),
        })?;
        self.dropped = mounts.dropped;
        let outcome = self.statfs.start(mounts.shown);
        outcome.map_err(|source| SourceError::Read { path: path.into(), source })
    }

    /// Rebuilds the labels with each round: mounts are few and rounds are rare.
    fn take_answers(&mut self, now: Instant) {
        let Some(answers) = self.statfs.fetch(now) else { return };
        self.shown.clear();
        for (mount, usage) in answers {
            let point = mount.point.to_string_lossy();
            let labels = Labels::new([&*mount.device, &*point, &*mount.fstype]);
            // Two long mount points may be truncated to the same label.
            if self.shown.iter().all(|it| it.labels != labels) {
                self.shown.push(ShownMount { labels, read_only: mount.read_only, usage });
            }
        }
    }
}

impl ShownMount {
    fn set(&self, into: &mut Values) {
        let mut set = |metric, value| into.set_by(metric, &self.labels, value);
        set(&READ_ONLY, f64::from(u8::from(self.read_only)));
        set(&ERROR, f64::from(u8::from(self.usage.is_none())));
        let Some(usage) = self.usage else { return };
        set(&SIZE, usage.size);
        set(&FREE, usage.free);
        set(&AVAILABLE, usage.available);
        // Filesystems that create inodes on demand report none.
        if usage.inodes > 0.0 {
            set(&INODES, usage.inodes);
            set(&INODES_FREE, usage.inodes_free);
        }
    }
}

#[cfg(unix)]
fn ask(point: &Path) -> io::Result<FilesystemUsage> {
    let it = rustix::fs::statvfs(point)?;
    let block = if it.f_frsize == 0 { it.f_bsize } else { it.f_frsize } as f64;
    Ok(FilesystemUsage {
        size: it.f_blocks as f64 * block,
        free: it.f_bfree as f64 * block,
        available: it.f_bavail as f64 * block,
        inodes: it.f_files as f64,
        inodes_free: it.f_ffree as f64,
    })
}

#[cfg(not(unix))]
fn ask(_: &Path) -> io::Result<FilesystemUsage> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(filesystems: &[(f64, f64, f64, bool)], expected: Option<(&str, f64)>) {
        let mut values = Values::default();
        for (idx, (size, free, available, read_only)) in filesystems.iter().enumerate() {
            let labels = Labels::new(["d", format!("/{idx}").as_str(), "f"]);
            let usage = FilesystemUsage {
                size: *size,
                free: *free,
                available: *available,
                inodes: 0.0,
                inodes_free: 0.0,
            };
            ShownMount { labels, read_only: *read_only, usage: Some(usage) }.set(&mut values);
        }
        let change = ReadingPair::new(&values, &values, 1.0).unwrap();
        assert_eq!((SIGNALS[0].formula)(&change), expected.map(|it| it.1));
        assert_eq!(SIGNALS[0].device.unwrap()(&change), expected.map(|it| it.0));
        assert_eq!((SIGNALS[1].formula)(&change), None, "no inodes");
    }

    #[test]
    fn the_fullest_is_what_a_user_cannot_fill() {
        check(&[], None);
        check(&[(100.0, 60.0, 40.0, false)], Some(("/0", 0.5)));
        check(&[(100.0, 60.0, 40.0, false), (100.0, 10.0, 10.0, false)], Some(("/1", 0.9)));
        check(&[(100.0, 0.0, 0.0, true), (0.0, 0.0, 0.0, false)], None);
    }

    #[test]
    fn the_defaults_are_those_of_node_exporter() {
        let FilesystemSettings { mount_exclude, fstype_exclude } = FilesystemSettings::default();
        for point in [
            "/dev",
            "/dev/shm",
            "/proc",
            "/sys/fs/cgroup",
            "/var/lib/docker/overlay2/ab",
            "/run/credentials/x",
        ] {
            assert!(mount_exclude.matches(point), "{point}");
        }
        for point in ["/", "/devel", "/home", "/var/lib/docker", "/run"] {
            assert!(!mount_exclude.matches(point), "{point}");
        }
        assert!(fstype_exclude.matches("overlay") && fstype_exclude.matches("cgroup2"));
        assert!(!fstype_exclude.matches("ext4") && !fstype_exclude.matches("tmpfs"));
    }
}
