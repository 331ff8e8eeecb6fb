//! Block devices that consist of others, so that bytes of a group count once.

use std::path::PathBuf;

/// Block devices that consist of others, whose I/O would count twice.
#[derive(Debug)]
pub(super) struct StackedBlockDevices {
    /// `/sys/dev/block`.
    directory: PathBuf,
    /// Devices that were looked up, by number.
    known: Vec<(Box<str>, bool)>,
}

/// Largest number of devices that are remembered; further ones are looked up each time.
const DEVICES_MAX: usize = 256;

impl StackedBlockDevices {
    /// Devices in this directory.
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, known: Vec::new() }
    }

    /// Whether the device with this number, `MAJOR:MINOR`, is neither mapped, an array nor a loop.
    pub(super) fn is_physical(&mut self, number: &str) -> bool {
        if let Some((_, physical)) = self.known.iter().find(|(it, _)| **it == *number) {
            return *physical;
        }
        let device = self.directory.join(number);
        let physical = !["dm", "md", "loop", "bcache"].iter().any(|it| device.join(it).exists());
        if self.known.len() < DEVICES_MAX {
            self.known.push((number.into(), physical));
        }
        physical
    }

    /// Forgets what was looked up, because devices come and go.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }
}
