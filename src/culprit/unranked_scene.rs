//! What is read of a host at one instant of an episode, before it is ranked.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ContainerUsage, SameNameProcesses};

/// What was read at one instant; nothing in it is chosen yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UnrankedScene {
    /// When, in Unix seconds.
    pub at: f64,
    /// All processes, in process groups.
    pub groups: Vec<SameNameProcesses>,
    /// All containers and services as a whole, where their control groups are read.
    pub containers: Vec<ContainerUsage>,
    /// Number of processes.
    pub processes: u32,
    /// Processes that were not read, because there were too many or they took too long.
    pub unread: u32,
    /// Whether all processes of the host are visible, so that nobody stands out if nobody is found.
    pub sees_host: bool,
    /// CPU time that it took, in seconds.
    pub cpu_seconds: f64,
    /// Messages of the kernel in the last minute; `None` if they cannot be read.
    pub kernel: Option<KernelMessages>,
}

/// Number of messages of the kernel by class: oom_kill, hung_task, io_error, link_down, lockup or hardware_error.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KernelMessages(pub BTreeMap<String, u32>);
