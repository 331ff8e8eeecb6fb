//! New messages of the kernel from `/dev/kmsg` (`Documentation/ABI/testing/dev-kmsg`), each only as a class.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::Path;

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

/// Each row: a part of the text in lower case, and the class. The first match counts.
const CLASSES: &[(&str, KernelMessageClass)] = &[
    ("out of memory: killed process", KernelMessageClass::OomKill),
    ("memory cgroup out of memory", KernelMessageClass::OomKill),
    ("blocked for more than", KernelMessageClass::HungTask),
    ("soft lockup", KernelMessageClass::Lockup),
    ("hard lockup", KernelMessageClass::Lockup),
    ("rcu_sched self-detected stall", KernelMessageClass::Lockup),
    ("hardware error", KernelMessageClass::HardwareError),
    ("i/o error", KernelMessageClass::IoError),
    ("io error", KernelMessageClass::IoError),
    ("ext4-fs error", KernelMessageClass::IoError),
    ("remounting filesystem read-only", KernelMessageClass::IoError),
    ("link is down", KernelMessageClass::LinkDown),
    ("link down", KernelMessageClass::LinkDown),
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

    /// The classes of the messages since the last call.
    pub(super) fn new_messages(&mut self) -> Vec<KernelMessageClass> {
        let mut found = Vec::new();
        let mut record = [0; RECORD_BYTES];
        for _ in 0..MESSAGES_A_CALL_MAX {
            match self.0.read(&mut record) {
                Ok(0) => break,
                Ok(length) => found.extend(record.get(..length).and_then(class)),
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

/// The class of a record such as `6,339,5140900,-;NET: Registered protocol family 10`. Programs may write to the log as
/// well, so only records of the kernel, facility 0, count.
pub(super) fn class(record: &[u8]) -> Option<KernelMessageClass> {
    let text = String::from_utf8_lossy(record);
    let (prefix, message) = text.split_once(';')?;
    let priority: u32 = prefix.split(',').next()?.parse().ok()?;
    // Lines after the first one are key and value.
    let message = message.lines().next()?.to_lowercase();
    let row = CLASSES.iter().find(|(part, _)| message.contains(part)).filter(|_| priority < 8);
    row.map(|(_, class)| *class)
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
            ("", None),
            ("x,1;I/O error", None),
        ] {
            assert_eq!(class(record.as_bytes()).map(KernelMessageClass::name), expected, "{record}");
        }
    }

    #[test]
    fn a_log_that_is_missing_is_none() {
        assert!(KernelLog::open(Path::new("/nonexistent")).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = class(&bytes);
        }
    }
}
