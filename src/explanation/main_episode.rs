//! Chooses the episode that an explanation is about, and names the others.

use std::cmp::Ordering;

use super::EpisodeRecord;
use crate::reading::Timestamp;

/// Largest number of other episodes that a sentence describes.
const OTHERS_MAX: usize = 2;

/// The number of the episode to explain: the one at the instant asked about, else an open one, else that with the highest
/// peak; none without episodes.
pub fn main_episode(episodes: &[EpisodeRecord], at: Option<Timestamp>) -> Option<usize> {
    let is_there = |it: &EpisodeRecord| at.is_some_and(|at| it.contains(at));
    let by_rank = |one: &EpisodeRecord, other: &EpisodeRecord| {
        is_there(one).cmp(&is_there(other)).then_with(|| by_urgency(one, other))
    };
    let chosen = episodes
        .iter()
        .enumerate()
        .reduce(|one, other| if by_rank(other.1, one.1).is_gt() { other } else { one });
    chosen.map(|(idx, _)| idx)
}

/// Compares how much two episodes matter: an open one before others, then the higher peak.
fn by_urgency(one: &EpisodeRecord, other: &EpisodeRecord) -> Ordering {
    let is_open = |it: &EpisodeRecord| it.ended.is_none();
    is_open(one).cmp(&is_open(other)).then_with(|| one.peak.total_cmp(&other.peak))
}

/// The explained episode in words, then the others of its time.
pub(super) fn sentence(main: &EpisodeRecord, episodes: &[EpisodeRecord]) -> String {
    let mut others: Vec<&EpisodeRecord> = episodes.iter().filter(|it| it.id != main.id).collect();
    others.sort_by(|one, other| by_urgency(other, one));
    let left_out = others.len().saturating_sub(OTHERS_MAX);
    others.truncate(OTHERS_MAX);
    let mut sentences: Vec<String> = others.into_iter().map(EpisodeRecord::sentence).collect();
    if let Some(first) = sentences.first_mut() {
        *first = format!("Also in this time: {first}");
    }
    sentences.insert(0, main.sentence());
    sentences.extend((left_out > 0).then(|| match left_out {
        1 => "And 1 more episode".to_owned(),
        more => format!("And {more} more episodes"),
    }));
    sentences.join(". ")
}
