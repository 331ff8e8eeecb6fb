//! The sum over the processes of a group.

use super::ReadProcess;
use super::private_count::PrivateCount;
use crate::culprit::{ProcessNameKey, ProcessUsage, SameNameProcesses, UsageMeasure};

/// The sum over the processes of a group.
#[derive(Debug)]
pub(super) struct GroupSum {
    pub(super) group: SameNameProcesses,
    /// Measures that are not known of a process. A sum without a part is no sum.
    unread: Vec<UsageMeasure>,
}

impl GroupSum {
    pub(super) fn new(key: &ProcessNameKey) -> Self {
        let group =
            SameNameProcesses { key: key.clone(), now: ProcessUsage::NONE, ..SameNameProcesses::default() };
        Self { group, unread: Vec::new() }
    }

    /// Adds what a process has at this instant.
    pub(super) fn add(&mut self, it: &ReadProcess) {
        let group = &mut self.group;
        group.processes += 1;
        group.threads = group.threads.saturating_add(it.stat.threads);
        group.blocked += u32::from(it.stat.state == b'D');
        group.now.add(UsageMeasure::Memory, it.stat.resident_pages as f64 * page_bytes());
        if it.stat.is_kernel_thread {
            return;
        }
        for (measure, count) in
            [(UsageMeasure::Descriptors, it.descriptors), (UsageMeasure::DiskBytes, it.disk_bytes)]
        {
            match count {
                PrivateCount::Total(count) if measure == UsageMeasure::Descriptors => {
                    group.now.add(measure, count as f64);
                }
                PrivateCount::Total(_) => {}
                PrivateCount::Denied if group.denied.contains(&measure) => {}
                PrivateCount::Denied => group.denied.push(measure),
                PrivateCount::Unread => self.unread.push(measure),
            }
        }
    }

    pub(super) fn concluded(self) -> SameNameProcesses {
        let Self { mut group, unread } = self;
        for measure in group.denied.iter().chain(&unread) {
            group.now.clear(*measure);
        }
        group
    }
}

#[cfg(unix)]
pub(super) fn page_bytes() -> f64 {
    rustix::param::page_size() as f64
}

#[cfg(not(unix))]
pub(super) fn page_bytes() -> f64 {
    4_096.0
}
