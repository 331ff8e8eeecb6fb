//! Adds to a description who uses most of what deviates.

use super::{DESCRIPTION_MAX, quantity, shortened_to};
use crate::culprit::{Culprit, EpisodeScene, Measure};
use crate::signal::SignalUnit;

/// The description with the culprits, in at most [`DESCRIPTION_MAX`] bytes; the description is shortened for them.
pub fn with_culprits(description: &str, scene: &EpisodeScene) -> String {
    let names: Vec<String> = scene.culprits.iter().map(culprit).collect();
    let ending = match names.as_slice() {
        [] if scene.nobody_stands_out => "; no process stands out".to_owned(),
        [] => return description.to_owned(),
        names => format!("; most of it: {}", names.join(", ")),
    };
    let ending = shortened_to(DESCRIPTION_MAX / 2, ending);
    let description = shortened_to(DESCRIPTION_MAX - ending.len(), description.to_owned());
    description + &ending
}

/// For example "process `java` of container `checkout`".
pub fn culprit(culprit: &Culprit) -> String {
    let process = format!("process `{}`", culprit.process);
    match &culprit.owner {
        Some(owner) => format!("{process} of {} `{}`", owner.kind.name(), owner.name),
        None => process,
    }
}

/// A usage with its unit: `1.2 CPUs`, `320 MB`, `12 MB/s`.
pub fn usage(measure: Measure, value: f64) -> String {
    match measure {
        Measure::Cpu | Measure::SystemCpu => format!("{value:.2} CPUs"),
        Measure::Memory => quantity(SignalUnit::BytesPerSecond, value).trim_end_matches("/s").to_owned(),
        Measure::DiskBytes => quantity(SignalUnit::BytesPerSecond, value),
        Measure::Faults | Measure::Starts => quantity(SignalUnit::PerSecond, value),
        Measure::Descriptors => quantity(SignalUnit::Count, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::culprit::{Measure, Owner, OwnerKind, Resource};

    fn named(process: &str, owner: Option<(OwnerKind, &str)>) -> Culprit {
        Culprit {
            resource: Resource::Cpu,
            process: process.into(),
            owner: owner.map(|(kind, name)| Owner { kind, name: name.into() }),
            share: 0.9,
            value: 1.0,
            usual: 0.0,
            measure: Measure::Cpu,
        }
    }

    #[test]
    fn names_most_of_it() {
        let mut scene = EpisodeScene::default();
        assert_eq!(with_culprits("Anomaly", &scene), "Anomaly");
        scene.nobody_stands_out = true;
        assert_eq!(with_culprits("Anomaly", &scene), "Anomaly; no process stands out");
        scene.culprits = vec![named("java", Some((OwnerKind::Container, "checkout"))), named("yes", None)];
        assert_eq!(
            with_culprits("Anomaly", &scene),
            "Anomaly; most of it: process `java` of container `checkout`, process `yes`"
        );
    }

    #[test]
    fn a_long_description_keeps_its_culprits() {
        let scene = EpisodeScene { culprits: vec![named("java", None)], ..EpisodeScene::default() };
        let text = with_culprits(&"word ".repeat(200), &scene);
        assert!(text.len() <= DESCRIPTION_MAX && text.ends_with("…; most of it: process `java`"), "{text}");
        let long = named(&"x".repeat(63), Some((OwnerKind::Service, &"ä".repeat(128))));
        let scene =
            EpisodeScene { culprits: vec![long.clone(), long.clone(), long], ..EpisodeScene::default() };
        assert!(with_culprits(&"word ".repeat(200), &scene).len() <= DESCRIPTION_MAX);
    }

    #[test]
    fn usages_have_units() {
        for (measure, value, expected) in [
            (Measure::Cpu, 1.234, "1.23 CPUs"),
            (Measure::Memory, 3.2e8, "320 MB"),
            (Measure::DiskBytes, 1.2e7, "12 MB/s"),
            (Measure::Faults, 1_500.0, "1.5 k/s"),
            (Measure::Descriptors, 41.0, "41"),
        ] {
            assert_eq!(usage(measure, value), expected);
        }
    }
}
