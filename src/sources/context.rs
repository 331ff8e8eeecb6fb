//! Reasons for grace periods: boot, suspend, clock steps, package upgrades, deploys.
//!
//! They come from `/proc/uptime` and `/proc/locks` (`Documentation/filesystems/proc.rst`, §1.1), the clocks that do and do
//! not count suspend (clock_gettime(2)), and the modification time of the deploy marker. The lock files of package managers
//! are never opened: closing one would release a lock of the same process, and only root may.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::blocking_reads::{BlockingReader, Known, silence};
use super::kernel_file::{KernelFile, KernelFileLine, KernelText, SkippedLines, optional};
use super::{Source, SourceError, SourceSettings};
use crate::clock;
use crate::grace::{GraceReason, GraceTrigger};
use crate::metric::Metric;
use crate::reading::{Labels, Omission, Reading, Timestamp, Values};
use crate::signal::Signal;

/// No host is up for a century.
const UPTIME_MAX: f64 = 3.2e9;

static UPTIME: Metric =
    Metric::gauge("hostnorm_host_uptime_seconds", "Time since boot in seconds, including suspend")
        .within(0.0, UPTIME_MAX);
static SUSPENDED: Metric = Metric::counter(
    "hostnorm_suspended_seconds_total",
    "Time the machine was suspended since boot, in seconds",
);
static LOCK_HELD: Metric = Metric::gauge(
    "hostnorm_package_lock_held",
    "Whether the package manager holds its lock, as during an upgrade; absent if it is not installed",
)
.by(&["manager"]);
static MARKER: Metric = Metric::gauge(
    "hostnorm_deploy_marker_timestamp_seconds",
    "Unix time of the last change of the deploy marker (setting context.deploy_marker), in seconds",
);

pub(super) static METRICS: &[&Metric] = &[&UPTIME, &SUSPENDED, &LOCK_HELD, &MARKER];
/// Reasons for grace are no signals.
pub(super) static SIGNALS: &[Signal] = &[];

/// Smallest clock step, in seconds; a smaller difference between wall clock and uptime is a late tick.
const STEP_MIN: f64 = 2.0;
/// Shortest suspension, in seconds; a shorter one is the time between reading two clocks.
const SLEEP_MIN: f64 = 1.0;

/// How readings show the reasons for grace.
pub(super) static CUES: &[GraceTrigger] = &[
    GraceTrigger { reason: GraceReason::Boot, last_seen: |_, now| now.host_values()?.get(&UPTIME) },
    GraceTrigger {
        reason: GraceReason::Resume,
        last_seen: |before, now| {
            let slept = now.host_values()?.get(&SUSPENDED)? - before.host_values()?.get(&SUSPENDED)?;
            (slept >= SLEEP_MIN).then_some(0.0)
        },
    },
    GraceTrigger {
        reason: GraceReason::ClockStep,
        last_seen: |before, now| {
            let passed = now.host_values()?.get(&UPTIME)? - before.host_values()?.get(&UPTIME)?;
            // An uptime that decreased is another boot, with stored readings before it.
            let stepped = (now.at.0 - before.at.0 - passed).abs() >= STEP_MIN;
            (passed >= 0.0 && stepped).then_some(0.0)
        },
    },
    GraceTrigger {
        reason: GraceReason::Upgrade,
        last_seen: |_, now| now.host_values()?.each(&LOCK_HELD).any(|it| it.value > 0.0).then_some(0.0),
    },
    GraceTrigger {
        reason: GraceReason::Deploy,
        // A marker of the future would count until then.
        last_seen: |_, now| Some(now.at.0 - now.host_values()?.get(&MARKER)?).filter(|it| *it >= -STEP_MIN),
    },
];

/// The lock file of each package manager, below the root filesystem.
static LOCK_FILES: [(&str, &str); 2] =
    [("dpkg", "var/lib/dpkg/lock-frontend"), ("rpm", "var/lib/rpm/.rpm.lock")];

pub(super) fn open(settings: &SourceSettings) -> Box<dyn Source> {
    let roots = &settings.roots;
    let marker = &settings.deploy_marker;
    let below = |path: &Path| roots.rootfs.join(path.strip_prefix("/").unwrap_or(path));
    Box::new(Context {
        uptime: KernelFile::new(roots.procfs.join("uptime")),
        locks: KernelFile::new(roots.procfs.join("locks")),
        managers: LOCK_FILES.map(|(name, path)| (Labels::new([name]), roots.rootfs.join(path))),
        marker: (!marker.as_os_str().is_empty()).then(|| below(marker)),
        touched: settings.blocking.reader(),
        identities: settings.blocking.reader(),
        malformed: None,
        asked: None,
    })
}

#[derive(Debug)]
struct Context {
    uptime: KernelFile,
    locks: KernelFile,
    /// Labels and lock file of each package manager.
    managers: [(Labels, PathBuf); LOCK_FILES.len()],
    marker: Option<PathBuf>,
    /// When the marker was touched, as asked beside the loop, because it may be on a network share.
    touched: BlockingReader<Result<Option<SystemTime>, SourceError>>,
    /// The lock files, as asked beside the loop: the root filesystem may hang, too.
    identities: BlockingReader<Result<Option<WatchedFile>, SourceError>>,
    /// Malformed lines of the last query of locks.
    malformed: Option<Omission>,
    /// Time of the last query of locks, and whether each present manager held its own.
    asked: Option<(Timestamp, Vec<(Labels, bool)>)>,
}

/// Seconds for which the result of a query of locks is used, because the kernel blocks all file locking for some
/// milliseconds.
const LOCKS_SECONDS: f64 = 10.0;

/// Longest wait for an answer of the filesystem; a later answer counts at the next reading.
const ANSWER_WAIT: Duration = Duration::from_millis(20);

impl Source for Context {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let at = into.at;
        let host = into.host();
        let text = self.uptime.read()?;
        host.set(&UPTIME, parse_uptime(text.text).ok_or_else(|| text.error())?);
        if let Some(seconds) = clock::asleep() {
            host.set(&SUSPENDED, seconds);
        }
        let locks = self.set_locks(at, host);
        let marker = self.set_marker(host);
        into.omissions.extend(self.malformed.clone());
        locks.and(marker)
    }
}

impl Context {
    fn set_locks(&mut self, at: Timestamp, into: &mut Values) -> Result<(), SourceError> {
        let stands = |it: &&(Timestamp, _)| (0.0..LOCKS_SECONDS).contains(&(at.0 - it.0.0));
        if self.asked.as_ref().filter(stands).is_none() {
            // Without an answer yet, the last one stands.
            if let Some(held) = self.held()? {
                self.asked = Some((at, held));
            }
        }
        for (labels, held) in self.asked.iter().flat_map(|(_, held)| held) {
            into.set_by(&LOCK_HELD, labels, f64::from(u8::from(*held)));
        }
        Ok(())
    }

    /// Whether each present package manager holds its lock; empty if the kernel does not say, `None` if the filesystem did
    /// not answer yet.
    fn held(&mut self) -> Result<Option<Vec<(Labels, bool)>>, SourceError> {
        for (_, path) in &self.managers {
            self.identities.ask(path, |path| optional_metadata(path, identity))?;
        }
        self.identities.wait(ANSWER_WAIT);
        let now = clock::instant();
        self.identities.update(now);
        let mut wanted = Vec::with_capacity(self.managers.len());
        for (labels, path) in &self.managers {
            match self.identities.known(path, now) {
                Known::Answered(Ok(Some(file))) => wanted.push((labels, *file, false)),
                Known::Answered(Ok(None)) => {}
                Known::Answered(Err(error)) => return Err(error.again()),
                Known::Pending => return Ok(None),
                Known::Silent => return silence(&[path]).map(|()| None),
            }
        }
        if wanted.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let Some(text) = optional(self.locks.read())? else { return Ok(Some(Vec::new())) };
        let (mut skipped, mut is_list) = (SkippedLines::default(), text.text.trim_ascii().is_empty());
        for lock in locks(text) {
            let Some(lock) = skipped.take(lock) else { continue };
            is_list = true;
            for (_, file, held) in &mut wanted {
                *held |= lock.is_held && lock.file.is(*file);
            }
        }
        if !is_list {
            return Err(skipped.fail(text.error()));
        }
        self.malformed = skipped.omission();
        Ok(Some(wanted.into_iter().map(|(labels, _, held)| (labels.clone(), held)).collect()))
    }

    fn set_marker(&mut self, into: &mut Values) -> Result<(), SourceError> {
        let Some(path) = &self.marker else { return Ok(()) };
        self.touched.ask(path, |path| optional_metadata(path, |it| it.modified()))?;
        self.touched.wait(ANSWER_WAIT);
        let now = clock::instant();
        self.touched.update(now);
        match self.touched.known(path, now) {
            Known::Pending | Known::Answered(Ok(None)) => Ok(()),
            Known::Silent => silence(&[path]),
            Known::Answered(Ok(Some(touched))) => {
                // A time before 1970 does not come from a deploy.
                if let Ok(since) = touched.duration_since(UNIX_EPOCH) {
                    into.set(&MARKER, since.as_secs_f64());
                }
                Ok(())
            }
            Known::Answered(Err(error)) => Err(error.again()),
        }
    }
}

/// Metadata of a file; `None` if there is no such file.
fn optional_metadata<T>(
    path: &Path,
    of: impl Fn(&std::fs::Metadata) -> io::Result<T>,
) -> Result<Option<T>, SourceError> {
    match std::fs::metadata(path).and_then(|it| of(&it)) {
        Ok(it) => Ok(Some(it)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(SourceError::Read { path: path.into(), source }),
    }
}

/// Identity of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WatchedFile {
    major: u64,
    minor: u64,
    inode: u64,
}

impl WatchedFile {
    /// Filesystems without a device of their own (major 0, such as btrfs and overlay) show different device numbers in
    /// both places.
    fn is(self, other: Self) -> bool {
        let same_device = (self.major, self.minor) == (other.major, other.minor);
        self.inode == other.inode && (same_device || self.major == 0 || other.major == 0)
    }
}

#[cfg(target_os = "linux")]
fn identity(of: &std::fs::Metadata) -> io::Result<WatchedFile> {
    use std::os::linux::fs::MetadataExt;
    let device = of.st_dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    Ok(WatchedFile { major: major.into(), minor: minor.into(), inode: of.st_ino() })
}

#[cfg(not(target_os = "linux"))]
fn identity(_: &std::fs::Metadata) -> io::Result<WatchedFile> {
    Err(ErrorKind::NotFound.into())
}

/// One line of `/proc/locks`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KernelLock {
    file: WatchedFile,
    /// Whether it is a held write lock; others are waiting or read locks.
    is_held: bool,
}

pub(super) fn locks(text: KernelText<'_>) -> impl Iterator<Item = Result<KernelLock, SourceError>> {
    let lines = text.lines().filter(|it| !it.text.is_empty());
    lines.map(|line: KernelFileLine<'_>| parse_lock(line.text).ok_or_else(|| line.error()))
}

/// `1: POSIX  ADVISORY  WRITE 3568 fd:00:2531452 0 EOF`, with `->` after the number for a waiting one.
fn parse_lock(line: &str) -> Option<KernelLock> {
    let mut fields = line.split_ascii_whitespace();
    fields.next()?.strip_suffix(':')?.parse::<u64>().ok()?;
    let kind = fields.next()?;
    let waits = kind == "->";
    let mode = fields.nth(if waits { 2 } else { 1 })?;
    let file = fields.nth(1)?;
    let mut parts = file.split(':');
    let file = match (parts.next()?, parts.next()?, parts.next()) {
        // A lock of a deleted file.
        ("<none>", _, None) => WatchedFile { major: 0, minor: 0, inode: 0 },
        (major, minor, Some(inode)) => WatchedFile {
            major: u64::from_str_radix(major, 16).ok()?,
            minor: u64::from_str_radix(minor, 16).ok()?,
            inode: inode.parse().ok()?,
        },
        _ => return None,
    };
    Some(KernelLock { file, is_held: !waits && mode == "WRITE" })
}

pub(super) fn parse_uptime(text: &str) -> Option<f64> {
    text.split_ascii_whitespace().next()?.parse().ok().filter(|it: &f64| *it >= 0.0 && it.is_finite())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reading::Timestamp;

    fn check(line: &str, expect: Option<(u64, u64, u64, bool)>) {
        let expect = expect.map(|(major, minor, inode, is_held)| KernelLock {
            file: WatchedFile { major, minor, inode },
            is_held,
        });
        assert_eq!(parse_lock(line), expect, "{line}");
    }

    #[test]
    fn reads_the_lines_of_the_kernel() {
        check("1: POSIX  ADVISORY  WRITE 3568 fd:00:2531452 0 EOF", Some((0xfd, 0, 2_531_452, true)));
        check("2: -> POSIX  ADVISORY  WRITE 9 08:1a:7 0 EOF", Some((8, 0x1a, 7, false)));
        check("3: FLOCK  ADVISORY  READ  77 00:1b:12 0 EOF", Some((0, 0x1b, 12, false)));
        check("4: OFDLCK ADVISORY  WRITE -1 103:02:12 128 128", Some((0x103, 2, 12, true)));
        check("5: LEASE  ACTIVE    READ 7 <none>:0 0 EOF", Some((0, 0, 0, false)));
        for line in ["", "1", "1: POSIX", "x: POSIX  ADVISORY  WRITE 3568 fd:00:1 0 EOF", "1: a b c d e f"] {
            check(line, None);
        }
    }

    #[test]
    fn a_device_without_number_is_told_by_its_inode() {
        let file = |major, minor, inode| WatchedFile { major, minor, inode };
        assert!(file(8, 1, 7).is(file(8, 1, 7)));
        assert!(!file(8, 1, 7).is(file(8, 2, 7)));
        assert!(file(0, 31, 7).is(file(0, 44, 7)));
        assert!(!file(0, 31, 7).is(file(0, 31, 8)));
    }

    /// Values of the previous and the present reading, seconds between them, and the expected active triggers with
    /// their age.
    fn check_cues(before: &[(&'static Metric, f64)], now: &[(&'static Metric, f64)], at: f64, expect: &str) {
        let reading = |at: f64, values: &[(&'static Metric, f64)]| {
            let mut reading = Reading::new(Timestamp(1e9 + at));
            for (metric, value) in values {
                let labels = if metric.labels.is_empty() { Labels::NONE } else { Labels::new(["dpkg"]) };
                reading.host().set_by(metric, &labels, *value);
            }
            reading
        };
        let (before, now) = (reading(0.0, before), reading(at, now));
        let triggered = CUES.iter().filter_map(|it| Some((it.reason.name(), (it.last_seen)(&before, &now)?)));
        let triggered: Vec<_> = triggered.map(|(name, ago)| format!("{name} {ago}")).collect();
        assert_eq!(triggered.join(", "), expect);
    }

    #[test]
    fn readings_show_the_reasons_for_grace() {
        check_cues(&[], &[], 1.0, "");
        check_cues(&[(&UPTIME, 7.0)], &[(&UPTIME, 8.0)], 1.0, "boot 8");
        check_cues(&[(&UPTIME, 7.0)], &[(&UPTIME, 8.0)], 3600.0, "boot 8, clock_step 0");
        check_cues(&[(&UPTIME, 7.0)], &[(&UPTIME, 8.0)], -5.0, "boot 8, clock_step 0");
        check_cues(&[(&UPTIME, 7e5)], &[(&UPTIME, 8.0)], 3600.0, "boot 8");
        check_cues(&[(&SUSPENDED, 0.0)], &[(&SUSPENDED, 0.4)], 1.0, "");
        check_cues(&[(&SUSPENDED, 0.0)], &[(&SUSPENDED, 3599.0)], 3600.0, "resume 0");
        check_cues(&[], &[(&LOCK_HELD, 1.0)], 1.0, "upgrade 0");
        check_cues(&[], &[(&LOCK_HELD, 0.0)], 1.0, "");
        check_cues(&[], &[(&MARKER, 1e9 - 59.0)], 1.0, "deploy 60");
        check_cues(&[], &[(&MARKER, 2e9)], 1.0, "");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([0-9a-f: ]|->|POSIX|WRITE|\\PC){0,60}") {
            let _ = parse_lock(&text);
            let _ = parse_uptime(&text);
        }
    }
}
