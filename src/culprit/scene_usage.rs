//! Who uses what in a scene, as it is stored and served.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ranking::{User, relevance};
use super::{
    ContainerOrService, ContainerUsage, Culprit, DeviatingSignal, MEASURES, ProcessUsage, SameNameProcesses,
    UsageMeasure,
};

/// Largest number of processes, and of containers and services, that stay with an episode.
pub(super) const KEPT_MAX: usize = 10;

/// The processes of one name in one container or service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SceneProcess {
    /// Name of the command, without arguments.
    pub process: String,
    /// Container or service of the processes; absent if they belong to none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<ContainerOrService>,
    /// Number of processes.
    pub processes: u32,
    /// Number of threads.
    pub threads: u32,
    /// Number of processes in uninterruptible sleep, which usually wait for a disk.
    pub blocked: u32,
    /// Use of resources, by measure. A measure that cannot be read is absent.
    pub usage: BTreeMap<String, UsageValue>,
}

/// The use of a resource, and the usual use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageValue {
    /// Current use.
    pub value: f64,
    /// Usual maximum of the use; absent until hostnorm has enough measurements.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub usual: Option<f64>,
}

/// A container or service as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SceneContainer {
    /// Who it is.
    #[serde(flatten)]
    pub container: ContainerOrService,
    /// Use of resources, by measure. A measure that cannot be read is absent.
    pub usage: BTreeMap<String, UsageValue>,
}

impl SceneProcess {
    fn new(group: &SameNameProcesses) -> Self {
        Self {
            process: group.key.command.to_string(),
            owner: group.key.owner.clone(),
            processes: group.processes,
            threads: group.threads,
            blocked: group.blocked,
            usage: usage_values(&group.now, &group.usual),
        }
    }

    /// The value of a measure and the usual one.
    pub fn usage(&self, measure: UsageMeasure) -> Option<UsageValue> {
        self.usage.get(measure.name()).copied()
    }
}

/// Rounded to thousandths: what is measured over half a second has no more digits.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

impl SceneContainer {
    fn new(it: &ContainerUsage) -> Self {
        Self { container: it.container.clone(), usage: usage_values(&it.now, &it.usual) }
    }

    /// The value of a measure and the usual one.
    pub fn usage(&self, measure: UsageMeasure) -> Option<UsageValue> {
        self.usage.get(measure.name()).copied()
    }
}

fn usage_values(now: &ProcessUsage, usual: &ProcessUsage) -> BTreeMap<String, UsageValue> {
    let values = MEASURES.iter().filter_map(|measure| {
        let value = rounded(now.get(*measure)?);
        Some((measure.name().to_owned(), UsageValue { value, usual: usual.get(*measure).map(rounded) }))
    });
    values.collect()
}

/// The processes that stay with an episode: named ones, then those with the largest part of the deviation, then the largest
/// others.
pub(super) fn kept_processes(
    groups: &[SameNameProcesses],
    deviations: &[DeviatingSignal<'_>],
    culprits: &[Culprit],
) -> Vec<SceneProcess> {
    let is = |it: &SameNameProcesses, culprit: &Culprit| {
        culprit.owner == it.key.owner
            && culprit.process.as_deref().is_none_or(|name| *name == *it.key.command)
    };
    let kept = kept(groups, deviations, culprits, is, |it| &it.key);
    kept.into_iter().map(SceneProcess::new).collect()
}

/// The containers and services that stay with an episode, in the same order.
pub(super) fn kept_containers(
    containers: &[ContainerUsage],
    deviations: &[DeviatingSignal<'_>],
    culprits: &[Culprit],
) -> Vec<SceneContainer> {
    let is = |it: &ContainerUsage, culprit: &Culprit| culprit.owner.as_ref() == Some(&it.container);
    let kept = kept(containers, deviations, culprits, is, |it| &it.container);
    kept.into_iter().map(SceneContainer::new).collect()
}

fn kept<'a, U: User, K: Ord>(
    users: &'a [U],
    deviations: &[DeviatingSignal<'_>],
    culprits: &[Culprit],
    is: impl Fn(&U, &Culprit) -> bool,
    key: impl Fn(&U) -> &K,
) -> Vec<&'a U> {
    let mut rated: Vec<(f64, &U)> = users.iter().map(|it| (relevance(it, users, deviations), it)).collect();
    rated.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| key(one.1).cmp(key(other.1))));
    let place = |it: &U| culprits.iter().position(|culprit| is(it, culprit)).unwrap_or(culprits.len());
    rated.sort_by_key(|(_, it)| place(it));
    rated.into_iter().take(KEPT_MAX).map(|(_, it)| it).collect()
}
