//! The devices in a file: filters them, and caches their labels.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::byte_text::file_name;
use super::filter_pattern::ExcludePattern;
use super::kernel_file::visible;
use crate::metric::Metric;
use crate::reading::{MetricLabels, MetricSample, Reading, with_name_hash};
use crate::signal::ReadingPair;

/// Largest number of devices of one file that are exposed; further ones are dropped and counted.
pub(super) const DEVICES_MAX: usize = 256;

/// Number of devices that the settings leave out and that are remembered, so that the pattern is tried once, from which on
/// those that are gone are forgotten.
const EXCLUDED_MAX: usize = 16 * DEVICES_MAX;

/// Largest number of devices named in a sentence.
const NAMES_MAX: usize = 4;

/// The devices of one file.
#[derive(Debug)]
pub(super) struct IncludedDevices {
    exclude: ExcludePattern,
    /// Directory of sysfs whose hardware is shown whatever its name.
    hardware: Option<PathBuf>,
    /// Devices that are exposed.
    known: Vec<IncludedDevice>,
    /// Devices that the settings leave out, with the last reading that contained each.
    excluded: BTreeMap<Box<str>, u64>,
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
struct IncludedDevice {
    name: Box<str>,
    labels: MetricLabels,
    /// The last reading that contained it.
    reading: u64,
}

impl IncludedDevices {
    pub(super) fn new(exclude: ExcludePattern) -> Self {
        Self {
            exclude,
            hardware: None,
            known: Vec::new(),
            excluded: BTreeMap::new(),
            next: 0,
            reading: 0,
            dropped: 0,
            repeated: <_>::default(),
        }
    }

    /// The same, but a device for which this directory of sysfs shows hardware is not left out.
    pub(super) fn with_hardware(self, directory: PathBuf) -> Self {
        Self { hardware: Some(directory), ..self }
    }

    /// The devices of the last reading with their labels, by their names in the file.
    pub(super) fn shown(&self) -> impl Iterator<Item = (&str, &MetricLabels)> {
        self.known.iter().map(|it| (&*it.name, &it.labels))
    }

    /// Starts a reading.
    pub(super) fn begin(&mut self) {
        self.next = 0;
        self.dropped = 0;
        self.repeated.0 = 0;
        if EXCLUDED_MAX < self.excluded.len() {
            let last = self.reading;
            self.excluded.retain(|_, reading| *reading == last);
        }
        self.reading += 1;
    }

    /// Whether the settings leave out a device.
    pub(super) fn is_left_out(&mut self, name: &str) -> bool {
        self.was_left_out(name) || (self.find(name).is_none() && self.excludes(name))
    }

    /// The labels of a device; `None` if it is left out, dropped, or a duplicate.
    pub(super) fn labels(&mut self, name: &str) -> Option<&MetricLabels> {
        // Most devices of a large host are left out.
        if !self.is_next(name) && self.was_left_out(name) {
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
    pub(super) fn labels_of_included(&mut self, name: &str) -> Option<&MetricLabels> {
        let idx = self.find(name).or_else(|| self.admit(name))?;
        self.use_device(idx)
    }

    /// The devices that the settings leave out.
    pub(super) fn left_out(&self) -> impl Iterator<Item = &str> {
        self.excluded.keys().map(|it| &**it)
    }

    fn use_device(&mut self, idx: usize) -> Option<&MetricLabels> {
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

    /// Whether this device was left out before.
    fn was_left_out(&mut self, name: &str) -> bool {
        let reading = self.reading;
        self.excluded.get_mut(name).map(|it| *it = reading).is_some()
    }

    /// Whether the settings leave out a new device.
    fn excludes(&mut self, name: &str) -> bool {
        let is_excluded = self.exclude.matches(&visible(name)) && !self.is_hardware(name);
        if is_excluded {
            self.excluded.insert(name.into(), self.reading);
        }
        is_excluded
    }

    fn is_hardware(&self, name: &str) -> bool {
        let device = self.hardware.as_ref().map(|it| it.join(file_name(name)).join("device"));
        device.is_some_and(|it| it.symlink_metadata().is_ok())
    }

    /// Notes the devices of the last reading that are not shown: those beyond the maximum, and second rows of a name.
    pub(super) fn note_dropped(&self, into: &mut Reading) {
        let (count, name) = &self.repeated;
        if 0 < *count {
            into.note_omission(
                *count,
                "repeated",
                format!("device {} is listed more than once; the first row counts", visible(name)),
            );
        }
        if self.dropped > 0 {
            into.note_omission(self.dropped, "devices", format!("there are more than {DEVICES_MAX} devices"));
        }
    }

    /// Notes that no device is judged because the settings leave out those that would be, as the members of a bond.
    pub(super) fn note_unjudged(&self, is_any_judged: bool, setting: &str, into: &mut Reading) {
        if is_any_judged || self.known.is_empty() || self.excluded.is_empty() {
            return;
        }
        let names: Vec<_> = self.excluded.keys().take(NAMES_MAX).map(|it| visible(it)).collect();
        let more = if NAMES_MAX < self.excluded.len() { ", …" } else { "" };
        let what = format!(
            "no device is judged, because the setting {setting} leaves out {}{more}; the others only pass on what these count",
            names.join(", ")
        );
        into.note_omission(self.known.len(), "unjudged", what);
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
        if DEVICES_MAX <= self.known.len() && !self.forget_unused() {
            self.dropped += 1;
            return None;
        }
        let place = self.next.min(self.known.len());
        let labels = MetricLabels::new([&*distinct_text(visible(name), name.as_bytes())]);
        self.known.insert(place, IncludedDevice { name: name.into(), labels, reading: 0 });
        Some(place)
    }

    /// Forgets the last known device that this reading has not listed so far, to make room for the next one. Returns whether
    /// there was such a device.
    fn forget_unused(&mut self) -> bool {
        let reading = self.reading;
        let Some(idx) = self.known.iter().rposition(|it| it.reading != reading) else { return false };
        self.known.remove(idx);
        if idx < self.next {
            self.next -= 1;
        }
        true
    }
}

/// Sorts the rows of devices if there are too many, so that the excess is of the highest rank. Rows of devices that the
/// settings leave out are removed first.
pub(super) fn most_important_first<T>(
    rows: &mut Vec<T>,
    mut is_left_out: impl FnMut(&T) -> bool,
    rank: impl Fn(&T) -> usize,
) {
    if rows.len() <= DEVICES_MAX {
        return;
    }
    rows.retain(|it| !is_left_out(it));
    if DEVICES_MAX < rows.len() {
        rows.sort_by_cached_key(rank);
    }
}

/// The label of a name that people see as this text. A name that is no text ends with a hash, so that its label does not
/// depend on other names that look like it.
pub(super) fn distinct_text<'a>(text: Cow<'a, str>, name: &[u8]) -> Cow<'a, str> {
    if text.contains(char::REPLACEMENT_CHARACTER) { with_name_hash(&text, name).into() } else { text }
}

/// The rates of a counter of the devices for which `counted` is 1, each `None` while its gain is unknown, as that of a device
/// that only one of the readings has, or whose kind is not known; `None` if the newer reading does not say which devices are counted.
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
) -> Option<impl Iterator<Item = (&'a MetricLabels, Option<f64>)> + use<'a>> {
    let ReadingPair { previous, current, elapsed } = *change;
    current.each(counted).next()?;
    // Both list the devices in the same order.
    let mut rates = change.rates(counter).peekable();
    let mut earlier = previous.each(counted).peekable();
    let present = current.each(counted).filter(|it| it.value > 0.0).filter_map(move |device| {
        let labels = &device.labels;
        let rate = match rates.next_if(|it| it.0 == labels) {
            Some((_, rate)) => Some(rate),
            None => ReadingPair { previous, current, elapsed }.rate_by(counter, labels),
        };
        let was_counted = match earlier.next_if(|it| it.labels == *labels) {
            Some(it) => Some(it.value),
            None => previous.get_by(counted, labels),
        };
        // What a device gained before it was counted, another one counted.
        was_counted.is_none_or(|it| it > 0.0).then_some((labels, was_counted.and(rate)))
    });
    // A device that is gone may be back in the next reading, and one whose kind is not known yet may be counted.
    let is_known = move |metric, it: &MetricSample| current.get_by(metric, &it.labels).is_some();
    let is_gone =
        move |it: &&MetricSample| it.value > 0.0 && !is_known(counted, it) && !is_known(counter, it);
    let mut kinds = current.each(counted).peekable();
    let is_unknown = move |it: &&MetricSample| {
        kinds.next_if(|kind| kind.labels == it.labels).is_none() && !is_known(counted, it)
    };
    let gone = previous.each(counted).filter(is_gone);
    let unknown = current.each(counter).filter(is_unknown);
    Some(present.chain(gone.chain(unknown).map(|it| (&it.labels, None))))
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
mod tests;
