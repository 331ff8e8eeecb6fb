//! The processes of one name in one container or service, and what they use together.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MEASURES, UsageMeasure};

/// The container or service that a process belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ContainerOrService {
    /// container or service.
    pub kind: ContainerOrServiceKind,
    /// The name of its subject, or the short ID of a container that is no subject.
    pub name: String,
}

/// Kind of a container or service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContainerOrServiceKind {
    /// A container.
    Container,
    /// A systemd service.
    Service,
}

impl ContainerOrServiceKind {
    /// The value of the label `culprit_kind`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Service => "service",
        }
    }
}

/// What identifies processes over restarts: their name, and their container or service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessNameKey {
    /// Name of the command, without arguments.
    pub command: Arc<str>,
    /// Their container or service.
    pub owner: Option<ContainerOrService>,
}

impl Default for ProcessNameKey {
    fn default() -> Self {
        Self { command: "".into(), owner: None }
    }
}

/// The processes of one name in one container or service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SameNameProcesses {
    /// Who they are.
    pub key: ProcessNameKey,
    /// Number of processes.
    pub processes: u32,
    /// Number of threads.
    pub threads: u32,
    /// Number of processes in uninterruptible sleep, which usually wait for a disk.
    pub blocked: u32,
    /// What they use now.
    pub now: ProcessUsage,
    /// What they usually use at most; empty before enough is known.
    pub usual: ProcessUsage,
    /// The measures that hostnorm may not read of one of them, each once: only its user or root may.
    pub denied: Vec<UsageMeasure>,
}

/// The value of each measure. A measure that cannot be read is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessUsage([Option<f64>; MEASURES.len()]);

impl ProcessUsage {
    /// A usage of nothing in all measures.
    pub const NONE: Self = Self([Some(0.0); MEASURES.len()]);

    /// The value of a measure.
    pub fn get(&self, measure: UsageMeasure) -> Option<f64> {
        self.0[measure as usize]
    }

    /// Sets a value; one that is not finite is absent.
    pub fn set(&mut self, measure: UsageMeasure, value: f64) {
        self.0[measure as usize] = Some(value).filter(|it| it.is_finite());
    }

    /// Makes a value absent.
    pub fn clear(&mut self, measure: UsageMeasure) {
        self.0[measure as usize] = None;
    }

    /// Adds a value.
    pub fn add(&mut self, measure: UsageMeasure, value: f64) {
        self.set(measure, self.get(measure).unwrap_or(0.0) + value);
    }
}
