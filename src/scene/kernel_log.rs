//! New messages of the kernel from `/dev/kmsg` (`Documentation/ABI/testing/dev-kmsg`), each only as a class.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::open_files;

/// Largest number of messages read at once; the rest follows with the next call.
const MESSAGES_A_CALL_MAX: usize = 4_096;
/// Size of the buffer; a record that is longer fails to be read, and is skipped.
const RECORD_BYTES: usize = 8 << 10;

/// A class of messages that explain an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KernelMessageClass {
    OomKill,
    HungTask,
    IoError,
    LinkDown,
    Lockup,
    HardwareError,
}

/// Each row: parts of the text in lower case, and the class. The first row of which all parts are there counts.
const CLASSES: &[(&[&str], KernelMessageClass)] = &[
    (&["out of memory: killed process"], KernelMessageClass::OomKill),
    // Until Linux 4.19.
    (&["out of memory: kill process"], KernelMessageClass::OomKill),
    (&["memory cgroup out of memory"], KernelMessageClass::OomKill),
    (&["blocked for more than"], KernelMessageClass::HungTask),
    (&["soft lockup"], KernelMessageClass::Lockup),
    (&["hard lockup"], KernelMessageClass::Lockup),
    // Of `rcu_sched`, `rcu_preempt` and others, by the CPU itself or by another one.
    (&["rcu", "self-detected stall"], KernelMessageClass::Lockup),
    (&["rcu", "detected stalls on cpus"], KernelMessageClass::Lockup),
    (&["hardware error"], KernelMessageClass::HardwareError),
    (&["i/o error"], KernelMessageClass::IoError),
    (&["io error"], KernelMessageClass::IoError),
    (&["critical medium error"], KernelMessageClass::IoError),
    (&["critical target error"], KernelMessageClass::IoError),
    (&["nvme", "timeout"], KernelMessageClass::IoError),
    (&["ext4-fs error"], KernelMessageClass::IoError),
    (&["btrfs error"], KernelMessageClass::IoError),
    (&["btrfs critical"], KernelMessageClass::IoError),
    (&["remounting filesystem read-only"], KernelMessageClass::IoError),
    (&["link is down"], KernelMessageClass::LinkDown),
    (&["link down"], KernelMessageClass::LinkDown),
];

impl KernelMessageClass {
    /// Its name in the API.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OomKill => "oom_kill",
            Self::HungTask => "hung_task",
            Self::IoError => "io_error",
            Self::LinkDown => "link_down",
            Self::Lockup => "lockup",
            Self::HardwareError => "hardware_error",
        }
    }
}

/// The kernel's log, from the time at which it was opened.
#[derive(Debug)]
pub(super) struct KernelLog(File);

impl KernelLog {
    /// Opens the log at its end; `None` if this host or this user cannot read it.
    pub(super) fn open(rootfs: &Path) -> Option<Self> {
        // It stays open, and files that are read need the descriptor more.
        if open_files::descriptor_shortage().is_some() {
            return None;
        }
        let path = rootfs.join("dev/kmsg");
        let opened = open_without_waiting(&path).and_then(|mut it| it.seek(SeekFrom::End(0)).map(|_| it));
        match opened {
            Ok(file) => Some(Self(file)),
            Err(error) => {
                tracing::info!(path = %path.display(), %error, "messages of the kernel cannot be read; scenes lack them");
                None
            }
        }
    }

    /// The messages since the last call.
    pub(super) fn new_messages(&mut self) -> Vec<KernelMessage> {
        let mut found = Vec::new();
        let mut record = [0; RECORD_BYTES];
        for _ in 0..MESSAGES_A_CALL_MAX {
            match self.0.read(&mut record) {
                Ok(0) => break,
                Ok(length) => found.extend(record.get(..length).and_then(parse)),
                // Messages were overwritten before they were read; the next call continues behind them.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(_) => break,
            }
        }
        found
    }
}

#[cfg(unix)]
fn open_without_waiting(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn open_without_waiting(_: &Path) -> std::io::Result<File> {
    Err(ErrorKind::Unsupported.into())
}

/// A message of a known class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct KernelMessage {
    pub(super) class: KernelMessageClass,
    /// When it was written, in time since boot by a clock of the kernel that nobody corrects; it may be minutes off.
    written: Duration,
}

impl KernelMessage {
    /// When it was written, between two calls of [`KernelLog::new_messages`]: the first one at `before`, the second one, which
    /// returned it, at `now`, when the time since boot was `monotonic`.
    pub(super) fn at(&self, before: Instant, (now, monotonic): (Instant, Option<Duration>)) -> Instant {
        let age = monotonic.map_or(Duration::ZERO, |it| it.saturating_sub(self.written));
        now.checked_sub(age).map_or(before, |it| it.max(before))
    }
}

/// Parses a record such as `6,339,5140900,-;NET: Registered protocol family 10`: priority, number, microseconds since boot.
/// Programs may write to the log as well, so only records of the kernel, facility 0, count.
pub(super) fn parse(record: &[u8]) -> Option<KernelMessage> {
    let text = String::from_utf8_lossy(record);
    let (prefix, message) = text.split_once(';')?;
    let mut fields = prefix.split(',');
    let priority: u32 = fields.next()?.parse().ok()?;
    let written = Duration::from_micros(fields.nth(1)?.parse().ok()?);
    // Lines after the first one are key and value.
    let message = message.lines().next()?.to_lowercase();
    let is_of = |row: &&(&[&str], KernelMessageClass)| row.0.iter().all(|part| message.contains(part));
    let row = CLASSES.iter().find(is_of).filter(|_| priority < 8);
    row.map(|(_, class)| KernelMessage { class: *class, written })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_have_a_class() {
        for (record, expected) in [
            ("6,339,5140900,-;NET: Registered protocol family 10\n", None),
            (
                "3,1,2,-;Out of memory: Killed process 4242 (java) total-vm:1kB\n SUBSYSTEM=x\n",
                Some("oom_kill"),
            ),
            ("3,1,2,-;Memory cgroup out of memory: Killed process 7 (a)\n", Some("oom_kill")),
            ("3,1,2,c;INFO: task kworker:5 blocked for more than 120 seconds.\n", Some("hung_task")),
            ("3,1,2,-;blk_update_request: I/O error, dev sda, sector 9\n", Some("io_error")),
            ("6,1,2,-;e1000e 0000:00:19.0 eth0: NIC Link is Down\n", Some("link_down")),
            ("12,1,2,-;Out of memory: Killed process 1 (written by a program)\n", None),
            (
                "3,1,2,-;Out of memory: Kill process 42 (java) score 900 or sacrifice child\n",
                Some("oom_kill"),
            ),
            ("3,1,2,-;rcu: INFO: rcu_preempt self-detected stall on CPU\n", Some("lockup")),
            ("3,1,2,-;rcu: INFO: rcu_sched detected stalls on CPUs/tasks:\n", Some("lockup")),
            ("4,1,2,-;nvme nvme0: I/O 12 QID 3 timeout, aborting\n", Some("io_error")),
            (
                "4,1,2,-;nvme nvme0: I/O tag 7 (1007) opcode 0x2 (I/O Cmd) QID 3 timeout, aborting\n",
                Some("io_error"),
            ),
            ("3,1,2,-;blk_update_request: critical medium error, dev sda, sector 9\n", Some("io_error")),
            ("3,1,2,-;BTRFS error (device sda1): parent transid verify failed\n", Some("io_error")),
            ("6,1,2,-;nvme nvme0: 8/0/0 default/read/poll queues\n", None),
            ("", None),
            ("x,1;I/O error", None),
        ] {
            assert_eq!(parse(record.as_bytes()).map(|it| it.class.name()), expected, "{record}");
        }
    }

    #[test]
    fn a_message_is_as_old_as_it_says_within_what_is_possible() {
        let message = parse(b"3,1,100000000,-;I/O error").unwrap();
        let before = crate::clock::instant();
        let now = before + Duration::from_secs(60);
        // Seconds since boot at the second look; seconds since the first look at which the message was written.
        for (monotonic, expected) in
            [(Some(110), 50), (Some(100), 60), (Some(160), 0), (Some(9_000), 0), (Some(20), 60), (None, 60)]
        {
            let at = message.at(before, (now, monotonic.map(Duration::from_secs)));
            assert_eq!(at - before, Duration::from_secs(expected), "at {monotonic:?}");
        }
    }

    #[test]
    fn a_log_that_is_missing_is_none() {
        assert!(KernelLog::open(Path::new("/nonexistent")).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
