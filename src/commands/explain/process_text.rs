//! Formats what is known of those behind an episode as lines of text.

use crate::culprit::{
    Culprit, FrozenScene, GROUP_MEASURES, SceneContainer, SceneProcess, UsageMeasure, UsageValue,
};
use crate::episode_text;

/// Titles of [`episode_text::scene_facts`].
const FACTS: [&str; 3] = ["sockets", "fullest filesystem", "kernel messages in the minute before"];

/// A culprit with its usage and its usual use.
pub(super) fn culprit(it: &Culprit) -> String {
    let [value, usual] = [it.value, it.usual].map(|value| episode_text::usage(it.measure, value));
    let (name, resource, share) = (episode_text::culprit(it), it.resource.name(), 100.0 * it.share);
    format!("{name:<40} {resource}: {value}, usually at most {usual}; {share:.0} % of the growth")
}

/// The rows of a scene: processes, containers, then sockets, the fullest filesystem and the messages of the kernel.
pub(super) fn scene(it: &FrozenScene) -> Vec<String> {
    let mut lines: Vec<String> = it.top.iter().map(process).collect();
    lines.extend(it.containers.iter().map(container));
    let facts = FACTS.into_iter().zip(episode_text::scene_facts(it));
    lines.extend(facts.filter_map(|(title, fact)| Some(format!("{title}: {}", fact?))));
    lines
}

/// A process of a scene with its usages.
fn process(it: &SceneProcess) -> String {
    let owner = it.owner.as_ref().map(|it| format!("  {} {}", it.kind.name(), it.name)).unwrap_or_default();
    format!("{:<24} {:>4} processes {}{owner}", it.process, it.processes, usages(|measure| it.usage(measure)))
}

/// A container or service of a scene with its usages.
fn container(it: &SceneContainer) -> String {
    let name = format!("{} {}", it.container.kind.name(), it.container.name);
    format!("{name:<39} {}", usages(|measure| it.usage(measure)))
}

/// What it uses and, in parentheses, usually uses.
fn usages(of: impl Fn(UsageMeasure) -> Option<UsageValue>) -> String {
    let usage = |measure| Some(format!("{:>22}", episode_text::usage_with_usual(measure, of(measure)?)));
    GROUP_MEASURES.into_iter().filter_map(usage).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scene_has_all_that_was_there() {
        let frozen = json!({
            "moment": "start", "at": 1.0, "processes": 80,
            "top": [{"process": "java", "owner": {"kind": "container", "name": "checkout"}, "processes": 2, "threads": 40, "blocked": 0,
                "usage": {"cpu": {"value": 1.5, "usual": 0.25}, "memory": {"value": 2e9}}}],
            "containers": [{"kind": "container", "name": "checkout",
                "usage": {"cpu": {"value": 1.5, "usual": 0.25}}}],
            "sockets": [{"state": "established", "count": 12}, {"state": "listen", "count": 3}],
            "mounts": [{"mount_point": "/var", "used_ratio": 0.91}, {"mount_point": "/", "used_ratio": 0.5}],
            "kernel": {"oom_kill": 1},
        });
        let found = scene(&serde_json::from_value(frozen).unwrap()).join("\n");
        let expect = "java                        2 processes  1.50 CPUs (0.25 CPUs)                  2 GB  container checkout\n\
                      container checkout                       1.50 CPUs (0.25 CPUs)\n\
                      sockets: 12 established, 3 listen\n\
                      fullest filesystem: /var 91 %\n\
                      kernel messages in the minute before: 1 oom_kill";
        assert_eq!(found, expect);
    }
}
