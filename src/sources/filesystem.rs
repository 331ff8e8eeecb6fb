//! Filesystems, from `/proc/1/mountinfo` and `statvfs`.
//!
//! They are queried every [`REFRESH_SECONDS`] beside the loop (see [`blocking_reads`](super::blocking_reads)); each reading has
//! the newest results. Usage changes slowly, and a query of a network share takes a round trip to its server.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::blocking_reads::{BlockingReader, FIRST_WAIT, PathState, outdated, silence};
use super::device_filter::distinct_text;
use super::filter_pattern::ExcludePattern;
use super::kernel_file::{KernelFile, LIST_BYTES_MAX, SkippedLines};
use super::mounts::{self, MOUNTS_MAX, Mount, MountFilter};
use super::{Source, SourceError, excerpt};
use crate::clock;
use crate::metric::Metric;
use crate::reading::{MetricLabels, Reading, ReadingOmission, SubjectKind, SubjectValues};
use crate::signal::{Signal, SignalUnit, device_with_highest, share};

const LABELS: &[&str] = &["device", "mountpoint", "fstype"];

pub(super) static SIZE: Metric =
    Metric::gauge("hostnorm_filesystem_size_bytes", "Size of the filesystem in bytes").by(LABELS);
pub(super) static FREE: Metric =
    Metric::gauge("hostnorm_filesystem_free_bytes", "Free space in bytes, including space reserved for root")
        .by(LABELS)
        .part_of(&SIZE);
pub(super) static AVAILABLE: Metric =
    Metric::gauge("hostnorm_filesystem_available_bytes", "Free space available to non-root users, in bytes")
        .by(LABELS)
        .part_of(&SIZE);
static INODES: Metric =
    Metric::gauge("hostnorm_filesystem_inodes", "Total inodes of the filesystem").by(LABELS);
static INODES_FREE: Metric =
    Metric::gauge("hostnorm_filesystem_inodes_free", "Free inodes of the filesystem")
        .by(LABELS)
        .part_of(&INODES);
pub(super) static READ_ONLY: Metric =
    Metric::gauge("hostnorm_filesystem_read_only", "Whether the filesystem is mounted read-only").by(LABELS);
static ERROR: Metric =
    Metric::gauge("hostnorm_filesystem_error", "Whether the filesystem could not be queried").by(LABELS);
static DROPPED: Metric =
    Metric::gauge("hostnorm_filesystem_mounts_omitted", "Filesystems not exposed because there are too many");

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
        device: Some(|it| space_used(it.current)),
        formula: |it| Some(device_with_highest(space_used(it.current).into_iter())?.1),
    },
    Signal {
        kind: SubjectKind::Host,
        name: "filesystem_inodes_used_ratio",
        title: "inodes used",
        help: "Share of inodes used on the writable filesystem where this share is highest",
        unit: SignalUnit::Ratio,
        // Some 60,000 files on a small root filesystem.
        floor: 0.05,
        device: Some(|it| used(it.current, &INODES, &INODES_FREE, None)),
        formula: |it| Some(device_with_highest(used(it.current, &INODES, &INODES_FREE, None).into_iter())?.1),
    },
];

/// The mount points with the share of space in use. Blocks reserved for root count as used, as in `df`.
pub(super) fn space_used(values: &SubjectValues) -> Vec<(&str, f64)> {
    used(values, &SIZE, &FREE, Some(&AVAILABLE))
}

/// The mount points with the share in use, without read-only filesystems, which are full by nature.
fn used<'a>(
    values: &'a SubjectValues,
    whole: &'static Metric,
    free: &'static Metric,
    available: Option<&'static Metric>,
) -> Vec<(&'a str, f64)> {
    let used = values.each(whole).filter_map(|it| {
        let value = |metric| values.get_by(metric, &it.labels);
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
    used.collect()
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
const REFRESH_SECONDS: u64 = 5;

/// Usage of a filesystem.
#[derive(Debug, Clone, Copy, PartialEq)]
struct FilesystemUsage {
    /// Size, in bytes.
    size: f64,
    /// Free bytes.
    free: f64,
    /// Free bytes that are not reserved for root.
    available: f64,
    /// Number of inodes; 0 if they are created on demand.
    inodes: f64,
    /// Number of free inodes.
    inodes_free: f64,
}

pub(super) fn open(settings: &super::SourceSettings) -> Box<dyn Source> {
    Box::new(Filesystem::new(settings))
}

impl Filesystem {
    fn new(settings: &super::SourceSettings) -> Self {
        let super::RootPaths { procfs, rootfs, .. } = &settings.roots;
        Self {
            mountinfo: KernelFile::first_of([procfs.join("1/mountinfo"), procfs.join("self/mountinfo")])
                .up_to(LIST_BYTES_MAX),
            filter: MountFilter {
                points: settings.filesystem.mount_exclude.clone(),
                fstypes: settings.filesystem.fstype_exclude.clone(),
                rootfs: rootfs.clone(),
            },
            rootfs: rootfs.as_path().into(),
            usages: settings.blocking.reader(),
            last_refresh: None,
            dropped: 0,
            malformed: None,
            mounts: Vec::new(),
        }
    }
}

#[derive(Debug)]
struct Filesystem {
    mountinfo: KernelFile,
    filter: MountFilter,
    rootfs: Arc<Path>,
    /// Queries mounts by their mount points; the reason of one that cannot be queried.
    usages: BlockingReader<Result<FilesystemUsage, String>>,
    /// Start of the last round of queries.
    last_refresh: Option<Instant>,
    /// Mounts beyond the maximum, in the newest list.
    dropped: usize,
    /// Malformed lines of the newest list.
    malformed: Option<ReadingOmission>,
    /// The newest list.
    mounts: Vec<ShownMount>,
}

/// One filesystem as exposed.
#[derive(Debug)]
struct ShownMount {
    point: PathBuf,
    labels: MetricLabels,
    read_only: bool,
    /// The mount point of the mount that hides it.
    hidden_by: Option<PathBuf>,
}

impl Source for Filesystem {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let now = clock::instant();
        let due = self
            .last_refresh
            .is_none_or(|it| Duration::from_secs(REFRESH_SECONDS) <= now.saturating_duration_since(it));
        let mut outcome = Ok(());
        if due {
            // A list that cannot be read is tried again at the next reading.
            outcome = self.start_round();
            if self.mounts.is_empty() && outcome.is_err() {
                return outcome;
            }
            if outcome.is_ok() && self.last_refresh.replace(now).is_none() {
                self.usages.wait(FIRST_WAIT);
            }
        }
        self.usages.update(now);
        let (mut silent, mut old) = (Vec::<&Path>::new(), Vec::<&Path>::new());
        for mount in &self.mounts {
            if let Some(upper) = &mount.hidden_by {
                let point = mount.point.display().to_string();
                mount.set(None, into.host());
                into.note_omission(
                    1,
                    &*point,
                    format!("{point} is hidden by the mount on {}", upper.display()),
                );
                continue;
            }
            match self.usages.known(&mount.point, now) {
                PathState::Pending => {}
                PathState::Outdated => old.push(&mount.point),
                PathState::Answered(usage) => {
                    mount.set(usage.as_ref().ok().copied(), into.host());
                    if let Err(reason) = usage {
                        into.note_omission(1, mount.point.display().to_string(), reason.clone());
                    }
                }
                PathState::Silent => {
                    mount.set(None, into.host());
                    silent.push(&mount.point);
                }
            }
        }
        into.host().set(&DROPPED, self.dropped as f64);
        into.omissions.extend(self.malformed.clone());
        into.omissions.extend(outdated(&old));
        if self.dropped > 0 {
            let what = format!("there are more than {MOUNTS_MAX} filesystems");
            into.note_omission(self.dropped, "filesystems", what);
        }
        outcome.and(silence(&silent))
    }
}

impl Filesystem {
    /// Lists the mounts and queries each. Their labels are made anew each time: mounts are few and rounds are rare.
    fn start_round(&mut self) -> Result<(), SourceError> {
        let (path, bytes) = self.mountinfo.read_bytes()?;
        let bad_line = |bad: mounts::BadLine<'_>| SourceError::Parse {
            path: path.into(),
            line: bad.0,
            text: excerpt(&String::from_utf8_lossy(bad.1.get(..256).unwrap_or(bad.1))),
        };
        let mounts = mounts::parse(bytes, &self.filter).map_err(bad_line)?;
        let mut skipped = SkippedLines::default();
        mounts.malformed.into_iter().for_each(|it| skipped.add(bad_line(it)));
        self.malformed = skipped.omission();
        self.dropped = mounts.dropped;
        self.mounts = shown(mounts.shown);
        let mut seen = self.mounts.iter().filter(|it| it.hidden_by.is_none());
        self.usages.keep(|point| seen.clone().any(|it| it.point == point));
        seen.try_for_each(|mount| {
            let root = Arc::clone(&self.rootfs);
            self.usages.request(&mount.point, move |point| {
                let usage = ask(&root.join(point.strip_prefix("/").unwrap_or(point)));
                usage.map_err(|source| SourceError::Read { path: point.into(), source }.to_string())
            })
        })
    }
}

/// The mounts with their labels.
fn shown(mounts: Vec<Mount>) -> Vec<ShownMount> {
    let label = |Mount { device, point, fstype, read_only, hidden_by }: Mount| {
        let text = distinct_text(point.to_string_lossy(), point.as_os_str().as_encoded_bytes());
        let labels = MetricLabels::new([&*device, &*text, &*fstype]);
        drop(text);
        ShownMount { point, labels, read_only, hidden_by }
    };
    mounts.into_iter().map(label).collect()
}

impl ShownMount {
    /// Sets what is known of the filesystem; without usage, that it cannot be queried.
    fn set(&self, usage: Option<FilesystemUsage>, into: &mut SubjectValues) {
        let mut set = |metric, value| into.set_by(metric, &self.labels, value);
        set(&READ_ONLY, f64::from(u8::from(self.read_only)));
        set(&ERROR, f64::from(u8::from(usage.is_none())));
        let Some(usage) = usage else { return };
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
mod tests;
