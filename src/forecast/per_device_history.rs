//! The histories of the single devices of a signal, such as mounts: the filesystem that fills first need not be the fullest.

use serde::{Deserialize, Serialize};

use super::point_history::{HistoryCapacity, PointHistory};
use super::time_until_full::{TimeUntilFull, time_until_full};
use crate::reading::Timestamp;
use crate::window::Point;

/// Most devices of one signal that are followed; of more, those that were the fullest when there was a place. The fullest of
/// all is always followed, by the signal itself.
pub const FOLLOWED_DEVICES_MAX: usize = 16;

/// The values of the devices of one signal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PerDeviceHistory {
    /// The device of each column.
    names: Vec<String>,
    history: PointHistory,
}

impl PerDeviceHistory {
    /// Knows no device yet.
    pub fn new(capacity: HistoryCapacity) -> Self {
        Self { names: Vec::new(), history: PointHistory::new(FOLLOWED_DEVICES_MAX, capacity) }
    }

    /// Whether this can go on in the place of a new one with this capacity.
    pub(crate) fn fits(&self, capacity: HistoryCapacity) -> bool {
        self.names.len() <= FOLLOWED_DEVICES_MAX && self.history.fits(&Self::new(capacity).history)
    }

    /// Takes the values of all devices at an instant, if it is time for them.
    pub fn push(&mut self, at: Timestamp, mut devices: Vec<(&str, f64)>) {
        devices.sort_by(|one, other| other.1.total_cmp(&one.1));
        let mut point =
            Point { at, values: vec![0.0; FOLLOWED_DEVICES_MAX], missing: vec![true; FOLLOWED_DEVICES_MAX] };
        for (name, value) in devices {
            if let Some(idx) = self.column(name, &point.missing) {
                (point.values[idx], point.missing[idx]) = (value, false);
            }
        }
        self.history.push(&point);
    }

    /// The device that is full first, and when.
    pub fn first_full(&self, now: Timestamp) -> Option<(&str, TimeUntilFull)> {
        let times = self.names.iter().enumerate().filter_map(|(idx, name)| {
            let time = time_until_full(&self.history, idx, now)?;
            Some((name.as_str(), time))
        });
        times.min_by(|one, other| one.1.cmp_urgency(&other.1))
    }

    /// The column of a device: its own, a new one, or that of a device that was away for as long as anything is known.
    fn column(&mut self, name: &str, missing: &[bool]) -> Option<usize> {
        if let Some(known) = self.names.iter().position(|it| it == name) {
            return Some(known);
        }
        if self.names.len() < FOLLOWED_DEVICES_MAX {
            self.names.push(name.to_owned());
            return Some(self.names.len() - 1);
        }
        let free = (0..FOLLOWED_DEVICES_MAX).find(|idx| missing[*idx] && self.history.is_unknown(*idx))?;
        name.clone_into(&mut self.names[free]);
        Some(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: HistoryCapacity = HistoryCapacity { fine: 30, coarse: 3 };

    fn push(history: &mut PerDeviceHistory, minute: u32, devices: &[(&str, f64)]) {
        history.push(Timestamp(f64::from(minute) * 60.0), devices.to_vec());
    }

    #[test]
    fn the_device_that_is_full_first_is_found_among_fuller_ones() {
        let mut history = PerDeviceHistory::new(CAPACITY);
        for minute in 0..30 {
            let share = f64::from(minute) / 60.0;
            push(&mut history, minute, &[("/", 0.85), ("/data", 0.2 + share), ("/var", 0.2 + share / 2.0)]);
        }
        let (name, time) = history.first_full(Timestamp(29.0 * 60.0)).unwrap();
        assert_eq!(name, "/data");
        assert!(time.earliest_seconds <= 1_140.0, "{time:?}");
    }

    #[test]
    fn devices_are_bounded_and_those_that_are_gone_make_room() {
        let names: Vec<String> = (0..=FOLLOWED_DEVICES_MAX).map(|it| format!("/{it}")).collect();
        let devices: Vec<(&str, f64)> =
            names.iter().enumerate().map(|(idx, it)| (it.as_str(), idx as f64 / 100.0)).collect();
        let mut history = PerDeviceHistory::new(CAPACITY);
        push(&mut history, 0, &devices);
        assert_eq!(history.names.len(), FOLLOWED_DEVICES_MAX);
        assert!(!history.names.contains(&names[0]), "the emptiest is left out");
        for minute in 1..=40 {
            push(&mut history, minute, &devices[2..]);
        }
        push(&mut history, 41, &devices);
        assert_eq!(history.names.len(), FOLLOWED_DEVICES_MAX);
        assert!(history.names.contains(&names[1]), "it was not away for long enough");
    }
}
