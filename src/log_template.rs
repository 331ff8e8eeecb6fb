//! Kinds of lines, learned from masked messages by Drain.
//!
//! After He et al. 2017, "Drain: An Online Log Parsing Approach with Fixed Depth Tree" ([doi 10.1109/ICWS.2017.13](https://doi.org/10.1109/ICWS.2017.13)):
//! a tree by the number of words and the first word leads to few templates; the most similar one takes the line, and its
//! words that differ become masks. The number of templates is bounded; the one that was not used for longest goes.

use std::collections::BTreeMap;

use crate::log_mask::MASK;

mod learned_template;
mod usage;

pub use learned_template::LearnedTemplate;
pub use usage::{LogTemplate, RECENT_SECONDS, USUAL_SECONDS, decay};

/// Largest number of templates of a log.
pub const TEMPLATES_MAX: usize = 1_000;

/// Smallest share of equal words for a line to belong to a template. The paper's 0.5 merges lines of four words that differ in
/// two, which are often of different kinds; 0.6 still merges those of three that differ in one.
const SIMILARITY_MIN: f64 = 0.6;

/// Largest number of first words that are told apart among lines of the same number of words.
const FIRST_WORDS_MAX: usize = 100;

/// Where a template stands in its list; another one may take the place once it is gone.
type TemplateSlot = usize;

/// The templates of a log.
#[derive(Debug, Default)]
pub struct LogTemplates {
    /// By the number of words, then by the first word: places in the list.
    tree: BTreeMap<usize, BTreeMap<Box<str>, Vec<TemplateSlot>>>,
    list: Vec<LogTemplate>,
    /// Those of an earlier run that did not occur since the start.
    earlier: Vec<LearnedTemplate>,
    /// Templates that made room for others.
    evicted: u64,
}

/// What a line did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TemplateMatch {
    /// The place of its template in [`LogTemplates::each`], until one is evicted.
    pub place: usize,
    /// Whether it is the first line of it.
    pub is_new: bool,
}

impl LogTemplates {
    /// Takes a masked message at a time, in seconds; `weight` is the number of lines that it stands for.
    pub fn add(&mut self, masked: &str, at: f64, weight: f64) -> TemplateMatch {
        let count = words(masked).count();
        let mut is_new = false;
        let place = if let Some(place) = self.find(masked, count) {
            self.merge(place, masked);
            place
        } else if let Some(earlier) = learned_template::find(&self.earlier, masked) {
            let earlier = self.earlier.swap_remove(earlier);
            self.insert(&earlier.text(masked), count, earlier.first_at)
        } else {
            is_new = true;
            self.insert(masked, count, at)
        };
        if let Some(template) = self.list.get_mut(place) {
            template.count(at, weight);
        }
        TemplateMatch { place, is_new }
    }

    /// The most recently used templates, at most [`TEMPLATES_MAX`], without their texts.
    pub fn learned(&self) -> Vec<LearnedTemplate> {
        self.list.iter().map(LearnedTemplate::of).chain(self.earlier.iter().cloned()).collect()
    }

    /// Takes over the templates of an earlier run, at most [`TEMPLATES_MAX`], before the first line.
    pub fn restore(&mut self, learned: Vec<LearnedTemplate>) {
        self.earlier = learned;
    }

    /// Number of templates that are known.
    pub fn known(&self) -> usize {
        self.list.len() + self.earlier.len()
    }

    /// Every template that occurred since the start.
    pub fn each(&self) -> impl Iterator<Item = &LogTemplate> {
        self.list.iter()
    }

    /// The template at a place.
    pub fn get(&self, place: usize) -> Option<&LogTemplate> {
        self.list.get(place)
    }

    /// Number of templates that made room for others since the start.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The most similar template, if it is similar enough; the first of equal ones.
    fn find(&self, masked: &str, count: usize) -> Option<TemplateSlot> {
        let first = words(masked).next().unwrap_or_default();
        let by_first = self.tree.get(&count)?;
        let places = by_first.get(first).or_else(|| by_first.get(MASK))?;
        let mut best = None;
        for place in places {
            let Some(template) = self.list.get(*place) else { continue };
            let similarity = similarity(&template.text, masked, count);
            if best.is_none_or(|(_, most)| similarity > most) {
                best = Some((*place, similarity));
            }
        }
        best.filter(|it| it.1 >= SIMILARITY_MIN).map(|it| it.0)
    }

    /// Masks the words of a template that the line does not have.
    fn merge(&mut self, place: TemplateSlot, masked: &str) {
        let Some(template) = self.list.get_mut(place) else { return };
        if template.text == masked {
            return;
        }
        let common = |(own, other)| if own == other { own } else { MASK };
        let merged: Vec<&str> = words(&template.text).zip(words(masked)).map(common).collect();
        // A mask may be longer than the word, so a template may grow over its bound; then it stays as it is.
        let merged = merged.join(" ");
        if merged.len() <= crate::log_mask::MASKED_BYTES_MAX {
            template.text = merged;
        }
    }

    fn insert(&mut self, masked: &str, count: usize, at: f64) -> TemplateSlot {
        let template = LogTemplate::new(masked, at);
        self.make_room();
        let place = if self.list.len() < TEMPLATES_MAX {
            self.list.push(template);
            self.list.len() - 1
        } else {
            let place = self.evict();
            if let Some(old) = self.list.get_mut(place) {
                *old = template;
            }
            place
        };
        let by_first = self.tree.entry(count).or_default();
        let first = words(masked).next().unwrap_or_default();
        let first =
            if by_first.contains_key(first) || by_first.len() < FIRST_WORDS_MAX { first } else { MASK };
        by_first.entry(first.into()).or_default().push(place);
        place
    }

    /// Drops the least recently used template of an earlier run if there are too many.
    fn make_room(&mut self) {
        let by_use = |one: &(usize, &LearnedTemplate), other: &(usize, &LearnedTemplate)| {
            one.1.used_at.total_cmp(&other.1.used_at)
        };
        if self.known() >= TEMPLATES_MAX
            && let Some((place, _)) = self.earlier.iter().enumerate().min_by(by_use)
        {
            self.earlier.swap_remove(place);
            self.evicted += 1;
        }
    }

    /// Takes the least recently used template out of the tree; returns its place.
    fn evict(&mut self) -> TemplateSlot {
        self.evicted += 1;
        let oldest =
            self.list.iter().enumerate().min_by(|one, other| one.1.used_at.total_cmp(&other.1.used_at));
        let place = oldest.map_or(0, |it| it.0);
        for by_first in self.tree.values_mut() {
            for places in by_first.values_mut() {
                places.retain(|it| *it != place);
            }
            by_first.retain(|_, places| !places.is_empty());
        }
        self.tree.retain(|_, by_first| !by_first.is_empty());
        place
    }
}

fn words(masked: &str) -> impl Iterator<Item = &str> {
    masked.split(' ')
}

/// Share of words that are equal at the same place; 1 of none.
fn similarity(template: &str, masked: &str, count: usize) -> f64 {
    if template == masked {
        return f64::INFINITY;
    }
    let equal = words(template).zip(words(masked)).filter(|(own, other)| own == other).count();
    equal as f64 / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log_mask::{MASKED_BYTES_MAX, mask};

    fn texts(of: &LogTemplates) -> Vec<&str> {
        of.each().map(|it| &*it.text).collect()
    }

    #[test]
    fn lines_of_one_kind_share_a_template() {
        let mut templates = LogTemplates::default();
        for line in
            ["Connected to alpha now", "Connected to beta now", "Connected to 10.0.0.1 now", "Stopped all"]
        {
            templates.add(&mask(line), 1.0, 1.0);
        }
        assert_eq!(texts(&templates), ["Connected to <*> now", "Stopped all"]);
        assert!(!templates.add("Connected to gamma now", 2.0, 1.0).is_new);
        assert!(templates.add("Disconnected from gamma now", 2.0, 1.0).is_new);
        // Two words of four differ.
        assert!(templates.add("Connected to gamma again", 2.0, 1.0).is_new);
    }

    #[test]
    fn the_least_used_template_goes_first() {
        let mut templates = LogTemplates::default();
        let name = |idx: usize| {
            let letter = |it: usize| char::from(b'a' + (it % 26) as u8);
            format!("{}{}{} happened", letter(idx), letter(idx / 26), letter(idx / 676))
        };
        templates.add("kept", 0.0, 1.0);
        for idx in 0..3 * TEMPLATES_MAX {
            templates.add(&name(idx), 1.0 + idx as f64, 1.0);
            assert!(!templates.add("kept", 1.0 + idx as f64, 1.0).is_new);
        }
        assert!(templates.each().count() <= TEMPLATES_MAX);
    }

    proptest! {
        #[test]
        fn any_lines_keep_the_bounds(lines in prop::collection::vec("([a-d]{1,2} ){0,6}|\\PC{0,80}", 1..200)) {
            let mut templates = LogTemplates::default();
            for (idx, line) in lines.iter().enumerate() {
                let masked = mask(line);
                let matched = templates.add(&masked, idx as f64, 1.0);
                prop_assert!(templates.get(matched.place).is_some());
                // The same line again is never new.
                prop_assert!(!templates.add(&masked, idx as f64, 1.0).is_new);
            }
            prop_assert!(templates.each().all(|it| it.text.len() <= MASKED_BYTES_MAX));
        }
    }
}
