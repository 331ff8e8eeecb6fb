//! Templates of an earlier run, as hashes of their words: enough to know them again, and no text.

use serde::{Deserialize, Serialize};

use super::{LogTemplate, SIMILARITY_MIN, words};
use crate::learned_state_codec::digest;
use crate::log_mask::{MASK, MASKED_BYTES_MAX};

/// Largest number of words of a template: each but the last one takes two bytes at least.
const WORDS_MAX: usize = MASKED_BYTES_MAX / 2 + 1;

/// A template without its text.
///
/// A hash of a word has 16 bits: of half a million words, about eight share one, so that a hash does not tell the word.
/// Templates of several words are told apart nonetheless.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearnedTemplate {
    words: Vec<u16>,
    /// Time of its first line, in seconds.
    pub first_at: f64,
    /// Time of its last line, in seconds.
    pub used_at: f64,
}

impl LearnedTemplate {
    pub(super) fn of(template: &LogTemplate) -> Self {
        let words = words(&template.text).map(hash).collect();
        Self { words, first_at: template.first_at, used_at: template.used_at }
    }

    /// Whether it can come from this program; stored bytes may be of anything.
    pub fn is_valid(&self) -> bool {
        (1..=WORDS_MAX).contains(&self.words.len()) && self.first_at.is_finite() && self.used_at.is_finite()
    }

    /// Share of words of a line that are equal, if the line may belong to it: with as many words and the same first one,
    /// unless that one is masked.
    fn similarity(&self, line: &[u16]) -> Option<f64> {
        let (own, other) = (self.words.first()?, line.first()?);
        let is_alike = self.words.len() == line.len() && (own == other || *own == hash(MASK));
        let equal = self.words.iter().zip(line).filter(|(own, other)| own == other).count();
        let share = equal as f64 / line.len() as f64;
        (is_alike && share >= SIMILARITY_MIN).then_some(share)
    }

    /// The words of this line that it has, with masks in place of the others.
    pub(super) fn text(&self, masked: &str) -> String {
        let own = words(masked).zip(&self.words);
        let common: Vec<&str> = own.map(|(word, own)| if hash(word) == *own { word } else { MASK }).collect();
        Some(common.join(" ")).filter(|it| it.len() <= MASKED_BYTES_MAX).unwrap_or_else(|| masked.to_owned())
    }
}

/// The place of the template to which a line belongs: the most similar one.
pub(super) fn find(templates: &[LearnedTemplate], masked: &str) -> Option<usize> {
    // Most lines are of templates that occurred since the start, and after a while all are.
    if templates.is_empty() {
        return None;
    }
    let line: Vec<u16> = words(masked).map(hash).collect();
    let found = templates.iter().enumerate().filter_map(|(place, it)| Some((place, it.similarity(&line)?)));
    found.max_by(|one, other| one.1.total_cmp(&other.1)).map(|it| it.0)
}

/// The same in each version of the program.
fn hash(word: &str) -> u16 {
    let whole = digest(word.as_bytes());
    (whole ^ (whole >> 16) ^ (whole >> 32) ^ (whole >> 48)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(text: &str) -> LearnedTemplate {
        LearnedTemplate::of(&LogTemplate::new(text, 1.0))
    }

    #[track_caller]
    fn check(known: &[&str], line: &str, expect: Option<&str>) {
        let known: Vec<LearnedTemplate> = known.iter().map(|it| learned(it)).collect();
        assert!(known.iter().all(LearnedTemplate::is_valid));
        let text = find(&known, line).and_then(|it| known.get(it)).map(|it| it.text(line));
        assert_eq!(text.as_deref(), expect, "{line}");
    }

    #[test]
    fn lines_belong_to_learned_templates_as_to_live_ones() {
        let known = ["Connected to <*> now", "Connected to alpha now", "<*> is ready", "Stopped"];
        check(&known, "Connected to alpha now", Some("Connected to alpha now"));
        check(&["Connected to <*> now"], "Connected to gamma now", Some("Connected to <*> now"));
        check(&["Connected to alpha now"], "Connected to gamma now", Some("Connected to <*> now"));
        check(&known, "Connected to gamma again", None);
        check(&known, "Disconnected to alpha now", None);
        check(&known, "Connected to alpha", None);
        check(&known, "nginx is ready", Some("<*> is ready"));
        check(&known, "Stopped", Some("Stopped"));
        check(&known, "Started", None);
    }

    #[test]
    fn what_no_template_can_be_is_refused() {
        let valid = learned("Stopped");
        for words in [Vec::new(), vec![1; WORDS_MAX + 1]] {
            assert!(!LearnedTemplate { words, ..valid.clone() }.is_valid());
        }
        assert!(!LearnedTemplate { used_at: f64::NAN, ..valid }.is_valid());
    }
}
