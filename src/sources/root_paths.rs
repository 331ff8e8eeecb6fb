//! The roots below which sources find the kernel's files.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Roots of the kernel's files; below `/host` in a container that watches its host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RootPaths {
    /// Mount point of procfs.
    pub procfs: PathBuf,
    /// Mount point of sysfs.
    pub sysfs: PathBuf,
    /// Mount point of the root filesystem; mount points are looked up below it.
    pub rootfs: PathBuf,
    /// Mount point of the control groups; empty for `fs/cgroup` below `sysfs`.
    pub cgroupfs: PathBuf,
}

impl Default for RootPaths {
    fn default() -> Self {
        Self { procfs: "/proc".into(), sysfs: "/sys".into(), rootfs: "/".into(), cgroupfs: PathBuf::new() }
    }
}

impl RootPaths {
    /// The mount point of the control groups.
    pub(super) fn cgroupfs(&self) -> PathBuf {
        if self.cgroupfs.as_os_str().is_empty() {
            self.sysfs.join("fs/cgroup")
        } else {
            self.cgroupfs.clone()
        }
    }

    /// A file of process 1, whose namespaces are those of the host; on the procfs of hostnorm, also its own file,
    /// because process 1 may be hidden (`hidepid`). Below another procfs, its own network would be that of the
    /// container: no values are better than wrong ones.
    pub(super) fn of_process_1(&self, first: &str, own: &str) -> Vec<PathBuf> {
        let first = self.procfs.join(first);
        if self.procfs == Self::default().procfs { vec![first, self.procfs.join(own)] } else { vec![first] }
    }
}
