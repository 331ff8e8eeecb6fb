//! Adds to a description who uses most of what deviates.

use super::{DESCRIPTION_MAX, quantity, shortened_to};
use crate::culprit::{Culprit, CulpritFinding, EpisodeScene, UsageMeasure, UsageValue};
use crate::signal::SignalUnit;

/// The description with the culprits, in at most [`DESCRIPTION_MAX`] bytes; the description is shortened for them.
pub fn with_culprits(description: &str, scene: &EpisodeScene) -> String {
    let names: Vec<String> = scene.culprits.iter().map(culprit).collect();
    let ending = match names.as_slice() {
        [] => match nobody(CulpritFinding::of_episode(&scene.culprits, &scene.scenes)) {
            Some(text) => format!("; {text}"),
            None => return description.to_owned(),
        },
        names => format!("; most of it: {}", names.join(", ")),
    };
    let ending = shortened_to(DESCRIPTION_MAX / 2, ending);
    let description = shortened_to(DESCRIPTION_MAX - ending.len(), description.to_owned());
    description + &ending
}

/// Why no process is named; `None` if that is not known.
pub fn nobody(finding: CulpritFinding) -> Option<&'static str> {
    match finding {
        CulpritFinding::NobodyStandsOut => Some("no process stands out"),
        CulpritFinding::NotPermitted => {
            Some("hostnorm may not read the disk use or open files of all processes")
        }
        CulpritFinding::Named | CulpritFinding::Unknown => None,
    }
}

/// For example "process `java` of container `checkout`", or the container alone.
pub fn culprit(culprit: &Culprit) -> String {
    let process = culprit.process.iter().map(|it| format!("process `{it}`"));
    let owner = culprit.owner.iter().map(|it| format!("{} `{}`", it.kind.name(), it.name));
    process.chain(owner).collect::<Vec<_>>().join(" of ")
}

/// A usage with its unit: `1.2 CPUs`, `320 MB`, `12 MB/s`.
pub fn usage(measure: UsageMeasure, value: f64) -> String {
    match measure {
        UsageMeasure::Cpu | UsageMeasure::SystemCpu => format!("{value:.2} CPUs"),
        UsageMeasure::Memory => quantity(SignalUnit::BytesPerSecond, value).trim_end_matches("/s").to_owned(),
        UsageMeasure::DiskBytes => quantity(SignalUnit::BytesPerSecond, value),
        UsageMeasure::Faults | UsageMeasure::Starts => quantity(SignalUnit::PerSecond, value),
        UsageMeasure::Descriptors => quantity(SignalUnit::Count, value),
    }
}

/// A use and, in parentheses, the usual one.
pub fn usage_with_usual(measure: UsageMeasure, it: UsageValue) -> String {
    let usual = it.usual.map(|it| format!(" ({})", usage(measure, it))).unwrap_or_default();
    format!("{}{usual}", usage(measure, it.value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::culprit::{
        ContainerOrService, ContainerOrServiceKind, FrozenScene, Resource, SceneMoment, UnrankedScene,
    };

    fn named(process: &str, owner: Option<(ContainerOrServiceKind, &str)>) -> Culprit {
        Culprit {
            resource: Resource::Cpu,
            process: Some(process.into()).filter(|it: &String| !it.is_empty()),
            owner: owner.map(|(kind, name)| ContainerOrService { kind, name: name.into() }),
            share: 0.9,
            value: 1.0,
            usual: 0.0,
            measure: UsageMeasure::Cpu,
        }
    }

    #[test]
    fn names_most_of_it() {
        let mut scene = EpisodeScene::default();
        assert_eq!(with_culprits("Anomaly", &scene), "Anomaly");
        let frozen = |finding| FrozenScene {
            finding,
            ..FrozenScene::new(SceneMoment::Start, &UnrankedScene::default(), &[], &[])
        };
        for (finding, expected) in [
            (CulpritFinding::Unknown, "Anomaly"),
            (CulpritFinding::NobodyStandsOut, "Anomaly; no process stands out"),
            (
                CulpritFinding::NotPermitted,
                "Anomaly; hostnorm may not read the disk use or open files of all processes",
            ),
        ] {
            scene.scenes = vec![frozen(finding)];
            assert_eq!(with_culprits("Anomaly", &scene), expected);
        }
        scene.culprits =
            vec![named("java", Some((ContainerOrServiceKind::Container, "checkout"))), named("yes", None)];
        scene.culprits.push(named("", Some((ContainerOrServiceKind::Service, "ci.service"))));
        assert_eq!(
            with_culprits("Anomaly", &scene),
            "Anomaly; most of it: process `java` of container `checkout`, process `yes`, service `ci.service`"
        );
    }

    #[test]
    fn a_long_description_keeps_its_culprits() {
        let scene = EpisodeScene { culprits: vec![named("java", None)], ..EpisodeScene::default() };
        let text = with_culprits(&"word ".repeat(200), &scene);
        assert!(text.len() <= DESCRIPTION_MAX && text.ends_with("…; most of it: process `java`"), "{text}");
        let long = named(&"x".repeat(63), Some((ContainerOrServiceKind::Service, &"ä".repeat(128))));
        let scene =
            EpisodeScene { culprits: vec![long.clone(), long.clone(), long], ..EpisodeScene::default() };
        assert!(with_culprits(&"word ".repeat(200), &scene).len() <= DESCRIPTION_MAX);
    }

    #[test]
    fn usages_have_units() {
        for (measure, value, expected) in [
            (UsageMeasure::Cpu, 1.234, "1.23 CPUs"),
            (UsageMeasure::Memory, 3.2e8, "320 MB"),
            (UsageMeasure::DiskBytes, 1.2e7, "12 MB/s"),
            (UsageMeasure::Faults, 1_500.0, "1.5 k/s"),
            (UsageMeasure::Descriptors, 41.0, "41"),
        ] {
            assert_eq!(usage(measure, value), expected);
        }
    }
}
