//! Adds to the description of a log which kinds of lines are new, or came more often than usual.

use super::{DESCRIPTION_MAX, shortened_to};
use crate::report::EpisodeTemplate;

/// Largest number of templates that a description names. The others are in the explanation.
const NAMED_MAX: usize = 2;
/// Longest template in a description, in bytes.
const NAMED_BYTES_MAX: usize = 100;

/// The description with the first templates, in at most [`DESCRIPTION_MAX`] bytes; the description is shortened for them.
pub fn with_templates(description: &str, templates: &[EpisodeTemplate]) -> String {
    // New ones alone if there are any: they say more than what came more often.
    let has_new = templates.iter().any(|it| it.is_new);
    let named: Vec<String> = templates
        .iter()
        .filter(|it| it.is_new == has_new)
        .take(NAMED_MAX)
        .map(|it| format!("`{}`", shortened_to(NAMED_BYTES_MAX, it.text.clone())))
        .collect();
    let ending = match (named.len(), has_new) {
        (0, _) => return description.to_owned(),
        (1, true) => format!("; new template {}", named.concat()),
        (1, false) => format!("; more often than usual: template {}", named.concat()),
        (_, true) => format!("; new templates {}", named.join(", ")),
        (_, false) => format!("; more often than usual: templates {}", named.join(", ")),
    };
    shortened_to(DESCRIPTION_MAX - ending.len(), description.to_owned()) + &ending
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(templates: &[(&str, bool)], expect: &str) {
        let templates: Vec<_> =
            templates.iter().filter_map(|(text, is_new)| EpisodeTemplate::new(text, *is_new)).collect();
        assert_eq!(with_templates("Anomaly on log nginx: errors 12/s", &templates), expect);
    }

    #[test]
    fn names_what_is_new_or_else_more_frequent() {
        check(&[], "Anomaly on log nginx: errors 12/s");
        check(
            &[("upstream <*> timed out", true), ("GET <*>", false)],
            "Anomaly on log nginx: errors 12/s; new template `upstream <*> timed out`",
        );
        check(
            &[("a", true), ("b", true), ("c", true)],
            "Anomaly on log nginx: errors 12/s; new templates `a`, `b`",
        );
        check(
            &[("GET <*>", false)],
            "Anomaly on log nginx: errors 12/s; more often than usual: template `GET <*>`",
        );
    }

    #[test]
    fn a_long_description_keeps_its_templates() {
        let long: Vec<_> =
            ["ä", "ö"].iter().filter_map(|it| EpisodeTemplate::new(&it.repeat(150), false)).collect();
        let text = with_templates(&"word ".repeat(200), &long);
        assert!(text.len() <= DESCRIPTION_MAX && text.ends_with("ö…`"), "{} {text}", text.len());
    }
}
