//! The devices in a file: filters them, and caches their labels.

use std::collections::BTreeSet;

use super::exclude_pattern::ExcludePattern;
use super::kernel_file::visible;
use crate::metric::Metric;
use crate::reading::{Labels, Reading, name_hash};
use crate::signal::ReadingPair;

/// Largest number of devices of one file that are exposed; further ones are dropped and counted.
pub(super) const DEVICES_MAX: usize = 256;

/// Largest number of devices that the settings leave out and that are remembered, so that the pattern is tried once.
const EXCLUDED_MAX: usize = 16 * DEVICES_MAX;

/// Largest number of devices named in a sentence.
const NAMES_MAX: usize = 4;

/// The devices of one file.
#[derive(Debug)]
pub(super) struct Devices {
    exclude: ExcludePattern,
    /// Devices that are exposed.
    known: Vec<Device>,
    /// Devices that the settings leave out.
    excluded: BTreeSet<Box<str>>,
    /// Expected index of the next device: files keep their order from tick to tick.
    next: usize,
    /// Number of the reading, to detect removed devices.
    reading: u64,
    /// Devices of this reading beyond the maximum.
    dropped: usize,
    /// Rows of this reading with the name of an earlier one, and the first such name.
    repeated: (usize, Box<str>),
}

#[derive(Debug)]
struct Device {
    name: Box<str>,
    labels: Labels,
    /// The last reading that contained it.
    reading: u64,
}

impl Devices {
    pub(super) fn new(exclude: ExcludePattern) -> Self {
        Self {
            exclude,
            known: Vec::new(),
            excluded: BTreeSet::new(),
            next: 0,
            reading: 0,
            dropped: 0,
            repeated: <_>::default(),
        }
    }

    /// Starts a reading.
    pub(super) fn begin(&mut self) {
        self.next = 0;
        self.dropped = 0;
        self.repeated.0 = 0;
        self.reading += 1;
    }

    /// The labels of a device; `None` if it is left out, dropped, or a duplicate.
    pub(super) fn labels(&mut self, name: &str) -> Option<&Labels> {
        // Most devices of a large host are left out.
        if !self.is_next(name) && self.excluded.contains(name) {
            return None;
        }
        let idx = match self.find(name) {
            Some(idx) => idx,
            None if self.excludes(name) => return None,
            None => self.admit(name)?,
        };
        self.use_device(idx)
    }

    /// The same for a device that the settings do not leave out, although its name says so.
    pub(super) fn labels_of_included(&mut self, name: &str) -> Option<&Labels> {
        let idx = self.find(name).or_else(|| self.admit(name))?;
        self.use_device(idx)
    }

    fn use_device(&mut self, idx: usize) -> Option<&Labels> {
        self.next = idx + 1;
        let device = self.known.get_mut(idx)?;
        let is_duplicate = device.reading == self.reading;
        device.reading = self.reading;
        if is_duplicate {
            if self.repeated.0 == 0 {
                self.repeated.1.clone_from(&device.name);
            }
            self.repeated.0 += 1;
        }
        (!is_duplicate).then_some(&device.labels)
    }

    fn is_next(&self, name: &str) -> bool {
        self.known.get(self.next).is_some_and(|it| *it.name == *name)
    }

    /// Whether the settings leave out a new device.
    fn excludes(&mut self, name: &str) -> bool {
        let is_excluded = self.exclude.matches(&visible(name));
        if is_excluded {
            if EXCLUDED_MAX <= self.excluded.len() {
                self.excluded.clear();
            }
            self.excluded.insert(name.into());
        }
        is_excluded
    }

    /// Notes the devices of the last reading that are not shown: those beyond the maximum, and second rows of a name.
    pub(super) fn note_dropped(&self, into: &mut Reading) {
        let (count, name) = &self.repeated;
        if 0 < *count {
            into.omit(
                *count,
                "repeated",
                format!("device {} is listed more than once; the first row counts", visible(name)),
            );
        }
        if self.dropped > 0 {
            into.omit(self.dropped, "devices", format!("there are more than {DEVICES_MAX} devices"));
        }
    }

    /// Notes that no device is judged because the settings leave out those that would be, as the members of a bond.
    pub(super) fn note_unjudged(&self, is_any_judged: bool, setting: &str, into: &mut Reading) {
        if is_any_judged || self.known.is_empty() || self.excluded.is_empty() {
            return;
        }
        let names: Vec<_> = self.excluded.iter().take(NAMES_MAX).map(|it| visible(it)).collect();
        let more = if NAMES_MAX < self.excluded.len() { ", …" } else { "" };
        let what = format!(
            "no device is judged, because the setting {setting} leaves out {}{more}; the others only pass on what these count",
            names.join(", ")
        );
        into.omit(self.known.len(), "unjudged", what);
    }

    /// Ends a reading: removes devices that are gone, so that they do not fill the table.
    pub(super) fn end(&mut self) -> DroppedDevices {
        let reading = self.reading;
        self.known.retain(|it| it.reading == reading);
        DroppedDevices(self.dropped)
    }

    /// The place of a device: files list them in a stable order, so it is usually the next one.
    fn find(&self, name: &str) -> Option<usize> {
        let (before, after) = self.known.split_at(self.next.min(self.known.len()));
        let later = after.iter().position(|it| *it.name == *name).map(|it| it + before.len());
        later.or_else(|| before.iter().position(|it| *it.name == *name))
    }

    fn admit(&mut self, name: &str) -> Option<usize> {
        if DEVICES_MAX <= self.known.len() {
            self.dropped += 1;
            return None;
        }
        let place = self.next.min(self.known.len());
        let device = Device { name: name.into(), labels: self.distinct_labels(name), reading: 0 };
        self.known.insert(place, device);
        Some(place)
    }

    /// The name as people see it; of names that look alike, all but the first end with a hash.
    fn distinct_labels(&self, name: &str) -> Labels {
        let labels = Labels::new([&*visible(name)]);
        if self.known.iter().any(|it| it.labels == labels) {
            return Labels::new([format!("{}~{}", visible(name), name_hash(name.as_bytes())).as_str()]);
        }
        labels
    }
}

/// The rates of a counter of the devices for which `counted` is 1 in both readings, each `None` while its gain is unknown;
/// `None` if the newer reading does not say which devices are counted.
pub(super) fn counted_rates<'a>(
    change: &ReadingPair<'a>,
    counter: &'static Metric,
    counted: &'static Metric,
) -> Option<impl Iterator<Item = Option<f64>>> {
    Some(counted_devices(change, counter, counted)?.map(|it| it.1))
}

/// The same with the labels of each device.
pub(super) fn counted_devices<'a>(
    change: &ReadingPair<'a>,
    counter: &'static Metric,
    counted: &'static Metric,
) -> Option<impl Iterator<Item = (&'a Labels, Option<f64>)> + use<'a>> {
    let ReadingPair { before, now, elapsed } = *change;
    now.each(counted).next()?;
    // Both list the devices in the same order.
    let mut rates = change.rates(counter).peekable();
    let mut earlier = before.each(counted).peekable();
    Some(now.each(counted).filter_map(move |device| {
        let labels = &device.labels;
        let rate = match rates.next_if(|it| it.0 == labels) {
            Some((_, rate)) => Some(rate),
            None => ReadingPair { before, now, elapsed }.rate_by(counter, labels),
        };
        let was_counted = match earlier.next_if(|it| it.labels == *labels) {
            Some(it) => Some(it.value),
            None => before.get_by(counted, labels),
        };
        (device.value > 0.0 && was_counted.is_some_and(|it| it > 0.0)).then_some((labels, rate))
    }))
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
    use proptest::prelude::*;

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
    fn a_second_row_of_a_name_is_counted() {
        let mut devices = Devices::new(ExcludePattern::default());
        for _ in 0..2 {
            check(&mut devices, &["sda", "sdb", "sdb", "sda"], &["sda", "sdb"], 0);
            let mut reading = Reading::default();
            devices.note_dropped(&mut reading);
            let expect = "device sdb is listed more than once; the first row counts";
            assert_eq!((reading.omissions[0].count, &*reading.omissions[0].what), (2, expect));
        }
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
    }

    #[test]
    fn devices_that_are_left_out_do_not_count() {
        let names = (0..5 * EXCLUDED_MAX / 4).map(|it| format!("tap{it}")).collect::<Vec<_>>();
        let names = names.iter().map(String::as_str).chain(["eno1"]).collect::<Vec<_>>();
        let mut devices = Devices::new(ExcludePattern::known("^tap"));
        for _ in 0..2 {
            check(&mut devices, &names, &["eno1"], 0);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_not_left_out_is_shown_or_counted_and_distinct(
            names in prop::collection::btree_set("(tap|e)[a-c\u{10FF80}-\u{10FF82}]{0,3}(x{130})?", 0..400),
        ) {
            let mut devices = Devices::new(ExcludePattern::known("^tap"));
            devices.begin();
            let labels: Vec<Labels> = names.iter().filter_map(|it| devices.labels(it).cloned()).collect();
            let wanted = names.iter().filter(|it| !it.starts_with("tap")).count();
            prop_assert_eq!(f64::from(devices.end()) as usize + labels.len(), wanted);
            let distinct: BTreeSet<&Labels> = labels.iter().collect();
            prop_assert_eq!(distinct.len(), labels.len());
        }
    }
}
