//! Formats the processes behind an episode as lines of text.

use crate::culprit::{Culprit, SceneProcess, UsageMeasure};
use crate::episode_text;

/// A culprit with its usage and its usual use.
pub(super) fn culprit(it: &Culprit) -> String {
    let [value, usual] = [it.value, it.usual].map(|value| episode_text::usage(it.measure, value));
    let (name, resource, share) = (episode_text::culprit(it), it.resource.name(), 100.0 * it.share);
    format!("{name:<40} {resource}: {value}, usually at most {usual}; {share:.0} % of the growth")
}

/// A process of a scene with its usages.
pub(super) fn process(it: &SceneProcess) -> String {
    let usages = [UsageMeasure::Cpu, UsageMeasure::Memory, UsageMeasure::DiskBytes].into_iter().filter_map(
        |measure| {
            let usage = it.usage(measure)?;
            Some(format!("{:>12}", episode_text::usage(measure, usage.value)))
        },
    );
    let owner = it.owner.as_ref().map(|it| format!("  {} {}", it.kind.name(), it.name)).unwrap_or_default();
    format!("{:<24} {:>4} processes {}{owner}", it.process, it.processes, usages.collect::<String>())
}
