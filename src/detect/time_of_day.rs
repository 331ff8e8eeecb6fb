//! The time-of-day profile: the usual difference of each signal from its level at this hour.
//!
//! Step 1 of the pipeline. A day has up to 96 slots. At the end of a slot, its mean enters the profile with a weight of one
//! in seven days; between the centers of two slots, the profile is interpolated. It is shrunk while few days are known, and
//! unused until both slots were seen twice.

use serde::{Deserialize, Serialize};

use super::LearnOptions;
use crate::learned_state_codec;
use crate::reading::Timestamp;
use crate::time_zone::TimeZone;
use crate::window::Point;

/// Largest number of slots in a day: a quarter of an hour each.
const SLOTS_MAX: usize = 96;
/// Smallest weight of the mean of a slot, as one of this many days.
const DAYS: f64 = 7.0;
/// Smallest number of days for a profile.
const VISITS_MIN: f64 = 2.0;
const DAY_SECONDS: f64 = 86_400.0;

/// The profile of all signals of one subject.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TimeOfDayProfile {
    points_per_day: f64,
    slots: Vec<TimeSlot>,
    /// Slow mean of each signal; the profile is the difference from it.
    level: Vec<f64>,
    /// Points in `level`, as a sum of weights.
    points: f64,
    open: Option<OpenSlot>,
    /// The zone of the day.
    #[serde(skip)]
    time_zone: TimeZone,
}

/// The history of one slot of the day.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct TimeSlot {
    /// The usual difference of each signal from its level.
    profile: Vec<f64>,
    /// Number of days on which it was seen.
    visits: f64,
}

/// The current slot.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct OpenSlot {
    slot: usize,
    sums: Vec<f64>,
    /// Sum of the weights of its points.
    weight: f64,
    /// Sum of their weights outside episodes.
    whole: f64,
}

impl TimeOfDayProfile {
    /// Creates a profile without history.
    pub fn new(signals: usize, points_per_day: f64, time_zone: TimeZone) -> Self {
        let count = (points_per_day as usize).clamp(1, SLOTS_MAX);
        let slot = TimeSlot { profile: vec![0.0; signals], visits: 0.0 };
        Self {
            points_per_day: points_per_day.max(1.0),
            slots: vec![slot; count],
            level: vec![0.0; signals],
            points: 0.0,
            open: None,
            time_zone,
        }
    }

    /// Takes what is not serialized from `fresh`.
    pub(super) fn complete(&mut self, fresh: &Self) {
        self.time_zone.clone_from(&fresh.time_zone);
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(super) fn fits(&self, fresh: &Self) -> bool {
        let signals = self.level.len();
        signals == fresh.level.len()
            && self.slots.len() == fresh.slots.len()
            && self.slots.iter().all(|it| it.profile.len() == signals)
            && self.open.as_ref().is_none_or(|it| it.slot < self.slots.len() && it.sums.len() == signals)
            && learned_state_codec::is_bit_equal(self.points_per_day, fresh.points_per_day)
    }

    /// What the clock on the wall shows at an instant, in seconds.
    pub fn local_seconds(&self, at: Timestamp) -> f64 {
        self.time_zone.local_seconds(at)
    }

    /// Position of this time in the day, in slots.
    fn position(&self, at: Timestamp) -> f64 {
        let share = self.local_seconds(at).rem_euclid(DAY_SECONDS) / DAY_SECONDS;
        share * self.slots.len() as f64
    }

    fn slot(&self, at: Timestamp) -> usize {
        (self.position(at) as usize).min(self.slots.len() - 1)
    }

    /// Closes the current slot if this time lies in another; call it before anything else at `at`.
    pub fn advance_to(&mut self, at: Timestamp) {
        let now = self.slot(at);
        let Some(OpenSlot { slot, sums, weight, whole }) = self.open.take_if(|it| it.slot != now) else {
            return;
        };
        if weight <= 0.0 {
            return;
        }
        let slot = &mut self.slots[slot];
        // A slot spent in an episode counts as part of a visit only.
        let part = (weight / whole).min(1.0);
        slot.visits += part;
        let a = part * (1.0 / slot.visits).max(1.0 / DAYS).min(1.0 / part);
        slot.profile.iter_mut().zip(sums).for_each(|(p, sum)| *p += a * (sum / weight - *p));
    }

    /// Expected difference of each signal from its level at this time; `None` until this time of day is known.
    pub fn offsets(&self, at: Timestamp) -> Option<Vec<f64>> {
        let count = self.slots.len();
        let from_middle = self.position(at) - 0.5;
        let before = from_middle.floor().rem_euclid(count as f64) as usize % count;
        let (old, new) = (&self.slots[before], &self.slots[(before + 1) % count]);
        let visits = old.visits.min(new.visits);
        if visits < VISITS_MIN {
            return None;
        }
        let share = from_middle - from_middle.floor();
        let shrink = visits / (visits + 1.0);
        let profiles = old.profile.iter().zip(&new.profile).zip(&self.level);
        Some(
            profiles
                .map(|((old, new), level)| shrink * ((1.0 - share) * old + share * new - level))
                .collect(),
        )
    }

    /// Learns the point. Missing signals count with their last known value.
    pub fn learn(&mut self, point: &Point, learn_options: LearnOptions, whole: f64) {
        let slot = self.slot(point.at);
        let signals = self.level.len();
        let open = self.open.get_or_insert_with(|| OpenSlot {
            slot,
            sums: vec![0.0; signals],
            weight: 0.0,
            whole: 0.0,
        });
        open.sums.iter_mut().zip(&point.values).for_each(|(sum, value)| *sum += learn_options.weight * value);
        open.weight += learn_options.weight;
        open.whole += whole;
        let share = 1.0 / (self.points + learn_options.weight);
        let a = learn_options.weight * share.max(1.0 / (DAYS * self.points_per_day));
        self.level.iter_mut().zip(&point.values).for_each(|(level, value)| *level += a * (value - *level));
        self.points += learn_options.weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: f64 = 3_600.0;

    /// A signal that is 10 by day and 0 by night, for this many days of hourly points.
    fn learned(days: usize, value: impl Fn(f64) -> f64) -> TimeOfDayProfile {
        let mut season = TimeOfDayProfile::new(1, 24.0, TimeZone::default());
        for hour in 0..24 * days {
            let at = Timestamp(hour as f64 * HOUR);
            season.advance_to(at);
            let point = Point { at, values: vec![value(hour as f64)], missing: vec![false] };
            season.learn(&point, LearnOptions { weight: 1.0, step: true, in_episode: false }, 1.0);
        }
        season.advance_to(Timestamp((24 * days) as f64 * HOUR));
        season
    }

    fn day_and_night(hour: f64) -> f64 {
        if (8.0..20.0).contains(&(hour % 24.0)) { 10.0 } else { 0.0 }
    }

    fn check(season: &TimeOfDayProfile, hour: f64, expected: Option<f64>) {
        let found = season.offsets(Timestamp(hour * HOUR)).map(|it| it[0]);
        match (found, expected) {
            (Some(found), Some(expected)) => {
                assert!((found - expected).abs() < 0.05, "at {hour} h: {found}, expected {expected}");
            }
            (found, expected) => assert_eq!(found, expected, "at {hour} h"),
        }
    }

    #[test]
    fn it_is_silent_until_two_days_are_known() {
        check(&learned(0, day_and_night), 12.0, None);
        check(&learned(1, day_and_night), 12.0, None);
        // Two visits: two thirds of the way.
        check(&learned(2, day_and_night), 12.5, Some(5.0 * 2.0 / 3.0));
    }

    #[test]
    fn the_profile_is_interpolated_between_slots() {
        let season = learned(60, day_and_night);
        let shrunk = 60.0 / 61.0;
        // The level oscillates slightly around 5, because it is a mean over only seven days.
        let level = season.level[0];
        check(&season, 12.5, Some(shrunk * (10.0 - level)));
        check(&season, 2.5, Some(shrunk * (0.0 - level)));
        check(&season, 8.0, Some(shrunk * (5.0 - level)));
        check(&season, 7.75, Some(shrunk * (2.5 - level)));
    }

    #[test]
    fn a_slot_in_an_episode_counts_for_little() {
        let mut season = learned(10, |_| 0.0);
        let at = Timestamp(240.0 * HOUR);
        let point = Point { at, values: vec![100.0], missing: vec![false] };
        season.learn(&point, LearnOptions { weight: 0.2, step: true, in_episode: true }, 1.0);
        season.advance_to(Timestamp(241.0 * HOUR));
        assert!((season.slots[0].profile[0] - 100.0 * 0.2 / DAYS).abs() < 1e-9, "{:?}", season.slots[0]);
        assert!((season.slots[0].visits - 10.2).abs() < 1e-9);
    }

    #[test]
    fn a_clock_step_closes_the_slot() {
        let mut season = learned(3, day_and_night);
        for at in [-5.0, 1e12, f64::MAX, 0.0] {
            season.advance_to(Timestamp(at));
            assert!(season.offsets(Timestamp(at)).is_some_and(|it| it[0].is_finite()));
        }
    }
}
