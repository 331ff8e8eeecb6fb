//! Adds to a description who uses most of what deviates.

use super::{DESCRIPTION_MAX, shortened_to};
use crate::culprit::{Culprit, EpisodeScene};

/// The description with the culprits, in at most [`DESCRIPTION_MAX`] bytes; the description is shortened for them.
pub fn with_culprits(description: &str, scene: &EpisodeScene) -> String {
    let names: Vec<String> = scene.culprits.iter().map(name).collect();
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
pub(crate) fn name(culprit: &Culprit) -> String {
    let process = format!("process `{}`", culprit.process);
    match &culprit.owner {
        Some(owner) => format!("{process} of {} `{}`", owner.kind.name(), owner.name),
        None => process,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::culprit::{Measure, Owner, OwnerKind, Resource};

    fn culprit(process: &str, owner: Option<(OwnerKind, &str)>) -> Culprit {
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
        scene.culprits =
            vec![culprit("java", Some((OwnerKind::Container, "checkout"))), culprit("yes", None)];
        assert_eq!(
            with_culprits("Anomaly", &scene),
            "Anomaly; most of it: process `java` of container `checkout`, process `yes`"
        );
    }

    #[test]
    fn a_long_description_keeps_its_culprits() {
        let scene = EpisodeScene { culprits: vec![culprit("java", None)], ..EpisodeScene::default() };
        let text = with_culprits(&"word ".repeat(200), &scene);
        assert!(text.len() <= DESCRIPTION_MAX && text.ends_with("…; most of it: process `java`"), "{text}");
        let long = culprit(&"x".repeat(63), Some((OwnerKind::Service, &"ä".repeat(128))));
        let scene =
            EpisodeScene { culprits: vec![long.clone(), long.clone(), long], ..EpisodeScene::default() };
        assert!(with_culprits(&"word ".repeat(200), &scene).len() <= DESCRIPTION_MAX);
    }
}
