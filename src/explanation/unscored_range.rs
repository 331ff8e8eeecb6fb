//! Finds the parts of a range without a score: hostnorm was not running, or was still learning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::HumanDuration;
use crate::episode_text;
use crate::reading::Timestamp;

/// Seconds without a score that say nothing: a restart, or scores that will be stored soon.
const USUAL_SECONDS: f64 = 120.0;
/// The same in points.
const USUAL_POINTS: f64 = 3.0;
/// Largest number of parts named.
const PARTS_MAX: usize = 10;

/// The time that an explanation is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExplainedTime {
    /// Its start.
    pub from: Timestamp,
    /// Its end, not in the future.
    pub to: Timestamp,
    /// Usual time from one point to the next, in seconds; 0 if unknown.
    pub point_seconds: f64,
}

/// A part of the range without a score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnscoredRange {
    /// Start, in Unix seconds.
    pub from: f64,
    /// End, in Unix seconds.
    pub to: f64,
}

impl UnscoredRange {
    fn seconds(&self) -> f64 {
        self.to - self.from
    }
}

/// The parts of a range without a score, the earliest first; usual short gaps do not count. Scores are given by the ends of
/// their points, the oldest first. Of more than [`PARTS_MAX`] parts, the longest are kept.
pub(super) fn unscored_ranges(
    time: Option<ExplainedTime>,
    scored: impl Iterator<Item = Timestamp>,
) -> Vec<UnscoredRange> {
    let Some(time) = time else { return Vec::new() };
    let usual = (USUAL_POINTS * time.point_seconds).max(USUAL_SECONDS);
    let mut known_until = time.from.0;
    let mut parts = Vec::new();
    let starts_and_ends = scored.map(|it| [it.0 - time.point_seconds, it.0]);
    for [from, to] in starts_and_ends.chain([[time.to.0, time.to.0]]) {
        if from - known_until > usual {
            parts.push(UnscoredRange { from: known_until, to: from });
        }
        known_until = known_until.max(to);
    }
    parts.sort_by(|one, other| other.seconds().total_cmp(&one.seconds()));
    parts.truncate(PARTS_MAX);
    parts.sort_by(|one, other| one.from.total_cmp(&other.from));
    parts
}

/// What a sentence says of these parts; nothing without any.
pub(super) fn unscored_text(parts: &[UnscoredRange]) -> String {
    let second = |it: f64| episode_text::second(Timestamp(it));
    let Some(longest) =
        parts.iter().copied().reduce(|one, other| if one.seconds() < other.seconds() { other } else { one })
    else {
        return String::new();
    };
    let [from, to] = [longest.from, longest.to].map(second);
    if parts.len() == 1 {
        return format!("; no score is stored from {from} to {to}");
    }
    let all = HumanDuration::nearest(parts.iter().map(UnscoredRange::seconds).sum::<f64>().round());
    format!("; no score is stored for {all} of this time, at longest from {from} to {to}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts without a score of the first hour, with points of 30 s, and what is said of them.
    fn check(scored: &[std::ops::RangeInclusive<u32>], expected: &[[f64; 2]], says: &str) {
        let time = ExplainedTime { from: Timestamp(0.0), to: Timestamp(3_600.0), point_seconds: 30.0 };
        let ends = scored.iter().cloned().flatten().map(|it| Timestamp(30.0 * f64::from(it)));
        let found = unscored_ranges(Some(time), ends);
        let parts: Vec<_> = found.iter().map(|it| [it.from, it.to]).collect();
        assert_eq!(parts, expected, "{scored:?}");
        assert_eq!(unscored_text(&found), says);
    }

    #[test]
    fn long_gaps_are_named_and_usual_ones_are_not() {
        check(&[1..=120], &[], "");
        // A restart, and scores that are not stored yet.
        check(&[1..=50, 55..=117], &[], "");
        let says = "; no score is stored from 1970-01-01T00:00:00Z to 1970-01-01T00:56:30Z";
        check(&[114..=120], &[[0.0, 3_390.0]], says);
        let says = "; no score is stored from 1970-01-01T00:10:00Z to 1970-01-01T00:50:00Z";
        check(&[1..=20, 101..=120], &[[600.0, 3_000.0]], says);
        let says = "; no score is stored for 45m of this time, at longest from 1970-01-01T00:30:00Z to 1970-01-01T01:00:00Z";
        check(&[1..=20, 51..=60], &[[600.0, 1_500.0], [1_800.0, 3_600.0]], says);
        let says = "; no score is stored from 1970-01-01T00:00:00Z to 1970-01-01T01:00:00Z";
        check(&[], &[[0.0, 3_600.0]], says);
    }

    #[test]
    fn the_longest_of_many_gaps_are_named() {
        let ends = (0..100).map(|it| Timestamp(1_000.0 * f64::from(it) + f64::from(it)));
        let time = ExplainedTime { from: Timestamp(0.0), to: Timestamp(99_099.0), point_seconds: 0.0 };
        let found = unscored_ranges(Some(time), ends);
        assert_eq!(found.len(), PARTS_MAX);
        assert!(found.is_sorted_by(|one, other| one.to <= other.from), "{found:?}");
    }
}
