//! The part of an episode's page about the processes behind it.

use maud::{Markup, html};

use super::{page_tables, time_text};
use crate::culprit::{
    Culprit, CulpritFinding, FrozenScene, GROUP_MEASURES, MEASURES, SceneContainer, SceneMoment,
    SceneProcess, UsageMeasure, UsageValue,
};
use crate::episode_text;

/// Titles of [`episode_text::scene_facts`].
const FACTS: [&str; 3] = ["Sockets", "Fullest filesystem", "Kernel messages in the minute before"];

/// Who stands out, and the host at the start and at the peak; nothing without a scene.
pub(super) fn section(culprits: &[Culprit], scenes: &[FrozenScene]) -> Markup {
    html! {
        @if !scenes.is_empty() {
            section aria-labelledby="processes" {
                h2 #processes { "Processes" }
                p { (sentence(culprits, CulpritFinding::of_episode(culprits, scenes))) }
                @for scene in scenes { (frozen(scene)) }
            }
        }
    }
}

fn sentence(culprits: &[Culprit], finding: CulpritFinding) -> String {
    let of = |it: &Culprit| {
        let [value, usual] = [it.value, it.usual].map(|value| episode_text::usage(it.measure, value));
        let (name, share) = (episode_text::culprit(it), 100.0 * it.share);
        format!(
            "{name} ({}: {value}, usually at most {usual}; {share:.0} % of the growth)",
            it.resource.name()
        )
    };
    match culprits {
        [] => match episode_text::nobody(finding) {
            Some(reason) => format!("Nobody is named: {reason}"),
            None => "It is not known whether a process stands out".to_owned(),
        },
        all => format!("Most of it: {}", all.iter().map(of).collect::<Vec<_>>().join(", ")),
    }
}

fn frozen(scene: &FrozenScene) -> Markup {
    let moment = match scene.moment {
        SceneMoment::Start => "At the start",
        SceneMoment::Peak => "At the peak",
    };
    html! {
        (page_tables::scrollable_table(moment, &processes(moment, scene)))
        @if !scene.containers.is_empty() {
            @let title = format!("{moment}, containers and services");
            (page_tables::scrollable_table(&title, &containers(&title, &scene.containers)))
        }
        dl.facts {
            @for (title, fact) in FACTS.into_iter().zip(episode_text::scene_facts(scene)) {
                @if let Some(fact) = fact { div { dt { (title) } dd { (fact) } } }
            }
        }
    }
}

fn processes(moment: &str, scene: &FrozenScene) -> Markup {
    let count = scene.processes;
    html! {
        table {
            caption { (moment) ", " (time_text::time(scene.at)) ": " (scene.top.len()) " of " (count) " processes by name, with the usual use in parentheses" }
            thead { tr {
                th scope="col" { "Process" } th scope="col" { "Belongs to" } th.number scope="col" { "Number" }
                @for measure in MEASURES { th.number scope="col" { (title(measure)) } }
            } }
            tbody { @for it in &scene.top { (process(it)) } }
        }
    }
}

fn title(measure: UsageMeasure) -> &'static str {
    match measure {
        UsageMeasure::Cpu => "CPU",
        UsageMeasure::SystemCpu => "CPU in the kernel",
        UsageMeasure::Memory => "Memory",
        UsageMeasure::Faults => "Page faults",
        UsageMeasure::DiskBytes => "Disk",
        UsageMeasure::Descriptors => "Open files and sockets",
        UsageMeasure::Starts => "Tasks started",
    }
}

fn process(it: &SceneProcess) -> Markup {
    html! {
        tr {
            th scope="row" { (it.process) }
            td { @if let Some(owner) = &it.owner { (owner.kind.name()) " " (owner.name) } }
            td.number { (it.processes) }
            @for measure in MEASURES { (usage(measure, it.usage(measure))) }
        }
    }
}

fn containers(title: &str, containers: &[SceneContainer]) -> Markup {
    html! {
        table {
            caption { (title) ", with the usual use in parentheses" }
            thead { tr {
                th scope="col" { "Name" } th scope="col" { "Kind" }
                @for measure in GROUP_MEASURES { th.number scope="col" { (self::title(measure)) } }
            } }
            tbody {
                @for it in containers {
                    tr {
                        th scope="row" { (it.container.name) }
                        td { (it.container.kind.name()) }
                        @for measure in GROUP_MEASURES { (usage(measure, it.usage(measure))) }
                    }
                }
            }
        }
    }
}

fn usage(measure: UsageMeasure, usage: Option<UsageValue>) -> Markup {
    html! {
        td.number {
            @if let Some(usage) = usage { (episode_text::usage_with_usual(measure, usage)) }
        }
    }
}
