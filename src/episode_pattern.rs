//! The shape of episodes, and the verdicts of an operator on them.
//!
//! An episode that was rejected discounts later scores of the same shape: the same signals in the same directions and
//! proportions, no larger, at a similar time of day, for 30 days. A discount lowers only what a score exceeds the threshold
//! by, so what was unusual stays unusual. Episodes like a confirmed one are never discounted. Recurrence alone is no
//! verdict.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::reading::Timestamp;

/// Largest number of episodes of a subject whose shape is known without a verdict.
pub const RECENT_MAX: usize = 32;
/// Largest number of episodes of a subject with a verdict; the oldest rejected one makes room first.
pub const VERDICTS_MAX: usize = 64;
/// Largest number of signals in a shape, the largest contributions first.
pub const PARTS_MAX: usize = 5;
/// Seconds for which a rejected episode discounts others.
pub const REJECTED_SECONDS: f64 = 30.0 * DAY_SECONDS;

const DAY_SECONDS: f64 = 86_400.0;
/// The score from which there is something to discount.
const THRESHOLD: f64 = 1.0;
/// Smallest cosine between the contributions of two shapes that are alike.
const SIMILARITY_MIN: f64 = 0.8;
/// A score of more than this multiple of a rejected peak is another matter.
const SIZE_MAX: f64 = 1.5;
/// Largest distance of the times of day, in seconds.
const TIME_OF_DAY_MAX: f64 = 3.0 * 3_600.0;
/// What is left of the excess over the threshold for each rejected episode of the shape.
const EXCESS_FACTOR: f64 = 0.25;
/// Smallest factor, so that many verdicts discount no more than a few.
const EXCESS_FACTOR_MIN: f64 = EXCESS_FACTOR * EXCESS_FACTOR * EXCESS_FACTOR;

/// An operator's word on an episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperatorVerdict {
    /// It was a false alarm.
    Rejected,
    /// It was real.
    Confirmed,
}

impl OperatorVerdict {
    /// Its name in store and API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Confirmed => "confirmed",
        }
    }

    /// The verdict of a name.
    pub fn read(name: &str) -> Option<Self> {
        [Self::Rejected, Self::Confirmed].into_iter().find(|it| it.name() == name)
    }
}

/// The part of one signal in a shape.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PatternPart {
    /// Index of the signal.
    pub idx: usize,
    /// Whether it is above its expected value.
    pub is_high: bool,
    /// Its positive contribution to the score, in any unit.
    pub contribution: f64,
}

/// The shape of an episode at its peak.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpisodePattern {
    /// Start of the episode.
    pub since: Timestamp,
    /// Its highest score, before any discount.
    pub peak: f64,
    /// At most [`PARTS_MAX`] signals.
    pub parts: Vec<PatternPart>,
}

/// A shape with a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PatternVerdict {
    /// The shape.
    pub pattern: EpisodePattern,
    /// The verdict.
    pub verdict: OperatorVerdict,
    /// When it was given.
    pub at: Timestamp,
}

/// A score after its discount.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiscountedScore {
    /// The score.
    pub score: f64,
    /// Number of rejected episodes of the same shape; 0 without a discount.
    pub like_rejected: usize,
}

/// The shapes of the newest episodes of a subject, and of those with a verdict.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PatternMemory {
    recent: VecDeque<EpisodePattern>,
    verdicts: Vec<PatternVerdict>,
}

impl PatternMemory {
    /// Whether no episode is known.
    pub fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.verdicts.is_empty()
    }

    /// Discounts the score of an instant, if episodes like it were rejected. `since` is the start of the current episode,
    /// or the instant itself; `parts` are the contributions to the score.
    pub fn discount(
        &self,
        at: Timestamp,
        since: Timestamp,
        score: f64,
        parts: impl FnOnce() -> Vec<PatternPart>,
    ) -> DiscountedScore {
        let unchanged = DiscountedScore { score, like_rejected: 0 };
        if score <= THRESHOLD || self.verdicts.is_empty() {
            return unchanged;
        }
        let parts = parts();
        let alike = |it: &&PatternVerdict| cosine(&it.pattern.parts, &parts) >= SIMILARITY_MIN;
        let of = |verdict: OperatorVerdict| self.verdicts.iter().filter(move |it| it.verdict == verdict);
        if of(OperatorVerdict::Confirmed).any(|it| alike(&it)) {
            return unchanged;
        }
        let counts = |it: &&PatternVerdict| {
            (0.0..REJECTED_SECONDS).contains(&(at.0 - it.at.0))
                && score <= SIZE_MAX * it.pattern.peak
                && time_of_day_distance(since, it.pattern.since) <= TIME_OF_DAY_MAX
        };
        let like_rejected = of(OperatorVerdict::Rejected).filter(counts).filter(alike).count();
        let power = i32::try_from(like_rejected).unwrap_or(i32::MAX);
        let factor = EXCESS_FACTOR.powi(power).max(EXCESS_FACTOR_MIN);
        DiscountedScore { score: THRESHOLD + (score - THRESHOLD) * factor, like_rejected }
    }

    /// Whether contributions are like those of a confirmed episode.
    pub fn is_like_confirmed(&self, parts: impl FnOnce() -> Vec<PatternPart>) -> bool {
        let is_confirmed = |it: &&PatternVerdict| it.verdict == OperatorVerdict::Confirmed;
        let mut confirmed = self.verdicts.iter().filter(is_confirmed).peekable();
        if confirmed.peek().is_none() {
            return false;
        }
        let parts = parts();
        confirmed.any(|it| cosine(&it.pattern.parts, &parts) >= SIMILARITY_MIN)
    }

    /// Whether this score is the highest so far of the episode that started then.
    pub fn is_peak(&self, since: Timestamp, score: f64) -> bool {
        self.recent.back().is_none_or(|it| it.since != since || it.peak < score)
    }

    /// Records the shape of the current episode at its peak.
    pub fn record(&mut self, pattern: EpisodePattern) {
        if self.recent.back().is_some_and(|it| it.since == pattern.since) {
            self.recent.pop_back();
        }
        self.recent.push_back(pattern);
        while self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }

    /// Records the verdict on the episode that started in this second; returns whether it is known.
    pub fn judge(&mut self, second: Timestamp, verdict: OperatorVerdict, at: Timestamp) -> bool {
        let is_it = |it: &&EpisodePattern| (0.0..1.0).contains(&(it.since.0 - second.0.floor()));
        let verdicts = self.verdicts.iter().map(|it| &it.pattern);
        let Some(pattern) = self.recent.iter().chain(verdicts).find(is_it).cloned() else { return false };
        self.remember(PatternVerdict { pattern, verdict, at });
        true
    }

    /// Adds an episode of the past, unless it is known; a verdict replaces an earlier one.
    pub fn recall(&mut self, pattern: EpisodePattern, verdict: Option<(OperatorVerdict, Timestamp)>) {
        if let Some((verdict, at)) = verdict {
            let known = self.recent.iter().find(|it| it.since == pattern.since).cloned();
            let pattern = known.unwrap_or_else(|| pattern.clone());
            self.remember(PatternVerdict { pattern, verdict, at });
        }
        let place = self.recent.partition_point(|it| it.since < pattern.since);
        if self.recent.get(place).is_none_or(|it| it.since != pattern.since) {
            self.recent.insert(place, pattern);
        }
        while self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }

    fn remember(&mut self, new: PatternVerdict) {
        self.verdicts.retain(|it| it.pattern.since != new.pattern.since);
        if self.verdicts.len() >= VERDICTS_MAX {
            let rejected = self.verdicts.iter().position(|it| it.verdict == OperatorVerdict::Rejected);
            self.verdicts.remove(rejected.unwrap_or(0));
        }
        self.verdicts.push(new);
    }

    /// Whether it is one of a subject with this number of signals.
    pub fn fits(&self, width: usize) -> bool {
        let patterns = self.recent.iter().chain(self.verdicts.iter().map(|it| &it.pattern));
        let mut patterns = patterns.map(|it| &it.parts);
        self.recent.len() <= RECENT_MAX
            && self.verdicts.len() <= VERDICTS_MAX
            && patterns.all(|it| it.len() <= PARTS_MAX && it.iter().all(|it| it.idx < width))
    }
}

/// Cosine between the contributions of two shapes; 0 without a common signal in the same direction.
fn cosine(one: &[PatternPart], other: &[PatternPart]) -> f64 {
    let length = |it: &[PatternPart]| it.iter().map(|it| it.contribution.powi(2)).sum::<f64>().sqrt();
    let same = |a: &PatternPart, b: &PatternPart| (a.idx, a.is_high) == (b.idx, b.is_high);
    let products = one.iter().filter_map(|a| {
        let b = other.iter().find(|b| same(a, b))?;
        Some(a.contribution * b.contribution)
    });
    let lengths = length(one) * length(other);
    if lengths > 0.0 { products.sum::<f64>() / lengths } else { 0.0 }
}

/// Distance of two times of day, in seconds, at most half a day.
fn time_of_day_distance(one: Timestamp, other: Timestamp) -> f64 {
    let distance = (one.0 - other.0).rem_euclid(DAY_SECONDS);
    distance.min(DAY_SECONDS - distance)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: f64 = 1_795_953_600.0;
    const HOUR: f64 = 3_600.0;

    fn part(idx: usize, is_high: bool, contribution: f64) -> PatternPart {
        PatternPart { idx, is_high, contribution }
    }

    fn busy() -> Vec<PatternPart> {
        vec![part(0, true, 3.0), part(1, true, 1.0)]
    }

    fn pattern(since: f64, peak: f64) -> EpisodePattern {
        EpisodePattern { since: Timestamp(since), peak, parts: busy() }
    }

    /// A memory with one episode at noon with a peak of 4, and this verdict.
    fn memory_with(verdict: OperatorVerdict) -> PatternMemory {
        let mut memory = PatternMemory::default();
        memory.record(pattern(NOON, 4.0));
        assert!(memory.judge(Timestamp(NOON), verdict, Timestamp(NOON + HOUR)));
        memory
    }

    fn check(memory: &PatternMemory, at: f64, score: f64, parts: &[PatternPart], expect: (f64, usize)) {
        let found = memory.discount(Timestamp(at), Timestamp(at), score, || parts.to_vec());
        let rounded = (found.score * 1000.0).round() / 1000.0;
        assert_eq!((rounded, found.like_rejected), expect, "{score} at {at} with {parts:?}");
    }

    #[test]
    fn a_rejected_shape_is_discounted_where_it_matches() {
        let memory = memory_with(OperatorVerdict::Rejected);
        let day = NOON + DAY_SECONDS;
        check(&memory, day, 4.0, &busy(), (1.75, 1));
        check(&memory, day, 0.9, &busy(), (0.9, 0));
        check(&memory, day + 2.0 * HOUR, 6.0, &busy(), (2.25, 1));
        check(&memory, day, 6.1, &busy(), (6.1, 0));
        check(&memory, day + 4.0 * HOUR, 4.0, &busy(), (4.0, 0));
        check(&memory, day - 2.5 * HOUR, 4.0, &busy(), (1.75, 1));
        check(&memory, NOON + 31.0 * DAY_SECONDS, 4.0, &busy(), (4.0, 0));
        check(&memory, day, 4.0, &[part(0, false, 3.0), part(1, true, 1.0)], (4.0, 0));
        check(&memory, day, 4.0, &[part(0, true, 3.0), part(2, true, 3.0)], (4.0, 0));
    }

    #[test]
    fn each_rejection_counts_and_a_confirmation_ends_it() {
        let mut memory = memory_with(OperatorVerdict::Rejected);
        memory.record(pattern(NOON + DAY_SECONDS, 4.0));
        let at = Timestamp(NOON + DAY_SECONDS + HOUR);
        assert!(memory.judge(Timestamp(NOON + DAY_SECONDS), OperatorVerdict::Rejected, at));
        check(&memory, NOON + 2.0 * DAY_SECONDS, 5.0, &busy(), (1.25, 2));
        assert!(!memory.is_like_confirmed(busy));
        assert!(memory.judge(Timestamp(NOON), OperatorVerdict::Confirmed, at));
        check(&memory, NOON + 2.0 * DAY_SECONDS, 5.0, &busy(), (5.0, 0));
        assert!(memory.is_like_confirmed(busy) && !memory.is_like_confirmed(|| vec![part(0, false, 3.0)]));
    }

    #[test]
    fn recurrence_alone_discounts_nothing() {
        let mut memory = PatternMemory::default();
        (0..20).for_each(|day| memory.record(pattern(NOON + f64::from(day) * DAY_SECONDS, 4.0)));
        check(&memory, NOON + 20.0 * DAY_SECONDS, 4.0, &busy(), (4.0, 0));
    }

    #[test]
    fn a_shape_is_that_of_the_peak() {
        let mut memory = PatternMemory::default();
        assert!(memory.is_peak(Timestamp(NOON), 1.5));
        memory.record(pattern(NOON, 1.5));
        assert!(!memory.is_peak(Timestamp(NOON), 1.4) && memory.is_peak(Timestamp(NOON), 1.6));
        memory.record(pattern(NOON, 1.6));
        assert_eq!(memory.recent.len(), 1);
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut memory = PatternMemory::default();
        for idx in 0..200 {
            let since = Timestamp(NOON + f64::from(idx) * HOUR);
            memory.record(pattern(since.0, 2.0));
            let verdict = if idx == 0 { OperatorVerdict::Confirmed } else { OperatorVerdict::Rejected };
            assert!(memory.judge(since, verdict, since));
        }
        assert_eq!((memory.recent.len(), memory.verdicts.len()), (RECENT_MAX, VERDICTS_MAX));
        assert_eq!(memory.verdicts[0].verdict, OperatorVerdict::Confirmed, "rejected ones make room first");
        assert!(memory.fits(2) && !memory.fits(1));
        assert!(!memory.judge(Timestamp(1.0), OperatorVerdict::Rejected, Timestamp(2.0)), "unknown");
    }

    #[test]
    fn stored_episodes_are_recalled_once() {
        let mut memory = memory_with(OperatorVerdict::Rejected);
        let before = memory.clone();
        memory.recall(pattern(NOON, 4.0), Some((OperatorVerdict::Rejected, Timestamp(NOON + HOUR))));
        assert_eq!(memory, before);
        memory.recall(pattern(NOON - DAY_SECONDS, 2.0), None);
        assert_eq!(memory.recent.len(), 2);
        assert!(memory.judge(Timestamp(NOON - DAY_SECONDS), OperatorVerdict::Confirmed, Timestamp(NOON)));
    }

    proptest! {
        #[test]
        fn a_discount_never_crosses_the_threshold(
            score in 0.0..100.0_f64,
            peak in 1.0..100.0_f64,
            hours in 0.0..2_000.0_f64,
            contributions in proptest::collection::vec(0.01..10.0_f64, 1..5),
        ) {
            let parts: Vec<_> = contributions.iter().enumerate().map(|(idx, it)| part(idx, true, *it)).collect();
            let mut memory = PatternMemory::default();
            memory.record(EpisodePattern { since: Timestamp(NOON), peak, parts: parts.clone() });
            memory.judge(Timestamp(NOON), OperatorVerdict::Rejected, Timestamp(NOON));
            let at = Timestamp(NOON + hours * HOUR);
            let found = memory.discount(at, at, score, || parts);
            prop_assert!(found.score <= score);
            prop_assert_eq!(found.score >= 1.0, score >= 1.0);
            prop_assert_eq!(found.like_rejected > 0, found.score < score);
        }
    }
}
