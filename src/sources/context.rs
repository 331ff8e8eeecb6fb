//! Reasons for grace periods: boot, suspend, clock steps, package upgrades, deploys.
//!
//! They come from `/proc/sys/kernel/random/boot_id` (random(4)), `/proc/uptime` and `/proc/locks`
//! (`Documentation/filesystems/proc.rst`, §1.1), from the clock that counts suspend and the one that does not
//! (clock_gettime(2)), and from the modification time of the deploy marker. The lock files of package managers are never
//! opened: closing one would release a lock of the same process, and only root may.
//!
//! The boot ID, the uptime and the clocks are read in the loop. The others are read beside it (see
//! [`blocking_reads`](super::blocking_reads)) and count at the next reading: filesystems may hang, and `/proc/locks` waits
//! for each CPU.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::best_line::best_values;
use super::blocking_reads::{BlockingReader, FIRST_WAIT, PathState, silence};
use super::file_locks::{LockedFiles, WatchedFile, identity, locked_files};
use super::kernel_file::{KernelFile, KernelText, SkippedLines, decimal, optional};
use super::{Source, SourceError, SourceSettings};
use crate::clock;
use crate::grace::{BOOT, GraceReason, GraceTrigger, is_same_boot};
use crate::metric::Metric;
use crate::reading::{MetricLabels, Reading, ReadingOmission, SubjectValues, Timestamp};
use crate::signal::Signal;

/// No host is up for a century.
const UPTIME_MAX: f64 = 3.2e9;

static UPTIME: Metric =
    Metric::gauge("hostnorm_host_uptime_seconds", "Time since boot in seconds, including suspend")
        .within(0.0, UPTIME_MAX);
static SUSPENDED: Metric = Metric::counter(
    "hostnorm_suspended_seconds_total",
    "Time the machine was suspended since boot, in seconds",
)
// The hours of a night pass between two readings.
.gains_without_limit();
static LOCK_HELD: Metric = Metric::gauge(
    "hostnorm_package_lock_held",
    "Whether the package manager, dpkg or rpm, holds its lock, as during an upgrade; absent if it is not installed",
)
.by(&["manager"]);
static MARKER: Metric = Metric::gauge(
    "hostnorm_deploy_marker_timestamp_seconds",
    "Unix time of the last change of the deploy marker (setting context.deploy_marker), in seconds",
);

pub(super) static METRICS: &[&Metric] = &[&BOOT, &UPTIME, &SUSPENDED, &LOCK_HELD, &MARKER];
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
            // The uptimes of two boots, and one that decreased, tell nothing.
            let passed = now.host_values()?.get(&UPTIME)? - before.host_values()?.get(&UPTIME)?;
            let stepped = (now.at.0 - before.at.0 - passed).abs() >= STEP_MIN;
            let is_same = is_same_boot(before, now).unwrap_or(true);
            (passed >= 0.0 && stepped && is_same).then_some(0.0)
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
    Box::new(GraceContextSource::new(settings))
}

impl GraceContextSource {
    fn new(settings: &SourceSettings) -> Self {
        let roots = &settings.roots;
        let marker = &settings.deploy_marker;
        let below = |path: &Path| roots.rootfs.join(path.strip_prefix("/").unwrap_or(path));
        Self {
            uptime: KernelFile::new(roots.procfs.join("uptime")),
            boot: KernelFile::new(roots.procfs.join("sys/kernel/random/boot_id")),
            lock_list: roots.procfs.join("locks"),
            managers: LOCK_FILES.map(|(name, path)| (MetricLabels::new([name]), roots.rootfs.join(path))),
            marker: (!marker.as_os_str().is_empty()).then(|| below(marker)),
            is_first: true,
            touched: settings.blocking.reader(),
            identities: settings.blocking.reader(),
            locks: settings.blocking.reader(),
            asked: None,
            forbidden: Vec::new(),
            held: None,
        }
    }
}

#[derive(Debug)]
struct GraceContextSource {
    uptime: KernelFile,
    boot: KernelFile,
    /// The kernel's list of file locks.
    lock_list: PathBuf,
    /// Labels and lock file of each package manager.
    managers: [(MetricLabels, PathBuf); LOCK_FILES.len()],
    marker: Option<PathBuf>,
    /// Whether this is the first reading, which waits for answers so that it is complete on a healthy host.
    is_first: bool,
    /// When the marker was touched; it may be on a network share.
    touched: BlockingReader<Result<Option<SystemTime>, SourceError>>,
    /// The lock files of the package managers; the root filesystem may hang, too.
    identities: BlockingReader<Result<Option<WatchedFile>, SourceError>>,
    /// Which of the lock files are locked.
    locks: BlockingReader<Result<LockedFiles, SourceError>>,
    /// Time of the last query of locks.
    asked: Option<Timestamp>,
    /// Lock files that this user must not see.
    forbidden: Vec<ReadingOmission>,
    /// The newest answer about locks.
    held: Option<Result<LockedFiles, SourceError>>,
}

/// Seconds between two queries of locks, because the kernel blocks all file locking for some milliseconds.
const LOCKS_SECONDS: f64 = 10.0;

impl Source for GraceContextSource {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let at = into.at;
        let host = into.host();
        let uptime = set_uptime(self.uptime.read()?, host);
        if let Some(seconds) = clock::suspended_seconds() {
            host.set(&SUSPENDED, seconds);
        }
        let boot = self.set_boot(host);
        let locks = self.set_locks(at, host);
        let marker = self.set_marker(host);
        self.is_first = false;
        into.omissions.extend(self.forbidden.iter().cloned());
        if let Some(Ok(it)) = &self.held {
            into.omissions.extend(it.malformed.clone());
        }
        uptime.map(|it| it.add_to(into)).and(boot).and(locks).and(marker)
    }
}

impl GraceContextSource {
    fn set_boot(&mut self, into: &mut SubjectValues) -> Result<(), SourceError> {
        // A container may hide it.
        let Some(text) = optional(self.boot.read())? else { return Ok(()) };
        let id = parse_boot_id(text.text).ok_or_else(|| text.error())?;
        into.set_by(&BOOT, &MetricLabels::new([id]), 1.0);
        Ok(())
    }

    fn set_locks(&mut self, at: Timestamp, into: &mut SubjectValues) -> Result<(), SourceError> {
        let is_recent = |it: Timestamp| (0.0..LOCKS_SECONDS).contains(&(at.0 - it.0));
        if !self.asked.is_some_and(is_recent) {
            self.ask_locks(at)?;
        }
        self.locks.update(clock::instant());
        if let Some(answer) = self.locks.take(&self.lock_list) {
            self.held = Some(answer);
        }
        if self.locks.is_stuck(&self.lock_list) {
            return silence(&[&self.lock_list]);
        }
        match &self.held {
            None => Ok(()),
            Some(Err(error)) => Err(error.duplicate_error()),
            Some(Ok(LockedFiles { files, .. })) => {
                for (file, is_held) in files {
                    let manager = self.managers.iter().find(|it| it.1 == *file);
                    let value = f64::from(u8::from(*is_held));
                    manager.into_iter().for_each(|it| into.set_by(&LOCK_HELD, &it.0, value));
                }
                Ok(())
            }
        }
    }

    /// Asks which lock files there are, and which of those known so far are locked.
    fn ask_locks(&mut self, at: Timestamp) -> Result<(), SourceError> {
        for (_, path) in &self.managers {
            self.identities.request(path, |path| optional_metadata(path, identity))?;
        }
        if self.is_first {
            self.identities.wait(FIRST_WAIT);
        }
        let now = clock::instant();
        self.identities.update(now);
        // The next reading asks again for what is not known yet.
        let Some(wanted) = self.wanted_files(now)? else { return Ok(()) };
        self.asked = Some(at);
        self.locks.request(&self.lock_list, move |path| locked_files(path, &wanted))?;
        if self.is_first {
            self.locks.wait(FIRST_WAIT);
        }
        Ok(())
    }

    /// The lock files that there are; `None` while that is not known.
    fn wanted_files(&mut self, now: Instant) -> Result<Option<Vec<(PathBuf, WatchedFile)>>, SourceError> {
        let mut wanted = Vec::with_capacity(self.managers.len());
        self.forbidden.clear();
        for (_, path) in &self.managers {
            match self.identities.known(path, now) {
                PathState::Answered(Ok(Some(file))) => wanted.push((path.clone(), *file)),
                PathState::Answered(Ok(None)) => {}
                PathState::Answered(Err(error)) if error.is_forbidden() => {
                    let what = format!("{error}; upgrades that lock it are not noticed");
                    let key = path.display().to_string();
                    self.forbidden.push(ReadingOmission { key, what, count: 1 });
                }
                PathState::Answered(Err(error)) => return Err(error.duplicate_error()),
                PathState::Pending | PathState::Outdated => return Ok(None),
                PathState::Silent => return silence(&[path]).map(|()| None),
            }
        }
        Ok(Some(wanted))
    }

    fn set_marker(&mut self, into: &mut SubjectValues) -> Result<(), SourceError> {
        let Some(path) = &self.marker else { return Ok(()) };
        self.touched.request(path, |path| optional_metadata(path, |it| it.modified()))?;
        if self.is_first {
            self.touched.wait(FIRST_WAIT);
        }
        let now = clock::instant();
        self.touched.update(now);
        match self.touched.known(path, now) {
            PathState::Pending | PathState::Outdated | PathState::Answered(Ok(None)) => Ok(()),
            PathState::Silent => silence(&[path]),
            PathState::Answered(Ok(Some(touched))) => {
                // A time before 1970 does not come from a deploy.
                if let Ok(since) = touched.duration_since(UNIX_EPOCH) {
                    into.set(&MARKER, since.as_secs_f64());
                }
                Ok(())
            }
            PathState::Answered(Err(error)) => Err(error.duplicate_error()),
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

/// An ID as the kernel writes it: `6f1e8d8a-3c5b-4c0e-9d5b-2a7f4b1c9e30`.
pub(super) fn parse_boot_id(text: &str) -> Option<&str> {
    let id = text.trim_ascii();
    let is_id = id.len() == 36 && id.bytes().all(|it| it.is_ascii_hexdigit() || it == b'-');
    is_id.then_some(id)
}

/// Sets the uptime, the first field of the file.
pub(super) fn set_uptime(
    text: KernelText<'_>,
    into: &mut SubjectValues,
) -> Result<SkippedLines, SourceError> {
    let parse = |it: &str| [it.split_ascii_whitespace().next().and_then(decimal).unwrap_or(f64::NAN)];
    let ([uptime], skipped) = best_values(text, parse)?;
    into.set(&UPTIME, uptime);
    Ok(skipped)
}

#[cfg(test)]
mod tests;
