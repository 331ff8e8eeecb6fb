//! The part of an episode's page about the processes behind it.

use maud::{Markup, html};

use super::{tables, time_text};
use crate::culprit::{Culprit, FrozenScene, MEASURES, Measure, SceneOccasion, SceneProcess};
use crate::episode_text;

/// Who stands out, and the host at the start and at the peak; nothing without a scene.
pub(super) fn section(culprits: &[Culprit], scenes: &[FrozenScene]) -> Markup {
    html! {
        @if !scenes.is_empty() {
            section aria-labelledby="processes" {
                h2 #processes { "Processes" }
                p { (sentence(culprits)) }
                @for scene in scenes { (frozen(scene)) }
            }
        }
    }
}

fn sentence(culprits: &[Culprit]) -> String {
    let of = |it: &Culprit| {
        let [value, usual] = [it.value, it.usual].map(|value| episode_text::usage(it.measure, value));
        let (name, share) = (episode_text::culprit(it), 100.0 * it.share);
        format!(
            "{name} ({}: {value}, usually at most {usual}; {share:.0} % of the growth)",
            it.resource.name()
        )
    };
    match culprits {
        [] => "No process stands out".to_owned(),
        all => format!("Most of it: {}", all.iter().map(of).collect::<Vec<_>>().join(", ")),
    }
}

fn frozen(scene: &FrozenScene) -> Markup {
    let occasion = match scene.occasion {
        SceneOccasion::Start => "At the start",
        SceneOccasion::Peak => "At the peak",
    };
    html! {
        (tables::scrolling(occasion, &processes(occasion, scene)))
        dl.facts {
            @if !scene.sockets.is_empty() {
                div { dt { "Sockets" } dd { (list(scene.sockets.iter().map(|it| format!("{} {}", it.count, it.state)))) } }
            }
            @if let Some(mount) = scene.mounts.first() {
                div { dt { "Fullest filesystem" } dd { (mount.mount_point) " " (format!("{:.0} %", 100.0 * mount.used_ratio)) } }
            }
            @if let Some(kernel) = scene.kernel.as_ref().filter(|it| !it.0.is_empty()) {
                div { dt { "Kernel messages in the minute before" } dd { (list(kernel.0.iter().map(|(class, count)| format!("{count} {class}")))) } }
            }
        }
    }
}

fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn processes(occasion: &str, scene: &FrozenScene) -> Markup {
    let count = scene.processes;
    html! {
        table {
            caption { (occasion) ", " (time_text::time(scene.at)) ": " (scene.top.len()) " of " (count) " processes by name, with the usual use in parentheses" }
            thead { tr {
                th scope="col" { "Process" } th scope="col" { "Belongs to" } th.number scope="col" { "Number" }
                @for measure in MEASURES { th.number scope="col" { (title(measure)) } }
            } }
            tbody { @for it in &scene.top { (process(it)) } }
        }
    }
}

fn title(measure: Measure) -> &'static str {
    match measure {
        Measure::Cpu => "CPU",
        Measure::SystemCpu => "CPU in the kernel",
        Measure::Memory => "Memory",
        Measure::Faults => "Page faults",
        Measure::DiskBytes => "Disk",
        Measure::Descriptors => "Open files and sockets",
        Measure::Starts => "Tasks started",
    }
}

fn process(it: &SceneProcess) -> Markup {
    html! {
        tr {
            th scope="row" { (it.process) }
            td { @if let Some(owner) = &it.owner { (owner.kind.name()) " " (owner.name) } }
            td.number { (it.processes) }
            @for measure in MEASURES {
                td.number {
                    @if let Some(usage) = it.usage(measure) {
                        (episode_text::usage(measure, usage.value))
                        @if let Some(usual) = usage.usual { " (" (episode_text::usage(measure, usual)) ")" }
                    }
                }
            }
        }
    }
}
