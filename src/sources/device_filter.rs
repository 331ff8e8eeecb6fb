//! The devices in a file: filters them, and caches their labels.

use super::exclude_pattern::ExcludePattern;
use crate::reading::{LABEL_BYTES_MAX, Labels};

/// Largest number of devices of one file that are exposed; further ones are dropped and counted.
pub(super) const DEVICES_MAX: usize = 256;

/// Largest number of devices stored, including those that the settings leave out.
const KNOWN_MAX: usize = 4 * DEVICES_MAX;

/// The devices of one file.
#[derive(Debug)]
pub(super) struct Devices {
    exclude: ExcludePattern,
    known: Vec<Device>,
    /// Expected index of the next device: files keep their order from tick to tick.
    next: usize,
    /// Number of exposed devices.
    shown: usize,
    /// Number of the reading, to detect removed devices.
    reading: u64,
    /// Devices of this reading beyond the maximum.
    dropped: usize,
}

#[derive(Debug)]
struct Device {
    name: Box<str>,
    /// `None` for a device that the settings leave out.
    labels: Option<Labels>,
    /// The last reading that contained it.
    reading: u64,
}

impl Devices {
    pub(super) fn new(exclude: ExcludePattern) -> Self {
        Self { exclude, known: Vec::new(), next: 0, shown: 0, reading: 0, dropped: 0 }
    }

    /// Starts a reading.
    pub(super) fn begin(&mut self) {
        self.next = 0;
        self.dropped = 0;
        self.reading += 1;
    }

    /// The labels of a device; `None` if it is left out, dropped, or a duplicate.
    pub(super) fn labels(&mut self, name: &str) -> Option<&Labels> {
        let idx = self.find(name).or_else(|| self.admit(name))?;
        self.next = idx + 1;
        let device = self.known.get_mut(idx)?;
        let is_duplicate = device.reading == self.reading;
        device.reading = self.reading;
        device.labels.as_ref().filter(|_| !is_duplicate)
    }

    /// Ends a reading: removes devices that are gone, so that they do not fill the table.
    pub(super) fn end(&mut self) -> DroppedDevices {
        let reading = self.reading;
        self.known.retain(|it| it.reading == reading);
        self.shown = self.known.iter().filter(|it| it.labels.is_some()).count();
        DroppedDevices(self.dropped)
    }

    fn find(&self, name: &str) -> Option<usize> {
        if self.known.get(self.next).is_some_and(|it| *it.name == *name) {
            return Some(self.next);
        }
        self.known.iter().position(|it| *it.name == *name)
    }

    fn admit(&mut self, name: &str) -> Option<usize> {
        let wanted = !self.exclude.matches(name);
        let full = self.known.len() >= KNOWN_MAX || (wanted && self.shown >= DEVICES_MAX);
        // A longer name would be truncated, and two devices could become one.
        if full || LABEL_BYTES_MAX < name.len() {
            self.dropped += usize::from(wanted);
            return None;
        }
        self.shown += usize::from(wanted);
        let labels = wanted.then(|| Labels::new([name]));
        self.known.push(Device { name: name.into(), labels, reading: 0 });
        Some(self.known.len() - 1)
    }
}

/// Number of devices of a reading beyond the maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DroppedDevices(usize);

impl From<DroppedDevices> for f64 {
    fn from(dropped: DroppedDevices) -> Self {
        dropped.0 as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(devices: &mut Devices, names: &[&str], shown: &[&str], dropped: usize) {
        devices.begin();
        let labels = names.iter().filter_map(|it| devices.labels(it).cloned()).collect::<Vec<_>>();
        let seen = labels.iter().map(|it| &*it.values()[0]).collect::<Vec<_>>();
        assert_eq!(seen, shown);
        assert_eq!(devices.end(), DroppedDevices(dropped));
    }

    #[test]
    fn devices_come_go_and_change_places() {
        let mut devices = Devices::new(ExcludePattern::known("^loop"));
        check(&mut devices, &["sda", "loop0", "sdb"], &["sda", "sdb"], 0);
        check(&mut devices, &["sdb", "loop0", "sdc"], &["sdb", "sdc"], 0);
        check(&mut devices, &["sda", "sdb", "sdc"], &["sda", "sdb", "sdc"], 0);
        check(&mut devices, &[], &[], 0);
    }

    #[test]
    fn a_device_is_shown_once() {
        check(&mut Devices::new(ExcludePattern::default()), &["sda", "sda", "sda"], &["sda"], 0);
    }

    #[test]
    fn the_excess_is_counted() {
        let names = (0..DEVICES_MAX + 7).map(|it| format!("sd{it}")).collect::<Vec<_>>();
        let names = names.iter().map(String::as_str).collect::<Vec<_>>();
        let mut devices = Devices::new(ExcludePattern::default());
        check(&mut devices, &names, &names[..DEVICES_MAX], 7);
        check(
            &mut devices,
            &names[20..],
            &[&names[20..DEVICES_MAX], &names[DEVICES_MAX..]].concat()[..DEVICES_MAX - 20],
            7,
        );
        let long = "x".repeat(LABEL_BYTES_MAX + 1);
        check(&mut devices, &[&long], &[], 1);
    }
}
