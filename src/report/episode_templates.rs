//! The templates of log lines that explain an episode of a log.
//!
//! A template is a kind of line with everything variable masked; the lines themselves are never kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Largest number of templates that are kept with an episode.
pub const TEMPLATES_MAX: usize = 5;
/// Longest template, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 200;

/// A kind of line that explains an anomaly of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EpisodeTemplate {
    /// The line with everything variable masked, in one line of at most 200 bytes.
    pub text: String,
    /// Whether the template is new (true), or more frequent than usual (false).
    pub is_new: bool,
}

impl EpisodeTemplate {
    /// A template of this masked text; absent if the text is blank. Line breaks, control characters and backquotes, which
    /// would end its quotation in a description, are replaced, and a long text is cut.
    pub fn new(text: &str, is_new: bool) -> Option<Self> {
        const ELLIPSIS: &str = "…";
        let visible = |it: char| match it {
            '`' => '\'',
            it if it.is_control() => ' ',
            it => it,
        };
        let text: String = text.chars().map(visible).collect();
        let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.len() > TEMPLATE_BYTES_MAX {
            text.truncate(text.floor_char_boundary(TEMPLATE_BYTES_MAX - ELLIPSIS.len()));
            text.push_str(ELLIPSIS);
        }
        (!text.is_empty()).then_some(Self { text, is_new })
    }
}

/// Adds templates to those of an episode; returns whether these changed. New ones come first, and if there are more than
/// [`TEMPLATES_MAX`], the last ones are dropped.
pub fn add_templates(
    known: &mut Vec<EpisodeTemplate>,
    found: impl IntoIterator<Item = EpisodeTemplate>,
) -> bool {
    let before = known.clone();
    for template in found {
        match known.iter_mut().find(|it| it.text == template.text) {
            Some(same) => same.is_new |= template.is_new,
            None => known.push(template),
        }
    }
    known.sort_by_key(|it| !it.is_new);
    known.truncate(TEMPLATES_MAX);
    *known != before
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template(text: &str, is_new: bool) -> EpisodeTemplate {
        EpisodeTemplate::new(text, is_new).unwrap()
    }

    #[test]
    fn a_template_is_one_line_without_backquotes() {
        assert_eq!(template("  a `b`\n\tc\u{1b}[0m ", true).text, "a 'b' c [0m");
        assert_eq!(EpisodeTemplate::new(" \n", true), None);
    }

    #[test]
    fn new_templates_come_first_and_displace_others() {
        let mut known = Vec::new();
        assert!(add_templates(&mut known, ["a", "b", "c", "d"].map(|it| template(it, false))));
        assert!(!add_templates(&mut known, [template("b", false)]), "nothing is new");
        assert!(add_templates(&mut known, [template("x", true), template("y", true), template("c", true)]));
        let texts: Vec<_> = known.iter().map(|it| (it.text.as_str(), it.is_new)).collect();
        assert_eq!(texts, [("c", true), ("x", true), ("y", true), ("a", false), ("b", false)]);
    }

    proptest! {
        #[test]
        fn a_template_has_bounds(text in ".{0,300}", more in prop::collection::vec(".{1,9}", 0..20)) {
            if let Some(it) = EpisodeTemplate::new(&text, true) {
                prop_assert!(it.text.len() <= TEMPLATE_BYTES_MAX);
                prop_assert!(!it.text.contains(['`', '\n', '\r']));
                prop_assert_eq!(EpisodeTemplate::new(&it.text, true), Some(it));
            }
            let mut known = Vec::new();
            add_templates(&mut known, more.iter().filter_map(|it| EpisodeTemplate::new(it, false)));
            prop_assert!(known.len() <= TEMPLATES_MAX);
        }
    }
}
